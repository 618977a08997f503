// Package layers reads who imports whom from the sources and compares it
// with the map that the project keeps. Its test is the promise that lower
// layers never know upper ones; nothing else uses it.
package layers

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Rule is what one package may import.
type Rule struct {
	// Ours are packages of this module, relative to it.
	Ours []string
	// Others are import path prefixes of other modules; "any" allows all.
	Others []string
	// Tests are what its test files may import besides, of either.
	Tests []string
}

// Map holds a Rule for each package, by its folder relative to the module.
type Map map[string]Rule

// Forbidden are folder names that hide what is in them.
func Forbidden() []string { return []string{"internal", "pkg", "utils", "common", "types", "mocks"} }

// ReadMap reads a map of lines `package | ours | others | tests`.
func ReadMap(file string) (Map, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := Map{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "|")
		if len(columns) != 4 {
			return nil, fmt.Errorf("%s:%d: %d columns, not 4", file, n, len(columns))
		}
		name := strings.TrimSpace(columns[0])
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("%s:%d: %s stands twice", file, n, name)
		}
		others := strings.Fields(columns[2])
		if slices.Equal(others, []string{"none"}) {
			others = nil
		}
		m[name] = Rule{strings.Fields(columns[1]), others, strings.Fields(columns[3])}
	}
	return m, lines.Err()
}

// Violations walks the sources under root, a module called module, and
// returns one line for each thing that the map does not allow. It reads
// every Go file, whatever its build tags; hidden folders, testdata and
// scripts, which hold no packages of the product, are left out.
func (m Map) Violations(root, module string) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			if relative != "." && (strings.HasPrefix(name, ".") || name == "testdata") || relative == "scripts" || relative == "bin" {
				return fs.SkipDir
			}
			if slices.Contains(Forbidden(), name) {
				found = append(found, fmt.Sprintf("%s: no folder is called %s: name the noun in it", relative, name))
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(relative)
		seen[pkg] = true
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := m.refuses(pkg, strings.HasSuffix(name, "_test.go"), module, imported); why != "" {
				found = append(found, relative+": "+why)
			}
		}
		return nil
	})
	for pkg := range seen {
		if _, known := m[pkg]; !known && !isTest(pkg) {
			found = append(found, pkg+": the map does not know this package: give it a place")
		}
	}
	slices.Sort(found)
	return found, err
}

func isTest(pkg string) bool { return pkg == "tests" || strings.HasPrefix(pkg, "tests/") }

// refuses says why pkg may not import a path, or "".
func (m Map) refuses(pkg string, test bool, module, imported string) string {
	rule, known := m[pkg]
	if isTest(pkg) || !known {
		return ""
	}
	ours, mine := strings.CutPrefix(imported, module+"/")
	switch {
	case mine && (ours == pkg && test || slices.Contains(rule.Ours, ours)):
		return ""
	case mine && test && slices.Contains(rule.Tests, ours):
		return ""
	case mine:
		return fmt.Sprintf("%s may not import %s", pkg, ours)
	case standard(imported) || slices.Contains(rule.Others, "any"):
		return ""
	case hasPrefix(rule.Others, imported) || test && hasPrefix(rule.Tests, imported):
		return ""
	}
	return fmt.Sprintf("%s may not import %s, of another module", pkg, imported)
}

// standard reports whether a path is of the standard library: its first
// element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func hasPrefix(prefixes []string, imported string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return imported == p || strings.HasPrefix(imported, p+"/")
	})
}

// Importers gives the folders whose files import one of these packages, whatever their build tags.
func Importers(root string, packages ...string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if slices.Contains(packages, imported) {
				folder, err := filepath.Rel(root, filepath.Dir(file))
				if err != nil {
					return err
				}
				found = append(found, filepath.ToSlash(folder))
			}
		}
		return nil
	})
	slices.Sort(found)
	return slices.Compact(found), err
}
