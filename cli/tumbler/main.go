// Command tumbler is a node of a key orchestrator, and its command line.
package main

import (
	"os"

	"tumbler/cli"
)

func main() { os.Exit(cli.Main(os.Args, cli.Process())) }
