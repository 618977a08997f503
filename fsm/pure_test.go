package fsm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestApplyIsAFunctionOfStateAndCommand reads the sources: nothing that differs from node to node, and no signature, is looked
// at in this package, but by the functions named here, which Apply does not call.
func TestApplyIsAFunctionOfStateAndCommand(t *testing.T) {
	forbidden := map[string]string{
		"Verify": "a signature", "VerifyFor": "a signature", "VerifyASN1": "a signature", "VerifyUnit": "a signature", "VerifyAdministrator": "a signature",
		"EstimateDiskUsage": "an estimate", "Metrics": "an estimate", "Hostname": "the machine", "Getenv": "the machine", "Statfs": "the machine",
	}
	apart := []string{"NewRequestID", "EpochBytes"} // of the proposer
	packages := []string{"math/rand", "math/rand/v2", "net", "net/http"}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files, seen := token.NewFileSet(), 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if slices.Contains(packages, strings.Trim(i.Path.Value, `"`)) {
				t.Errorf("%s imports %s", e.Name(), i.Path.Value)
			}
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || slices.Contains(apart, f.Name.Name) {
				continue
			}
			seen++
			ast.Inspect(f, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				what := forbidden[s.Sel.Name]
				switch of, _ := s.X.(*ast.Ident); {
				case of != nil && of.Name == "rand":
					what = "chance"
				case of != nil && of.Name == "time" && s.Sel.Name != "Time" && s.Sel.Name != "Unix" && s.Sel.Name != "UTC":
					what = "a clock"
				}
				if what != "" {
					t.Errorf("%s: %s looks at %s (%s)", files.Position(s.Pos()), f.Name.Name, what, s.Sel.Name)
				}
				return true
			})
		}
	}
	if seen < 100 {
		t.Errorf("only %d functions were read", seen)
	}
}
