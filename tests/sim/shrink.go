package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
)

// failure is a trace that breaks a rule, as it is kept: the events are all that it takes.
type failure struct {
	Seed  uint64  `json:"seed"`
	Rule  string  `json:"rule"`
	What  string  `json:"what"`
	Trace []Event `json:"trace"`
}

// broken is the rule that a replay of a trace breaks; empty: none.
func broken(seed uint64, trace []Event) (rule, what string) {
	_, err := replay(seed, trace)
	var v *Violation
	if errors.As(err, &v) {
		return v.Rule, v.What
	}
	return "", ""
}

// shrink leaves out of a trace what its failure does not need (ddmin): first halves, then ever smaller parts.
func shrink(f failure) failure {
	for parts := 2; len(f.Trace) > 1; {
		size := (len(f.Trace) + parts - 1) / parts
		smaller := false
		for from := 0; from < len(f.Trace); from += size {
			rest := slices.Concat(f.Trace[:from], f.Trace[min(from+size, len(f.Trace)):])
			if rule, what := broken(f.Seed, rest); rule == f.Rule {
				f.Trace, f.What, smaller = rest, what, true
				break
			}
		}
		switch {
		case smaller:
			parts = max(parts-1, 2)
		case size == 1:
			return f
		default:
			parts = min(2*parts, len(f.Trace))
		}
	}
	return f
}

// keep writes a failure down.
func (f failure) keep(path string) error {
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

// readFailure reads what keep wrote.
func readFailure(path string) (f failure, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}
