// Command sim runs the whole rotation in simulated clusters: the replicated
// state, real crypto units and all that speaks for them, several of each in one
// process, under a scheduler that a seed drives, with a clock and disks of its
// own. The log is agreed on by itself; what can befall who proposes to it and
// who applies it does.
//
// The product's code runs as it is. Where it waits for the log, its coroutine
// gives control to the scheduler, which decides what happens next (schedule.go):
// an entry is applied, a proposal arrives, a unit takes its step, or something
// goes wrong (faults.go). After every event what must be true is looked at:
// invariants.go is the list, facts.go and clients.go what it is judged by. At
// the end the faults cease, and the cluster must come to rest (calm.go).
//
// The model of a rotation (tests/model) is asked whether it allows what
// happened: recording.go says it in the model's words.
//
// An event holds all that it depends on, so a list of events replays; one that
// breaks a rule is shrunk (shrink.go), and kept under testdata once it is
// mended.
package main
