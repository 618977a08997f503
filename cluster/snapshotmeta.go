package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/raft"
)

// snapshotMeta is the file "meta" of a snapshot: one line of JSON and one of its SHA-256. The format is forever.
type snapshotMeta struct {
	Format             int              `json:"format"`
	ID                 string           `json:"id"`
	Index              uint64           `json:"index"`
	Term               uint64           `json:"term"`
	ConfigurationIndex uint64           `json:"configuration_index"`
	Servers            []snapshotServer `json:"servers"`
	Size               int64            `json:"size"` // of the checkpoint folder as a tar
}

type snapshotServer struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

const snapshotFormat = 1

var errMeta = errors.New("not the meta of a snapshot")

func encodeMeta(m *raft.SnapshotMeta) ([]byte, error) {
	out := snapshotMeta{
		Format: snapshotFormat, ID: m.ID, Index: m.Index, Term: m.Term,
		ConfigurationIndex: m.ConfigurationIndex, Servers: []snapshotServer{}, Size: m.Size,
	}
	for _, s := range m.Configuration.Servers {
		out.Servers = append(out.Servers, snapshotServer{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	return out.encode()
}

func (m *snapshotMeta) encode() ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	digest := sha256.Sum256(line)
	return append(line, hex.EncodeToString(digest[:])+"\n"...), nil
}

// decodeMeta takes only what encodeMeta gives.
func decodeMeta(b []byte) (*raft.SnapshotMeta, error) {
	line, digest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("%w: no digest", errMeta)
	}
	sum := sha256.Sum256(b[:len(line)+1])
	if string(digest) != hex.EncodeToString(sum[:])+"\n" {
		return nil, fmt.Errorf("%w: its digest is not that of its content", errMeta)
	}
	return parseMeta(line)
}

func parseMeta(line []byte) (*raft.SnapshotMeta, error) {
	var m snapshotMeta
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errMeta, err)
	}
	again, err := json.Marshal(&m)
	switch {
	case err != nil || !bytes.Equal(again, line):
		return nil, fmt.Errorf("%w: not in its canonical form", errMeta)
	case m.Format != snapshotFormat:
		return nil, fmt.Errorf("%w: format %d, and this version reads format %d", errMeta, m.Format, snapshotFormat)
	case m.Index == 0 || m.Term == 0 || m.Size < 0 || strings.ContainsAny(m.ID, "/\\\x00"):
		return nil, fmt.Errorf("%w: impossible values", errMeta)
	}
	out := &raft.SnapshotMeta{
		Version: 1, ID: m.ID, Index: m.Index, Term: m.Term, ConfigurationIndex: m.ConfigurationIndex, Size: m.Size,
	}
	for _, s := range m.Servers {
		server := raft.Server{ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address), Suffrage: raft.Nonvoter}
		if s.Voter {
			server.Suffrage = raft.Voter
		}
		out.Configuration.Servers = append(out.Configuration.Servers, server)
	}
	return out, nil
}
