package registers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tumbler/cryptounit/order"
)

const flagSuite = "suite"

// suitesBest are the importer suites, the best first.
func suitesBest() []order.Suite {
	return []order.Suite{order.SuiteHPKE, order.SuiteECDH, order.SuiteRSA}
}

// suiteAsked reads --suite, and whether it was given.
func (i *invocation) suiteAsked() (order.Suite, bool, error) {
	word := i.Text(flagSuite, "")
	if word == "" {
		return 0, false, nil
	}
	for _, s := range suitesBest() {
		if s.String() == word {
			return s, true, nil
		}
	}
	return 0, true, i.Usage("--%s %s is not one of %s", flagSuite, word, suiteList(suitesBest()))
}

func suiteList(suites []order.Suite) string {
	words := make([]string, len(suites))
	for n, s := range suites {
		words[n] = s.String()
	}
	return strings.Join(words, ", ")
}

// suiteFor chooses the suite of an order: that of --suite, or else the best that every part can do.
func (i *invocation) suiteFor(parts []keyPart) (order.Suite, error) {
	asked, given, err := i.suiteAsked()
	if err != nil {
		return 0, err
	}
	if given {
		return asked, i.suiteFits(parts, asked)
	}
	for _, s := range suitesBest() {
		if !slices.ContainsFunc(parts, func(p keyPart) bool { return !slices.Contains(p.Suites(), s) }) {
			return s, i.suiteFits(parts, s)
		}
	}
	var each []string
	for _, p := range parts {
		each = append(each, fmt.Sprintf("%s by %s", strconv.Quote(p.Label()), suiteList(p.Suites())))
	}
	return 0, fmt.Errorf("no one way to seal fits all key parts, and an order has one: %s", strings.Join(each, "; "))
}

// suiteFits refuses parts that cannot be sealed by a suite, and says what is true of the suite.
func (i *invocation) suiteFits(parts []keyPart, suite order.Suite) error {
	for _, p := range parts {
		if !slices.Contains(p.Suites(), suite) {
			return fmt.Errorf("key part %s cannot be sealed by %v, as its order has it, but by %s: the order says how for all its parts, so open it with --%s (an order under way is cancelled first, with `tumbler tke cryptounit-mk-clrnew`)",
				strconv.Quote(p.Label()), suite, suiteList(p.Suites()), flagSuite)
		}
	}
	if !suite.PostQuantum() {
		i.Say("The key parts are sealed by %v, which is not post-quantum.", suite)
	}
	return nil
}
