//go:build holdpoints

package node

import (
	"os"
	"strings"
	"time"
)

// wallClock lets a test have this node's clock jump: it differs from the machine's by the duration in the file $TUMBLER_CLOCK.
func wallClock() time.Time {
	now := time.Now().Round(0) // nothing but the wall's
	text, err := os.ReadFile(os.Getenv("TUMBLER_CLOCK"))
	if err != nil {
		return now
	}
	by, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		panic(err) // the test wrote it
	}
	return now.Add(by)
}
