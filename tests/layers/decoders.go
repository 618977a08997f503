package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// primitive are the calls with which bytes from elsewhere are read.
var primitive = regexp.MustCompile(`\.(Unmarshal|NewDecoder|DecodeString|ParseForm|ParseCertificate|ParsePKCS8PrivateKey)$|` +
	`^pem\.Decode$|^(tar|sstable)\.NewReader$|^binary\.BigEndian\.Uint(16|32|64)$`)

// Decoders gives the functions of the product that read bytes from elsewhere, as `folder Function` or `folder Type.Function`: those
// that call what decodes (JSON, CBOR, DER, hex, an integer, …), in whatever build.
func Decoders(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			if strings.HasPrefix(entry.Name(), ".") && relative != "." || slices.Contains([]string{"tests", "scripts", "bin"}, relative) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(relative, ".go") || strings.HasSuffix(relative, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		for _, declaration := range parsed.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && decodes(f) {
				found = append(found, path.Dir(relative)+" "+nameOf(f))
			}
		}
		return nil
	})
	slices.Sort(found)
	return slices.Compact(found), err
}

func decodes(f *ast.FuncDecl) (does bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && primitive.MatchString(spelt(call.Fun)) {
			does = true
		}
		return !does
	})
	return does
}

// spelt is a.b.c as it is written; what is called before a dot counts as nothing.
func spelt(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return spelt(x.X) + "." + x.Sel.Name
	}
	return ""
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return spelt(of) + "." + f.Name.Name
}
