// Package converge brings a crypto unit to what the replicated state wants of
// it, speaks for the unit to the state, and looks at what others say of theirs
// before the state believes it.
//
// It promises: the unit says one thing at a time, and the next only after the
// state has answered; a step is taken on what this node has applied, and taken
// again after a crash at any instruction; a unit whose sealed file is older
// than what it has signed ends its node, and no lie of another node does.
//
// Each step is a function that looks at the state and does what is due, so
// that a simulation can drive it; the goroutines that call them again at every
// change are a few lines beside.
package converge
