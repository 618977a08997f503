//go:build !race

package harness

// raceDetector: the tests have it, and so does the program that they run.
const raceDetector = false
