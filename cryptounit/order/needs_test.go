package order_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// variants are the orders that the stories of testdata/needs.txt name.
func variants(t testing.TB) map[string]*order.Order {
	t.Helper()
	parts := func(o *order.Order) *order.Order {
		o.Generator, o.Parts, o.Commit, o.Activate = 0, 2, order.Signed, order.Signed
		return o
	}
	held := newOrder(t, order.Rotate)
	held.Activate = order.Signed
	asked := newOrder(t, order.Rotate)
	asked.Commit = order.Signed
	single := newOrder(t, order.Init)
	single.Units, single.Generator = units(4), 4
	return map[string]*order.Order{
		"rotate": newOrder(t, order.Rotate), "rotate-held": held, "rotate-asked": asked,
		"rotate-parts": parts(newOrder(t, order.Rotate)),
		"init":         newOrder(t, order.Init), "init-parts": parts(newOrder(t, order.Init)), "init-single": single,
		"recover": newOrder(t, order.Recover), "enrol": newOrder(t, order.Enrol), "cancel": newOrder(t, order.Cancel),
	}
}

// sentinels are the words for refusals.
func sentinels() map[string]error {
	return map[string]error{
		"not-named": order.ErrNotNamed, "wrong-kind": order.ErrWrongKind, "two-patterns": order.ErrTwoPatterns,
		"same-as-current": order.ErrSameAsCurrent, "census": order.ErrCensus, "not-cancelled": order.ErrNotCancelled,
	}
}

// TestNeedsStories reads one story a line:
//
//	order | what has happened; … | step [unit] | outcome
//
// The comment at the top of the file has the words.
func TestNeedsStories(t *testing.T) {
	file, err := os.Open("testdata/needs.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	orders, stories := variants(t), 0
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		stories++
		t.Run(fmt.Sprintf("line %d", n), func(t *testing.T) {
			columns := strings.Split(line, "|")
			if len(columns) != 4 {
				t.Fatalf("%q has no four columns", line)
			}
			for i := range columns {
				columns[i] = strings.TrimSpace(columns[i])
			}
			o := orders[columns[0]]
			if o == nil {
				t.Fatalf("there is no order %q", columns[0])
			}
			r := newRecord(t, o)
			for fact := range strings.SplitSeq(columns[1], ";") {
				tell(t, r, strings.Fields(fact))
			}
			var step string
			var unit uint32
			if _, err := fmt.Sscan(columns[2]+" 0", &step, &unit); err != nil {
				t.Fatal(err)
			}
			if got := outcome(order.Needs(stepOf(t, step), unit, r)); got != columns[3] {
				t.Errorf("%s\n  gives %q", line, got)
			}
		})
	}
	if err := lines.Err(); err != nil || stories == 0 {
		t.Fatalf("%d stories, %v", stories, err)
	}
}

func newRecord(t testing.TB, o *order.Order) *order.Record {
	t.Helper()
	return &order.Record{Order: o, Digest: signedOrder(t, o).Digest(), Last: 3000, Census: order.Counts{2, 2998, 0}}
}

func steps() []order.Step {
	return []order.Step{
		order.StepPrepare, order.StepGenerate, order.StepLoad, order.StepCommit, order.StepRewrap, order.StepActivate,
		order.StepClear, order.StepSetImmediate, order.StepClearCurrent, order.StepZeroize,
	}
}

func stepOf(t testing.TB, word string) order.Step {
	t.Helper()
	for _, s := range steps() {
		if s.String() == word {
			return s
		}
	}
	t.Fatalf("there is no step %q", word)
	return 0
}

// outcome is ok, "waits …" or "refused …".
func outcome(err error) string {
	var missing *order.MissingError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &missing) && !errors.Is(err, order.ErrMissing):
		return "a MissingError that is no ErrMissing"
	case missing != nil && missing.What == 0:
		return "waits for signature"
	case missing != nil && missing.What == order.Verified:
		return "waits for partitions " + list(missing.Partitions)
	case missing != nil:
		return "waits for " + missing.What.String() + " " + list(missing.Units)
	}
	for word, sentinel := range sentinels() {
		if errors.Is(err, sentinel) {
			return "refused " + word
		}
	}
	return err.Error()
}

func list(ns []uint32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ns), " ", ","), "[]")
}

