//go:build !holdpoints

package node

import "time"

// wallClock is what this machine says the time is: it may jump, and is for what others read. Durations are measured by time.Now.
func wallClock() time.Time { return time.Now() }
