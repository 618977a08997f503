// Package holdpoint names the moments before and after each durable step. In builds with the tag holdpoints a test may hold
// the process at one of them, or have it kill itself there as a power cut would. In every other build, released ones among
// them, a point is nothing, and its name is not in the program.
package holdpoint