// tell adds one fact of a story to the record.
func tell(t testing.TB, r *order.Record, words []string) {
	t.Helper()
	if len(words) == 0 {
		return
	}
	arg := func(i int) string {
		if i >= len(words) {
			t.Fatalf("%v: too short", words)
		}
		return words[i]
	}
	switch words[0] {
	case "census":
		r.Census = countsOf(t, arg(1))
	case "last":
		scan(t, arg(1), &r.Last)
	case "settled":
		r.Settled = countsOf(t, arg(1))
	case "approved":
		a := &order.Approval{
			Step: stepOf(t, arg(1)), Cluster: r.Order.Cluster, Incarnation: r.Order.Incarnation, Order: r.Digest, Pattern: patternOf(arg(2)[0]),
		}
		if err := r.AddApproval(a); err != nil {
			t.Fatal(err)
		}
	case "cancelled":
		c := newOrder(t, order.Cancel)
		c.Subject.Order = r.Digest
		if err := r.SetCancel(c); err != nil {
			t.Fatal(err)
		}
	case "verified": // verified PARTITION pass PASS counts A/B/C [of LAST]
		v := &order.Verification{Last: 3000, Counts: countsOf(t, arg(5))}
		scan(t, arg(1), &v.Partition)
		scan(t, arg(3), &v.Pass)
		if len(words) > 7 {
			scan(t, arg(7), &v.Last)
		}
		state(t, r, &order.Statement{Kind: order.Verified, Unit: 5, Verification: v})
	default: // KIND UNITS [PATTERN]
		for _, unit := range unitsOf(t, arg(1)) {
			s := &order.Statement{Kind: kindOf(t, words[0]), Unit: unit}
			if s.Kind == order.Ready {
				s.Importer = importerKey(unit)
			}
			if len(words) > 2 {
				s.Pattern = patternOf(words[2][0])
			}
			state(t, r, s)
		}
	}
}

func state(t testing.TB, r *order.Record, s *order.Statement) {
	t.Helper()
	s.Order, s.Cluster, s.Incarnation = r.Digest, r.Order.Cluster, r.Order.Incarnation
	if err := r.AddStatement(s); err != nil {
		t.Fatal(err)
	}
}

func kindOf(t testing.TB, word string) order.StatementKind {
	t.Helper()
	for _, k := range statementKinds() {
		if k.String() == word {
			return k
		}
	}
	t.Fatalf("there is no statement %q", word)
	return 0
}

