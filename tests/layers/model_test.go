package layers_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheModelNamesFunctionsThatAreThere holds the table of DESIGN.md that says which function each step of the model stands
// for: all steps are in it, and all names on both sides are there.
func TestTheModelNamesFunctionsThatAreThere(t *testing.T) {
	design, err := os.ReadFile(filepath.Join(root, "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := modelSteps(t)
	if len(steps) < 25 {
		t.Fatalf("the model has %d steps: it is not read rightly", len(steps))
	}
	for _, wrong := range wrongSteps(t, string(design), steps) {
		t.Error(wrong)
	}
}

func TestStepsThatAreNotThereAreFound(t *testing.T) {
	table := "\n## Model → functions\n| step | in the code |\n| --- | --- |\n| `flip`, `flap` | `fsm.tx.flip`, `fsm.tx.flap`, `order.Needs` |\n| `cancel` | somewhere |\nas `invariants`\n## Words\n"
	got := wrongSteps(t, table, []string{"cancel", "flip", "invariants", "load"})
	want := []string{"the model has no step flap", "there is no function fsm.tx.flap", "step cancel stands for nothing", "DESIGN.md does not say what step load stands for"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

var inline = regexp.MustCompile(`(?m)^(?:inline|active (?:\[\w+\] )?proctype) (\w+)\(`)

// modelSteps are the inlines and processes of the model.
func modelSteps(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "tests/model/*.pml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range inline.FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

func wrongSteps(t *testing.T, design string, steps []string) (wrong []string) {
	t.Helper()
	_, section, _ := strings.Cut(design, "\n## Model → functions\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) != 2 {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(cells[0], -1) {
			if !slices.Contains(steps, match[1]) {
				wrong = append(wrong, "the model has no step "+match[1])
			}
		}
		functions := quoted.FindAllStringSubmatch(cells[1], -1)
		for _, match := range functions {
			if !isFunction(t, match[1]) {
				wrong = append(wrong, "there is no function "+match[1])
			}
		}
		if len(functions) == 0 && !strings.Contains(cells[1], "nothing:") {
			wrong = append(wrong, fmt.Sprintf("step %s stands for nothing", strings.Trim(strings.TrimSpace(cells[0]), "`")))
		}
	}
	for _, step := range steps {
		if !strings.Contains(section, "`"+step+"`") {
			wrong = append(wrong, "DESIGN.md does not say what step "+step+" stands for")
		}
	}
	return wrong
}

// isFunction reports whether `package.Function` or `package.Type.Method` is declared.
func isFunction(t *testing.T, name string) bool {
	t.Helper()
	pkg, function, _ := strings.Cut(name, ".")
	if pkg == "order" || pkg == "masterkey" {
		pkg = "cryptounit/" + pkg
	}
	files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, is := d.(*ast.FuncDecl); is && function == fullName(f) {
				return true
			}
		}
	}
	return false
}

// fullName is Function or Type.Method.
func fullName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if pointer, is := receiver.(*ast.StarExpr); is {
		receiver = pointer.X
	}
	if identifier, is := receiver.(*ast.Ident); is {
		return identifier.Name + "." + f.Name.Name
	}
	return f.Name.Name
}
