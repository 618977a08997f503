// Package rewrap moves the key store from one master key to the next: it
// plans who works on which partition, has this node's crypto unit write and
// verify what the plan gives it, and says how far the whole is.
//
// It promises:
//
//   - Each number of a partition is written once a pass, from this node's own
//     replica, in number order, under the lease that the state knows. A unit
//     notes durably what it writes before it writes, and verifies nothing of
//     it.
//   - Nothing is skipped. A blob that does not open stops its partition and is
//     reported; the partition goes on when the blob was repaired or settled.
//   - A restart loses nothing: what is due is read from the state alone, by
//     the same code at start and at every change.
//   - The plan is a pure function. Clocks decide when work moves to another
//     unit, never whether a batch is accepted: that is the lease number's.
//
// It sees no key: the unit behind Unit does.
package rewrap