func unitsOf(t testing.TB, text string) (numbers []uint32) {
	t.Helper()
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		var a, b uint32
		scan(t, from, &a)
		if b = a; isRange {
			scan(t, to, &b)
		}
		for n := a; n <= b; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func countsOf(t testing.TB, text string) (c order.Counts) {
	t.Helper()
	for i, n := range strings.Split(text, "/") {
		scan(t, n, &c[i])
	}
	return c
}

func scan(t testing.TB, text string, to any) {
	t.Helper()
	if _, err := fmt.Sscan(text, to); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

// facts are all that happens under an order of each variant, in order.
func facts() map[string][]string {
	verified := []string{"verified 0 pass 1 counts 2/998/0", "verified 1 pass 1 counts 0/1000/0", "verified 2 pass 1 counts 0/1000/0"}
	drawn := []string{"ready 1", "ready 2", "ready 3", "ready 4", "ready 5", "generated 4 B", "loaded 1 B", "loaded 2 B", "loaded 3 B", "loaded 5 B"}
	brought := []string{"ready 1", "ready 2", "ready 3", "ready 4", "ready 5", "loaded 1 B", "loaded 2 B", "loaded 3 B", "loaded 4 B", "loaded 5 B"}
	committed := []string{"committed 1 B", "committed 2 B", "committed 3 B", "committed 4 B", "committed 5 B"}
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	return map[string][]string{
		"rotate":       join(drawn, committed, verified, []string{"cancelled"}),
		"rotate-held":  join(drawn, committed, verified, []string{"approved activate B"}),
		"rotate-asked": join(drawn, []string{"approved commit B"}, committed, verified),
		"rotate-parts": join(brought, []string{"approved commit B"}, committed, verified, []string{"approved activate B"}),
		"init":         join(drawn, committed),
		"init-parts":   join(brought, []string{"approved commit B"}, committed, []string{"approved set-immediate B", "approved activate B"}),
		"init-single":  {"ready 4", "generated 4 B", "committed 4 B"},
		"recover": {
			"ready 2", "ready 4", "ready 5", "generated 4 A", "loaded 2 A", "loaded 5 A", "committed 2 A", "committed 5 A", "cancelled",
		},
		"enrol": {}, "cancel": {},
	}
}

// TestNeedsEveryStepWithoutEachPiece takes each fact away in turn and holds,
// in one golden file, what each step of each order then says. A step that
// does not mind is not listed under that fact.
func TestNeedsEveryStepWithoutEachPiece(t *testing.T) {
	var b strings.Builder
	for _, name := range []string{"init", "init-parts", "init-single", "rotate", "rotate-held", "rotate-asked", "rotate-parts", "recover", "enrol", "cancel"} {
		o, all := variants(t)[name], facts()[name]
		needs := func(step order.Step, without int) string {
			r := newRecord(t, o)
			for i, fact := range all {
				if i != without {
					tell(t, r, strings.Fields(fact))
				}
			}
			return outcome(order.Needs(step, 0, r))
		}
		for _, step := range steps() {
			whole := needs(step, -1)
			fmt.Fprintf(&b, "%s: %v: %s\n", name, step, whole)
			for i, fact := range all {
				if got := needs(step, i); got != whole {
					fmt.Fprintf(&b, "    without %s: %s\n", fact, got)
				}
			}
		}
	}
	golden(t, "needs-each-piece.golden", b.String())
}

// TestNeedsNamesItsUnits asks each step for each unit number.
func TestNeedsNamesItsUnits(t *testing.T) {
	for name, want := range map[string]map[order.Step]string{
		"rotate":     {order.StepPrepare: "1,2,3,4,5", order.StepGenerate: "4", order.StepLoad: "1,2,3,5", order.StepCommit: "1,2,3,4,5", order.StepRewrap: "1,2,3,4,5", order.StepActivate: "1,2,3,4,5", order.StepClear: "1,2,3,4,5"},
		"recover":    {order.StepPrepare: "2,4,5", order.StepGenerate: "4", order.StepLoad: "2,5", order.StepCommit: "2,5", order.StepActivate: "2,5", order.StepClear: "1,2,3,4,5"},
		"init-parts": {order.StepPrepare: "1,2,3,4,5", order.StepLoad: "1,2,3,4,5", order.StepCommit: "1,2,3,4,5", order.StepActivate: "1,2,3,4,5", order.StepSetImmediate: "1,2,3,4,5"},
	} {
		r := newRecord(t, variants(t)[name])
		for _, fact := range facts()[name] {
			tell(t, r, strings.Fields(fact))
		}
		for step, numbers := range want {
			var may []uint32
			for unit := uint32(1); unit <= 6; unit++ {
				switch err := order.Needs(step, unit, r); {
				case err == nil:
					may = append(may, unit)
				case !errors.Is(err, order.ErrNotNamed):
					t.Errorf("%s: %v by unit %d: %v", name, step, unit, err)
				}
			}
			if list(may) != numbers {
				t.Errorf("%s: %v is for units %s, not %s", name, step, list(may), numbers)
			}
		}
	}
}

func TestMissingErrorSaysWhatIsAwaited(t *testing.T) {
	for _, c := range []struct {
		err  order.MissingError
		want string
	}{
		{order.MissingError{Step: order.StepCommit, What: order.Loaded, Units: []uint32{2, 5}}, "commit waits for `loaded` of crypto unit 2, 5"},
		{order.MissingError{Step: order.StepActivate, What: order.Verified, Partitions: []uint32{1, 2}}, "activate waits for 2 partitions to be verified"},
		{order.MissingError{Step: order.StepActivate}, "activate waits for the administrators' signature"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

func TestNoPatternBeforeAKey(t *testing.T) {
	if p, err := newRecord(t, newOrder(t, order.Rotate)).Pattern(); err == nil || p != (masterkey.Pattern{}) {
		t.Errorf("%v, %v", p, err)
	}
}

// TestWithKeyPartsCommitAndActivateAreSigned: a quorum signed for no unit that would choose the key.
func TestWithKeyPartsCommitAndActivateAreSigned(t *testing.T) {
	for _, name := range []string{"init-parts", "rotate-parts"} {
		for step, change := range map[string]func(*order.Order){
			"commit":   func(o *order.Order) { o.Commit = order.Automatic },
			"activate": func(o *order.Order) { o.Activate = order.Automatic },
		} {
			o := variants(t)[name]
			if _, err := o.Encode(); err != nil {
				t.Fatal(err)
			}
			change(o)
			if _, err := o.Encode(); !errors.Is(err, order.ErrInvalidOrder) {
				t.Errorf("%s, %s by itself: %v", name, step, err)
			}
		}
	}
}
