package client

import (
	"encoding/json"
	"time"
)

// Log is a page of the Raft log as this node has it (GET cluster/log?from=&limit=).
type Log struct {
	First   uint64     `json:"first"` // the log's own bounds
	Last    uint64     `json:"last"`
	Entries []LogEntry `json:"entries"`
	Next    uint64     `json:"next,omitempty"` // ask from here for more; 0: the end
}

// LogEntry is one entry of the log.
type LogEntry struct {
	Index     uint64          `json:"index"`
	Term      uint64          `json:"term"`
	Time      *time.Time      `json:"time,omitempty"` // when the leader appended it
	Type      string          `json:"type"`           // command | noop | configuration | barrier
	Kind      string          `json:"kind,omitempty"` // of a command
	Number    uint32          `json:"kind_number,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Command   json.RawMessage `json:"command,omitempty"` // the command's fields
	Table     *LogTable       `json:"table,omitempty"`   // a batch's table beside the entry
	Error     string          `json:"error,omitempty"`   // why the entry could not be read
}

// LogTable describes the table of rewrapped blobs that belongs to an entry.
type LogTable struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}
