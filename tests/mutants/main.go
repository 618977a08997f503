package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// workers is how many mutants are compiled and run at once.
const workers = 2

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("a planted bug was not caught")

func run(ctx context.Context) error {
	short := flag.Bool("short", false, "a few of them, for CI")
	only := flag.String("only", "", "those whose names match a regular expression")
	flag.Parse()
	names, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	all, err := readAll(filepath.Join(root, "tests", "mutants", "planted"))
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m *mutant) bool { return *short && !m.short || !names.MatchString(m.name) })
	if len(all) == 0 {
		return errors.New("there is nothing to plant: run it in the root of the tree")
	}
	temp, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	began := time.Now()
	caught, err := runner{root, temp}.all(ctx, all)
	if err != nil {
		return err
	}
	fmt.Printf("%d caught / %d planted, %.0f s\n", caught, len(all), time.Since(began).Seconds())
	if caught < len(all) {
		return errMissed
	}
	return nil
}

// all sees that the tests pass as the tree is, and then that each bug is caught.
func (r runner) all(ctx context.Context, all []*mutant) (caught int, err error) {
	if err := r.sound(ctx, all); err != nil {
		return 0, fmt.Errorf("without a bug: %w", err)
	}
	verdicts := make(chan verdict)
	group := new(errgroup.Group)
	group.SetLimit(workers)
	go func() {
		defer close(verdicts)
		for _, m := range all {
			group.Go(func() error { verdicts <- r.judge(ctx, m); return nil })
		}
		_ = group.Wait() // none of them gives an error
	}()
	for v := range verdicts {
		word := "MISSED"
		if v.caught {
			word = "caught"
			caught++
		}
		fmt.Printf("%s %5.1f s  %-34s %-26s %s: %s\n", word, v.took.Seconds(), v.mutant.name, v.mutant.file, v.mutant.pkg, v.mutant.test)
		if v.err != nil {
			fmt.Printf("  %v\n", v.err)
		}
	}
	return caught, ctx.Err()
}

// sound runs each test that is to catch a bug, once, without one.
func (r runner) sound(ctx context.Context, all []*mutant) error {
	tests := map[string][]*mutant{} // by package, one a test
	for _, m := range all {
		if !slices.ContainsFunc(tests[m.pkg], func(o *mutant) bool { return o.test == m.test }) {
			tests[m.pkg] = append(tests[m.pkg], m)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for pkg, mutants := range tests {
		group.Go(func() error {
			binary := filepath.Join(r.temp, filepath.Base(pkg)+".test")
			defer func() { _ = os.Remove(binary) }()
			if err := r.build(ctx, pkg, binary); err != nil {
				return err
			}
			for _, m := range mutants {
				if passed, err := r.test(ctx, binary, m); err != nil || !passed {
					return errors.Join(fmt.Errorf("%s: %s does not pass", pkg, m.test), err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}
