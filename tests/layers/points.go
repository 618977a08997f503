package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Points is what the hold points of some packages are called, and which durable steps have none.
type Points struct {
	Names   []string // sorted
	Without []string // file:line: call
}

// durable are the calls after which something is on the disk, or agreed on, that was not before; a name alone stands for any
// receiver. Removals are none: what a crash leaves is removed at the next start.
func durable(pkg, call string) bool {
	calls := []string{
		"os.Rename", "files.Rename", "os.Link", "files.Link", "os.WriteFile", "vfs.Copy", "vfs.LinkOrCopy", ".Sync", // files
		"bolt.StoreLog", "bolt.StoreLogs", "bolt.DeleteRange", "bolt.Set", "bolt.SetUint64", "StableStore.Set", "StableStore.SetUint64", // Raft's log
		"cluster.Propose", "Proposer.ProposeTable", "Stater.State", "Unit.BeginPartition", // agreement, and notes of a unit
	}
	if pkg == "fsm" {
		calls = append(calls, ".Commit", ".Flush", ".Ingest", ".Checkpoint") // the store
	}
	return slices.ContainsFunc(calls, func(c string) bool { return call == c || strings.HasSuffix(call, "."+strings.TrimPrefix(c, ".")) })
}

// FindPoints reads the sources of packages under root.
func FindPoints(root string, packages ...string) (found Points, err error) {
	for _, pkg := range packages {
		names, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil {
			return found, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return found, err
			}
			at := func(n ast.Node) string {
				return fmt.Sprintf("%s:%d", path.Join(pkg, filepath.Base(name)), files.Position(n.Pos()).Line)
			}
			ast.Walk(&finder{found: &found, pkg: pkg, at: at}, file)
		}
	}
	slices.Sort(found.Names)
	return found, nil
}

// finder visits a file, or what a Step does.
type finder struct {
	found  *Points
	pkg    string
	at     func(ast.Node) string
	inStep bool
}

func (f *finder) Visit(n ast.Node) ast.Visitor {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return f
	}
	name := types.ExprString(call.Fun)
	switch {
	case name == "holdpoint.At":
		if point, ok := literal(call.Args[0]); ok { // else it is one of a rotation's states
			f.found.Names = append(f.found.Names, point)
		}
	case name == "holdpoint.Step":
		point, ok := literal(call.Args[0])
		if !ok {
			f.found.Without = append(f.found.Without, f.at(n)+": a step whose name is no literal")
		}
		f.found.Names = append(f.found.Names, "before-"+point, "after-"+point)
		inside := *f
		inside.inStep = true
		return &inside
	case durable(f.pkg, name) && !f.inStep:
		f.found.Without = append(f.found.Without, f.at(n)+": "+name)
	}
	return f
}

func literal(e ast.Expr) (string, bool) {
	text, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	value, err := strconv.Unquote(text.Value)
	return value, err == nil
}
