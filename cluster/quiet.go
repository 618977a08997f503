package cluster

import (
	"bytes"
	"io"
	"log"

	"github.com/hashicorp/go-hclog"
)

// Ending tells that this node is about to be closed in good order: from now on what Raft and memberlist cannot do any more,
// because their connections go, is no error in the log.
func (c *Cluster) Ending() { c.orderly.Store(true) }

// quiet is a logger whose errors are told at debug level once a node ends in good order.
type quiet struct {
	hclog.Logger
	ending func() bool
}

func (q quiet) level(level hclog.Level) hclog.Level {
	if level == hclog.Error && q.ending() {
		return hclog.Debug
	}
	return level
}

func (q quiet) Error(message string, args ...any) { q.Log(hclog.Error, message, args...) }

func (q quiet) Log(level hclog.Level, message string, args ...any) {
	q.Logger.Log(q.level(level), message, args...)
}

func (q quiet) With(args ...any) hclog.Logger  { return quiet{q.Logger.With(args...), q.ending} }
func (q quiet) Named(name string) hclog.Logger { return quiet{q.Logger.Named(name), q.ending} }
func (q quiet) ResetNamed(name string) hclog.Logger {
	return quiet{q.Logger.ResetNamed(name), q.ending}
}

// lines is a logger for memberlist, which begins its lines with their level.
func (q quiet) lines() *log.Logger {
	return log.New(quietLines{q.StandardWriter(&hclog.StandardLoggerOptions{InferLevels: true}), q.ending}, "", 0)
}

type quietLines struct {
	io.Writer
	ending func() bool
}

func (q quietLines) Write(line []byte) (int, error) {
	out := line
	if q.ending() {
		out = bytes.Replace(line, []byte("[ERR]"), []byte("[DEBUG]"), 1)
	}
	if _, err := q.Writer.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}
