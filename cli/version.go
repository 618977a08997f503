package cli

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"

	urfave "github.com/urfave/cli/v2"

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

func versionCommand(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:        "version",
		Usage:       "show the version of this program",
		Description: "Example:\n   tumbler version --output json",
		Flags:       outputFlags(),
		Action: action(s, func(_ context.Context, i *invocation) error {
			if _, err := i.arguments(); err != nil {
				return err
			}
			b := thisBuild()
			return i.result(b, func(w io.Writer) {
				line(w, "tumbler %s (%s, %s)", b.Version, b.Go, b.Platform)
				if b.Revision != "" {
					line(w, "revision %s", b.Revision)
				}
			})
		}),
	}
}
