package cryptounit

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestEachUseOfASecretRunsInSecret reads the package's sources: whatever touches the bytes of a secret, draws one, or uses a
// key, stands in a function that inSecret runs, or in one that is called from such places alone. (That what was used is gone
// after a collection is seen by the leak test; here it is seen that no use was forgotten.)
func TestEachUseOfASecretRunsInSecret(t *testing.T) {
	uses := []string{"random", "secretOf", "subkey", "sealAEAD", "openAEAD", "sealHPKE", "openHPKE", "NewPrivateKey", "NewKeyFromSeed",
		"NewRSA", "OpenRSA", "ECDHFromSeed", "OpenECDH"}
	// What they are made of, and what erases.
	exempt := []string{"random", "secretOf", "newSecret", "free", "sealAEAD", "openAEAD", "sealHPKE", "openHPKE", "subkey"}

	type place struct {
		in     string // function
		at     token.Position
		secret bool // in a function literal that inSecret runs
		what   string
	}
	var touched []place
	calls := map[string][]place{}
	files := token.NewFileSet()
	for name, file := range parsed(t, files) {
		if strings.HasPrefix(name, "sealing_off") {
			continue
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			var within func(n ast.Node, secret bool)
			within = func(n ast.Node, secret bool) {
				ast.Inspect(n, func(n ast.Node) bool {
					switch e := n.(type) {
					case *ast.CallExpr:
						called := calledName(e)
						if called == "inSecret" {
							within(e.Args[0].(*ast.FuncLit).Body, true)
							return false
						}
						p := place{f.Name.Name, files.Position(e.Pos()), secret, called}
						calls[called] = append(calls[called], p)
						if slices.Contains(uses, called) {
							touched = append(touched, p)
						}
					case *ast.SelectorExpr:
						if e.Sel.Name == "bytes" {
							touched = append(touched, place{f.Name.Name, files.Position(e.Pos()), secret, "the bytes of a secret"})
						}
					}
					return true
				})
			}
			within(f.Body, false)
		}
	}
	var outside func(p place, path []string) []string
	outside = func(p place, path []string) []string {
		if p.secret || slices.Contains(exempt, p.in) || slices.Contains(path, p.in) {
			return nil
		}
		path = append(path, p.in)
		callers := calls[p.in]
		if len(callers) == 0 {
			return path
		}
		for _, c := range callers {
			if found := outside(c, path); found != nil {
				return found
			}
		}
		return nil
	}
	for _, p := range touched {
		if path := outside(p, nil); path != nil {
			t.Errorf("%s: %s in %s runs outside inSecret", p.at, p.what, strings.Join(path, ", called by "))
		}
	}
	if len(touched) < 20 {
		t.Errorf("only %d uses were found: are secrets called otherwise now?", len(touched))
	}
}

// parsed are the sources of a released build.
func parsed(t *testing.T, files *token.FileSet) map[string]*ast.File {
	t.Helper()
	context := build.Default
	context.ToolTags = append(slices.Clone(context.ToolTags), "goexperiment.runtimesecret")
	p, err := context.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*ast.File{}
	for _, name := range p.GoFiles {
		if all[name], err = parser.ParseFile(files, name, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if all["secretmode_on.go"] == nil || all["secretmode_off.go"] != nil {
		t.Error("a released build does not run what inSecret is given in runtime/secret")
	}
	return all
}

func calledName(e *ast.CallExpr) string {
	switch f := e.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
