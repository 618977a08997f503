package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// mutant is one bug: the words of its file, and what it replaces.
type mutant struct {
	name    string // of its file, without .txt
	title   string // what the bug is
	file    string // that it is in
	pkg     string // whose test catches it
	test    string // Test, or Test/scenario
	short   bool   // part of the short form
	changes []change
}

// change replaces a text that is there once in its file.
type change struct{ file, old, new string }

// heldBy is the test as DESIGN.md writes it.
func (m *mutant) heldBy() string { return fmt.Sprintf("`%s`: `%s`", m.pkg, m.test) }

// pattern is the -run of just that test.
func (m *mutant) pattern() string {
	elements := strings.Split(m.test, "/")
	for i, e := range elements {
		elements[i] = "^" + regexp.QuoteMeta(e) + "$"
	}
	return strings.Join(elements, "/")
}

// readAll reads the mutants of a folder, by name.
func readAll(dir string) ([]*mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []*mutant
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		m, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		m.name = strings.TrimSuffix(filepath.Base(path), ".txt")
		all = append(all, m)
	}
	return all, nil
}

// parse reads a mutant: words, then old and new texts in turn. An old text of another file than the mutant's says so: `old FILE`.
func parse(text []byte) (*mutant, error) {
	archive, m := txtar.Parse(text), new(mutant)
	words := map[string]func(string){
		"title": func(v string) { m.title = v },
		"file":  func(v string) { m.file = v },
		"test":  func(v string) { m.pkg, m.test, _ = strings.Cut(v, " ") },
		"short": func(v string) { m.short = v == "yes" },
	}
	for line := range strings.Lines(strings.TrimSpace(string(archive.Comment))) {
		word, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if words[word] == nil {
			return nil, fmt.Errorf("what is %q?", line)
		}
		words[word](value)
	}
	if m.title == "" || m.file == "" || m.pkg == "" || m.test == "" {
		return nil, errors.New("it needs a title, a file and a test")
	}
	for i, f := range archive.Files {
		name, file, elsewhere := strings.Cut(f.Name, " ")
		if want := []string{"old", "new"}[i%2]; name != want || elsewhere && i%2 == 1 {
			return nil, fmt.Errorf("part %d is %q, not %q", i+1, f.Name, want)
		}
		if !elsewhere {
			file = m.file
		}
		if i%2 == 0 {
			m.changes = append(m.changes, change{file: file, old: strings.TrimSuffix(string(f.Data), "\n")})
		} else {
			m.changes[i/2].new = strings.TrimSuffix(string(f.Data), "\n")
		}
	}
	if len(m.changes) == 0 || len(archive.Files)%2 != 0 {
		return nil, errors.New("an old text and a new one are missing")
	}
	return m, nil
}

// plant gives the files as they are with the bug, by their paths in the tree.
func (m *mutant) plant(root string) (map[string][]byte, error) {
	planted := map[string][]byte{}
	for i, c := range m.changes {
		content, again := planted[c.file]
		if !again {
			var err error
			if content, err = os.ReadFile(filepath.Join(root, c.file)); err != nil {
				return nil, err
			}
		}
		if n := bytes.Count(content, []byte(c.old)); n != 1 || c.old == c.new {
			return nil, fmt.Errorf("%s: the old text of change %d is %d times in %s, and must be there once, and change", m.name, i+1, n, c.file)
		}
		planted[c.file] = bytes.Replace(content, []byte(c.old), []byte(c.new), 1)
	}
	for file, content := range planted {
		if _, err := parser.ParseFile(token.NewFileSet(), file, content, parser.SkipObjectResolution); err != nil {
			return nil, fmt.Errorf("%s: with the bug it is no Go: %w", m.name, err)
		}
	}
	return planted, nil
}
