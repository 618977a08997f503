package layers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryRuleNamesTestsThatAreThere holds the table of rules in DESIGN.md: a rule whose test was renamed or removed is held
// by nothing.
func TestEveryRuleNamesTestsThatAreThere(t *testing.T) {
	design, err := os.ReadFile(filepath.Join(root, "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	rules := ruleRows(string(design))
	if len(rules) < 50 {
		t.Fatalf("the table has %d rules: it is not read rightly", len(rules))
	}
	for _, row := range rules {
		for _, wrong := range wrongNames(row) {
			t.Errorf("%s: %s", row[0], wrong)
		}
	}
}

// TestNamesThatAreNotThereAreFound plants one of each kind.
func TestNamesThatAreNotThereAreFound(t *testing.T) {
	for by, want := range map[string]string{
		"`cryptounit`: `TestNoSuchThing`":                                 "cryptounit has no TestNoSuchThing",
		"`order`: `TestXAESMatchesThePublishedVectors`":                   "cryptounit/order has no TestXAESMatchesThePublishedVectors",
		"`fsm`: `TestScenarios/late_unit`, `no_story`":                    "fsm has no scenario no_story",
		"`fsm`: `TestScenarios/no_story`":                                 "fsm has no scenario no_story",
		"`no/package`: `TestTransitionTable`":                             "no/package is no package with tests",
		"`make no-such`":                                                  "the Makefile has no no-such",
		"somebody looks at it":                                            "no test is named",
		"`TestTransitionTable`":                                           "TestTransitionTable is of no package",
		"`masterkey`: `TestTransitionTable`; `make help`; `tests/layers`": "",
	} {
		if got := strings.Join(wrongNames([2]string{"a rule", by}), "; "); got != want {
			t.Errorf("%s: %q, not %q", by, got, want)
		}
	}
}

// ruleRows are the rows of the table: the rule, and what holds it.
func ruleRows(design string) (rows [][2]string) {
	_, section, _ := strings.Cut(design, "\n## Rule → test\n")
	section, _, _ = strings.Cut(section, "\n#")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| rule |") {
			continue
		}
		last := len(cells) - 1
		rows = append(rows, [2]string{strings.TrimSpace(strings.Join(cells[:last], " | ")), cells[last]})
	}
	return rows
}

var (
	quoted   = regexp.MustCompile("`([^`]+)`(:?)")
	testName = regexp.MustCompile(`^((?:Test|Fuzz)[A-Z]\w*)(?:/(\w+))?$`)
	story    = regexp.MustCompile(`^[a-z_]+$`)
)

// wrongNames says what is wrong with the names of a row: `package`: `Test`, `Test/scenario`, `scenario`; `make target`.
func wrongNames(row [2]string) (wrong []string) {
	pkg, last, named := "", "", 0
	check := func(is bool, format string, args ...any) {
		if !is {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	for _, match := range quoted.FindAllStringSubmatch(row[1], -1) {
		word := match[1]
		test := testName.FindStringSubmatch(word)
		switch target, isTarget := strings.CutPrefix(word, "make "); {
		case isTarget:
			named++
			target, _, _ = strings.Cut(target, " ")
			check(has([]string{"Makefile"}, target+":"), "the Makefile has no %s", target)
		case test != nil && pkg == "":
			named++
			check(false, "%s is of no package", word)
		case test != nil:
			named++
			last = test[1]
			check(has(testFiles(pkg), "func "+last+"("), "%s has no %s", pkg, last)
			check(test[2] == "" || isScenario(pkg, test[2]), "%s has no scenario %s", pkg, test[2])
		case last == "TestScenarios" && match[2] == "" && story.MatchString(word):
			check(isScenario(pkg, word), "%s has no scenario %s", pkg, word)
		default:
			if pkg, last = word, ""; word == "order" || word == "masterkey" {
				pkg = "cryptounit/" + word
			}
			check(len(testFiles(pkg)) > 0, "%s is no package with tests", pkg)
		}
		if len(wrong) > 0 {
			return wrong
		}
	}
	check(named > 0, "no test is named")
	return wrong
}

func testFiles(pkg string) (names []string) {
	found, _ := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	for _, f := range found {
		names = append(names, strings.TrimPrefix(f, root+"/"))
	}
	return names
}

func isScenario(pkg, name string) bool {
	_, err := os.Stat(filepath.Join(root, pkg, "testdata", "scenarios", name))
	return err == nil
}

// has reports whether a line of one of the files begins so.
func has(files []string, begins string) bool {
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(filepath.Join(root, file))
		return err == nil && strings.Contains("\n"+string(text), "\n"+begins)
	})
}
