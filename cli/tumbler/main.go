// Command tumbler is a node of a key orchestrator, and its command line.
package main

import (
	"os"

	"tumbler/cli"
	"tumbler/cli/command"
)

func main() { os.Exit(cli.Main(os.Args, command.Process())) }
