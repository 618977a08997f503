package node

import (
	"io"

	"github.com/hashicorp/go-hclog"
)

// newLogger logs to w as the configuration says, with the unit's number in every line.
func newLogger(c Config, w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:       "tumbler",
		Level:      hclog.LevelFromString(c.Log.Level),
		Output:     w,
		JSONFormat: c.Log.Format == "json",
	}).With("unit", c.Number)
}
