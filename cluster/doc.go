// Package cluster replicates commands between crypto units.
//
// It is the spine made of hashicorp/raft, raft-boltdb and memberlist, and it promises:
//
//   - Propose returns the state machine's answer to a command that a majority has made durable, from any member: followers
//     forward to the leader, and the same bytes are tried again across elections for as long as the caller waits. The state
//     machine recognises a repeated command by the request id inside it.
//   - ReadIndex makes a read linearizable on any member, even beside a leader that was paused and deposed.
//   - Raft and node-to-node calls share one TLS 1.3 port, and both ends prove which unit they are. Gossip has a port of its
//     own, is encrypted, and is a hint: Raft's configuration alone says who is a member.
//   - A large table travels as the extension of an entry and is written once a node, to a file that the state machine can
//     link; the log keeps a stub with its digest.
//   - A snapshot is a folder that the state machine made, put in place by rename; nothing is copied before a member asks.
//
// The package knows nothing of what is replicated. It calls the StateMachine and a few functions given in Config.
package cluster
