package cli

import (
	"slices"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke"
)

// TestEveryCommandTeaches: each says what it does with an example that is itself, takes --output json, and has a line for each flag.
func TestEveryCommandTeaches(t *testing.T) {
	var commands int
	var look func(path string, list []*urfave.Command)
	look = func(path string, list []*urfave.Command) {
		for _, c := range list {
			name := path + " " + c.Name
			if len(c.Subcommands) > 0 {
				look(name, c.Subcommands)
				continue
			}
			commands++
			if c.Usage == "" || !strings.Contains(c.Description, "Example") || !strings.Contains(c.Description, name) {
				t.Errorf("`%s` has no usage, or no example of itself: %q", name, c.Description)
			}
			if !slices.ContainsFunc(c.Flags, func(f urfave.Flag) bool { return slices.Contains(f.Names(), command.FlagOutput) }) {
				t.Errorf("`%s` takes no --%s", name, command.FlagOutput)
			}
			for _, f := range c.Flags {
				documented, ok := f.(urfave.DocGenerationFlag)
				if !ok || documented.GetUsage() == "" {
					t.Errorf("`%s --%s` says nothing", name, f.Names()[0])
				}
			}
		}
	}
	look("tumbler tke", tke.Command(command.Streams{}).Subcommands)
	if commands < 40 {
		t.Errorf("only %d commands were looked at", commands)
	}
}
