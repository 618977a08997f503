// Package fsm is the replicated state of one Tumbler cluster: what Raft's
// log entries mean, and the Pebble store that holds the outcome.
//
// It promises:
//
//   - Apply is a function of state and command: no clock, no randomness, no
//     map order, no signature check, no network. The proposer chooses times,
//     ids, keys and ciphertext.
//   - Each entry sees all earlier ones, and no result depends on how Raft
//     groups entries into batches. A refused entry changes nothing but the
//     memory of its own refusal.
//   - The applied index is committed in the same Pebble batch as the change,
//     and is durable at the index of every finished snapshot.
//   - An error of the store, and a committed entry that cannot be understood,
//     stop the node (Config.Fatal); neither is ever skipped.
//   - The state says when a rotation advances; it never says whether a crypto
//     unit may obey. Units check the evidence kept here by themselves.
//
// Numbers of commands, refusals, classes and states are in the log and in
// snapshots: they are forever.
package fsm
