package cluster

import (
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"tumbler/holdpoint"
)

// votes is what Raft must never forget: its term, and for whom it voted.
type votes struct{ *raftboltdb.BoltStore }

func (v votes) Set(key, value []byte) error {
	return holdpoint.Step("vote", func() error { return v.BoltStore.Set(key, value) })
}

func (v votes) SetUint64(key []byte, value uint64) error {
	return holdpoint.Step("term", func() error { return v.BoltStore.SetUint64(key, value) })
}
