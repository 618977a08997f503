package model

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed *.pml
var sources embed.FS

// Search is one search of the model.
type Search struct {
	// Defines are names and values for the preprocessor: sizes, faults, a
	// planted bug.
	Defines []string
	// InTheEnd searches for runs that do not end as they must, by the formula
	// that Defines choose; otherwise states are searched.
	InTheEnd bool
	// Large says that it is worth the compiler's time.
	Large bool
}

// Outcome is what a search came to.
type Outcome struct {
	States int64
	// Broken is what was not true, empty where nothing was found.
	Broken string
}

// memory is how many MiB a search may take; two run at once.
const memory = 1800

// ErrIncomplete is the outcome of a search that did not visit every state.
var ErrIncomplete = errors.New("the search is not complete")

// Run searches in a folder of its own, which must be there and be empty.
func (s Search) Run(ctx context.Context, dir string) (Outcome, error) {
	pan, err := s.build(ctx, dir)
	if err != nil {
		return Outcome{}, err
	}
	arguments := []string{"-m100000", "-w24"}
	if s.InTheEnd {
		arguments = append(arguments, "-a")
	}
	command := exec.CommandContext(ctx, pan, arguments...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: %w: %s", ErrIncomplete, err, tail(out))
	}
	return read(string(out))
}

// build makes the searching program of a search.
func (s Search) build(ctx context.Context, dir string) (string, error) {
	if err := os.CopyFS(dir, sources); err != nil {
		return "", err
	}
	settings := []string{"-O0", "-w", "-DVECTORSZ=4096", "-DMEMLIM=" + strconv.Itoa(memory), "-o", "pan", "pan.c"}
	if s.Large {
		settings[0] = "-O2"
	}
	if s.InTheEnd {
		settings = append(settings, "-DNOFAIR")
	} else {
		settings = append(settings, "-DSAFETY")
	}
	generate := []string{"-a"}
	for _, d := range s.Defines {
		generate = append(generate, "-D"+d)
	}
	for _, step := range []*exec.Cmd{
		exec.CommandContext(ctx, "spin", append(generate, "rotation.pml")...),
		exec.CommandContext(ctx, "gcc", settings...),
	} {
		step.Dir = dir
		if out, err := step.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w (`make deps` installs what is missing): %s", step.Args[0], err, tail(out))
		}
	}
	return filepath.Join(dir, "pan"), nil
}

var (
	errorsFound = regexp.MustCompile(`errors: (\d+)`)
	stored      = regexp.MustCompile(`(\d+) states, stored`)
	broken      = regexp.MustCompile(`(?m)^pan:\d+: (.*) \(at depth \d+\)$`)
)

// read finds the outcome in what the searching program prints.
func read(out string) (Outcome, error) {
	states, found := stored.FindStringSubmatch(out), errorsFound.FindStringSubmatch(out)
	if states == nil || found == nil {
		return Outcome{}, fmt.Errorf("%w: %s", ErrIncomplete, tail([]byte(out)))
	}
	n, err := strconv.ParseInt(states[1], 10, 64)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{States: n}
	if match := broken.FindStringSubmatch(out); match != nil {
		o.Broken = match[1]
	}
	if (o.Broken == "") != (found[1] == "0") || o.Broken == "" && strings.Contains(out, "Search not completed") {
		return o, fmt.Errorf("%w: %s", ErrIncomplete, tail([]byte(out)))
	}
	return o, nil
}

// tail is the end of what a program printed.
func tail(out []byte) string {
	const most = 2000
	return string(out[max(0, len(out)-most):])
}
