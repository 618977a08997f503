package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// patience is how long one test may take.
const patience = 2 * time.Minute

// runner compiles and runs tests of the tree at root; what it makes lies in temp.
type runner struct{ root, temp string }

// verdict is how a mutant fared.
type verdict struct {
	mutant *mutant
	caught bool
	took   time.Duration
	err    error // why it is no verdict
}

// judge plants one mutant and runs its test.
func (r runner) judge(ctx context.Context, m *mutant) (v verdict) {
	began := time.Now()
	v.mutant = m
	defer func() { v.took = time.Since(began) }()
	overlay, err := r.overlay(m)
	if err != nil {
		v.err = err
		return v
	}
	binary := filepath.Join(r.temp, m.name+".test")
	defer func() { _ = os.Remove(binary) }() // some 30 MiB each
	if v.err = r.build(ctx, m.pkg, binary, "-overlay", overlay); v.err != nil {
		return v
	}
	passed, err := r.test(ctx, binary, m)
	v.caught, v.err = err == nil && !passed, err
	return v
}

// overlay writes the files with the bug, and what tells the compiler to take it.
func (r runner) overlay(m *mutant) (string, error) {
	files, err := m.plant(r.root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, content := range files {
		planted := filepath.Join(r.temp, fmt.Sprintf("%s-%d.go", m.name, len(replace)))
		if err := os.WriteFile(planted, content, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(r.root, file)] = planted
	}
	replaces, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(r.temp, m.name+".json")
	return overlay, os.WriteFile(overlay, replaces, 0o600)
}

// build compiles the tests of a package.
func (r runner) build(ctx context.Context, pkg, binary string, more ...string) error {
	arguments := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-tags", "hashicorpmetrics", "-o", binary}, more...)
	command := exec.CommandContext(ctx, "go", append(arguments, "./"+pkg)...)
	command.Dir = r.root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not build: %w\n%s", pkg, err, tail(out))
	}
	return nil
}

// test runs a mutant's test, with the bug or without, and tells whether it passed. What neither passes nor fails is an error.
func (r runner) test(ctx context.Context, binary string, m *mutant) (passed bool, err error) {
	command := exec.CommandContext(ctx, binary, "-test.v", "-test.timeout", patience.String(), "-test.run", m.pattern())
	command.Dir = filepath.Join(r.root, m.pkg)
	out, err := command.CombinedOutput()
	return read(m.test, string(out), err)
}

// read finds the verdict on a test in what it printed.
func read(test, out string, ended error) (passed bool, err error) {
	found := regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL): ` + regexp.QuoteMeta(test) + ` \(`).FindStringSubmatch(out)
	switch {
	case found != nil && found[1] == "FAIL":
		return false, nil
	case found != nil && ended == nil:
		return true, nil
	}
	return false, fmt.Errorf("%s neither passed nor failed: %w\n%s", test, errors.Join(ended, errNoVerdict), tail([]byte(out)))
}

var errNoVerdict = errors.New("it was not run to its end")

// tail is the end of what a program printed.
func tail(out []byte) string {
	const most = 2000
	return strings.TrimSpace(string(out[max(0, len(out)-most):]))
}
