// Command custodian holds crypto units for a test; see package custody.
package main

import (
	"fmt"
	"os"

	"tumbler/tests/leak/custody"
)

func main() {
	if err := custody.Serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "custodian:", err)
		os.Exit(1)
	}
}
