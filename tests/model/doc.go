// Package model is the protocol of a rotation in Promela, and what runs it
// with spin: the search of every state that three units and three keys can
// come to, with a crash at any step, another leader at any time, and proposals
// that are lost or late. `make model` runs it whole.
//
// The model has one transition relation, in the *.pml files beside this one;
// rotation.pml says what is in which. It is searched for states in which
// something that must be true after every step is not (invariants.pml), and
// for runs that do not end as they must (the ltl formulas in rotation.pml).
// Then bugs are planted in it, one at a time, and each must be found: a model
// that cannot fail proves nothing.
//
// And it is asked about the code: runs of the simulation (tests/sim) are
// replayed against the same relation, in which then only the steps of the run
// are taken (trace.go, trace.pml). The code may do nothing that the model may
// not, as far as it is about what the model knows.
//
// What it leaves out: generations (a rolled-back unit ends its node), orders
// other than rotate and cancel, blobs that do not open, contents of keys.
// DESIGN.md says which function each step stands for.
package model
