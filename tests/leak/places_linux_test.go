package leak

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// places searches everything that the rehearsal left, while its nodes stand still.
func (r *rehearsal) places(t *testing.T) []*place {
	t.Helper()
	s, state := r.searcher(), r.searcher(r.people.partPatterns...)
	list := []*place{
		r.files(state, "units' files", "data/unit"),
		r.files(state, "Raft's logs", "data/raft/log.bolt"),
		r.files(state, "tables beside the logs", "data/raft/tables"),
		r.files(state, "snapshots", "data/raft/snapshots"),
		r.files(state, "stores", "data/state"),
		r.files(state, "logs of the processes", "log"),
	}
	archive, err := state.files("an archive", filepath.Dir(r.archive), r.archive)
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, archive)
	printed := &place{name: "what commands printed"}
	s.bytesOf(printed, "a command", []byte(r.said.String()))
	list = append(list, printed)
	replies := &place{name: "replies to custodians"}
	list = append(list, r.connections(s, state, replies)...)
	list = append(list, r.people.places(r, replies)...)
	list = append(list, r.gossip(r.searcher(patterns(r.seed, []kind{gossipPlant()})...)), r.held, r.ended)
	for _, p := range list {
		if p.bytes == 0 {
			t.Errorf("%s: there is nothing to search", p.name)
		}
	}
	return append(list, cardPlaces(list)...)
}

// files searches a file, or a folder's files, of every node.
func (r *rehearsal) files(s *searcher, name, at string) *place {
	r.t.Helper()
	var paths []string
	for _, n := range r.Nodes {
		paths = append(paths, filepath.Join(n.Dir, at))
	}
	p, err := s.files(name, filepath.Dir(r.Nodes[0].Dir), paths...)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// captured gives the copies of connections whose names hold a word.
func (r *rehearsal) captured(word string) []string {
	r.t.Helper()
	paths, err := filepath.Glob(filepath.Join(r.taps, "*-"+word+"-*.in"))
	if err != nil || len(paths) == 0 {
		r.t.Fatalf("no connection of %s was copied: %v", word, err)
	}
	for i := range paths {
		paths[i] = strings.TrimSuffix(paths[i], ".in")
	}
	return paths
}

func (r *rehearsal) read(path string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// connections opens and searches what went over TLS: Raft's with the searcher of what the state may not have. What units reply to
// custodians goes over the API.
func (r *rehearsal) connections(s, state *searcher, replies *place) []*place {
	r.t.Helper()
	keys := keyLog{}
	logs, err := filepath.Glob(filepath.Join(r.taps, "*-keys"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range logs {
		if err := keys.read(bytes.NewReader(r.read(path))); err != nil {
			r.t.Fatalf("%s: %v", path, err)
		}
	}
	raft, calls, api := &place{name: "connections of Raft"}, &place{name: "calls between nodes"}, &place{name: "connections of the API"}
	for _, port := range []string{"cluster", "api"} {
		for _, path := range r.captured(port) {
			o, err := keys.open(r.read(path+".in"), r.read(path+".out"))
			if errors.Is(err, errNoTLS) {
				continue
			}
			if err != nil {
				r.t.Fatalf("%s: %v", path, err)
			}
			p, by := api, s
			switch {
			case port == "api":
				newSearcher(r.people.partPatterns).bytesOf(replies, path, o.fromServer)
			case bytes.HasPrefix(o.fromClient, []byte("PRI * HTTP/2.0")):
				p = calls
			default:
				p, by = raft, state
			}
			for name, b := range map[string][]byte{"to": o.fromClient, "from": o.fromServer, "handshake of": o.handshake} {
				by.bytesOf(p, fmt.Sprintf("%s %s", name, filepath.Base(path)), b)
			}
		}
	}
	return []*place{raft, calls, api}
}

// gossip opens and searches what was gossiped.
func (r *rehearsal) gossip(s *searcher) *place {
	r.t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(r.read(filepath.Join(filepath.Dir(r.Nodes[0].Dir), "gossip.key")))))
	if err != nil {
		r.t.Fatal(err)
	}
	p := &place{name: "gossip"}
	search := func(path string, plain []byte, err error) {
		if err != nil {
			r.t.Fatalf("%s: %v", path, err)
		}
		s.bytesOf(p, filepath.Base(path), plain)
	}
	packets, err := filepath.Glob(filepath.Join(r.taps, "*-gossip.packets"))
	if err != nil || len(packets) < len(r.Nodes) {
		r.t.Fatalf("the packets of %d nodes were copied: %v", len(packets), err)
	}
	for _, path := range packets {
		plain, err := gossipPackets(key, r.read(path))
		search(path, plain, err)
	}
	for _, path := range r.captured("gossip") {
		sent, label := unlabel(r.read(path + ".out"))
		plain, err := gossipStream(key, sent, label)
		search(path+".out", plain, err)
		plain, err = gossipStream(key, r.read(path+".in"), label)
		search(path+".in", plain, err)
	}
	return p
}
