package cli

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/node"
)

// build is what this program is made of.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: node.Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

func versionCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:        "version",
		Usage:       "show the version of this program",
		Description: "Example:\n   tumbler version --output json",
		Flags:       command.OutputFlags(),
		Action: command.Action(s, func(_ context.Context, i *command.Invocation) error {
			if _, err := i.Arguments(); err != nil {
				return err
			}
			b := thisBuild()
			return i.Result(b, func(w io.Writer) {
				command.Line(w, "tumbler %s (%s, %s)", b.Version, b.Go, b.Platform)
				if b.Revision != "" {
					command.Line(w, "revision %s", b.Revision)
				}
			})
		}),
	}
}
