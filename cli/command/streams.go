package command

import (
	"io"
	"os"
)

// Streams is what a command reads from and writes to.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Env func(name string) string // the value of an environment variable, or ""
}

// Process gives the streams of this process.
func Process() Streams { return Streams{os.Stdin, os.Stdout, os.Stderr, os.Getenv} }
