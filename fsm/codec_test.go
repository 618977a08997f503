package fsm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// samples is one command of every kind, every field set.
func samples() []Command {
	id, digest, pattern := ID{1, 2, 3}, Digest{4, 5}, Pattern{6, 7}
	material := Material{Order: digest, Blobs: []PatternBlob{{Pattern: pattern, Blob: []byte{8}}, {Pattern: Pattern{9}, Blob: []byte{10}}}}
	metadata := KeyMetadata{Name: "n", Description: "d", KeyRing: "r", Aliases: []string{"a"}, Tags: []string{"t"}, Extractable: true, Expires: 11, Extra: []byte{12}}
	apikey := APIKeyRecord{ID: id, Name: "n", Role: "Manager", Hash: digest, Created: Stamp{At: 13, By: "b"}}
	return []Command{
		&Bootstrap{Cluster: id, Incarnation: 1, Instance: ID{2}, FeatureLevel: 1, At: 14, APIKey: &apikey},
		&RegisterUnit{Number: 1, Identity: Identity{15}, Role: RoleRecovery, Location: "l", API: "a:1", Report: []byte{16}, DiskFree: 17, At: 18},
		&SubmitOrder{Order: []byte{19}, At: 20, Short: []uint32{21}},
		&SubmitStatement{Statement: []byte{22}, Envelopes: [][]byte{{23}}, At: 24},
		&SubmitApproval{Order: digest, Approval: []byte{25}, At: 26},
		&AssignPartitions{Order: digest, Assignments: []Assignment{{Partition: 1, Lease: 2, Owner: 3, Verifier: 4, Reset: true}}, Silent: []uint32{5}, At: 27},
		&PutBatch{Order: digest, Partition: 1, Pass: 2, Lease: 3, From: 4, To: 5, Table: digest, Size: 6, Count: 7, Counts: Counts{1, 2, 4}},
		&FenceUnit{Order: digest, Unit: 28, At: 29},
		&RepairBlob{Key: id, Version: 1, Epoch: 2, Number: 3, Blob: []byte{30}},
		&CreateKey{Key: id, Class: ClassKMS, Metadata: metadata, State: KeyActive, Material: material, Imported: true, By: "b", At: 31},
		&AddKeyVersion{Key: id, Record: 1, Version: ID{2}, Material: material, Imported: true, Replaces: 3, By: "b", At: 32},
		&UpdateKey{Key: id, Record: 1, Metadata: metadata, State: KeySuspended, By: "b", At: 33},
		&DeleteKey{Key: id, Record: 1, By: "b", At: 34},
		&RestoreKey{Key: id, Record: 1, By: "b", At: 35},
		&PurgeKey{Key: id, Record: 1, By: "b", At: 36},
		&SweepPurged{Limit: 37},
		&CreateAPIKey{APIKey: apikey},
		&DeleteAPIKey{ID: id},
		&CreateToken{Token: TokenRecord{ID: id, Hash: digest, Unit: 1, Expires: 38, Created: Stamp{At: 39, By: "b"}}},
		&UseToken{ID: id, Hash: digest, Unit: 1, At: 40},
		&RevokeToken{ID: id},
		&DigestState{},
		&RaiseFeatureLevel{Level: 1},
		&RemoveUnit{Number: 41},
		&PaceRewrap{Order: digest, Paused: new(bool), Rate: new(uint64), By: "b", At: 42},
		&CreateKeys{Order: digest, Patterns: []Pattern{{42}}, Class: ClassKMS, Keys: []BulkKey{{Key: id, Metadata: metadata, Blobs: [][]byte{{43}}, Imported: true}}, By: "b", At: 44},
		&DisownStatement{Number: 45, Identity: Identity{46}, Stated: digest, Report: []byte{47}, At: 48},
		&Group{Commands: []Grouped{{&DeleteKey{Key: id, Record: 1, By: "b", At: 49}}, {&RestoreKey{Key: id, Record: 2, By: "b", At: 50}}}},
		&ClearCurrent{Approval: []byte{51}, At: 52},
	}
}

// TestCommandsAreForever: the bytes of every command, as a log of an earlier release has them.
func TestCommandsAreForever(t *testing.T) {
	const golden = "testdata/commands.golden"
	var b strings.Builder
	for i, c := range samples() {
		if int(c.Kind()) != i+1 {
			t.Errorf("%T has number %d, its place is %d", c, c.Kind(), i+1)
		}
		data, err := Encode(c, RequestID{7: 42, 23: 43})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d %s %s\n", c.Kind(), reflect.TypeOf(c).Elem().Name(), hex.EncodeToString(data))
		if kind := KindOf(data); kind != c.Kind() {
			t.Errorf("by its first bytes %T is %d", c, kind)
		}
		again, request, err := Decode(data)
		if err != nil || !reflect.DeepEqual(again, c) || request != (RequestID{7: 42, 23: 43}) {
			t.Errorf("%T comes back as %+v, %v", c, again, err)
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the format of commands has changed (UPDATE_GOLDEN=1 writes %s):\n%s", golden, b.String())
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range samples() {
		data, err := Encode(c, RequestID{1})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, request, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrUndecodable) {
				t.Fatal(err)
			}
			return
		}
		again, err := Encode(c, request)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes as %x, %v", data, again, err)
		}
	})
}

// FuzzPayload gives the decoder payloads behind a right checksum.
func FuzzPayload(f *testing.F) {
	for _, c := range samples() {
		payload, err := encoding.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(c.Kind()), payload)
	}
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		e := envelope{Format: envelopeFormat, Kind: Kind(kind), Request: make([]byte, 24), Payload: payload}
		e.Checksum = e.sum()
		data, err := encoding.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		c, request, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(c, request)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes as %x, %v", data, again, err)
		}
	})
}

// TestEveryChangedByteIsFound: no entry with a changed byte is taken for a command.
func TestEveryChangedByteIsFound(t *testing.T) {
	data, err := Encode(samples()[9], RequestID{1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		spoiled := bytes.Clone(data)
		spoiled[i] ^= 0x20
		if _, _, err := Decode(spoiled); !errors.Is(err, ErrUndecodable) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, _, err := Decode(data[:i]); !errors.Is(err, ErrUndecodable) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
	}
}

// TestUndecodableEntryStopsTheNode: nothing after a committed entry that cannot be understood is applied.
func TestUndecodableEntryStopsTheNode(t *testing.T) {
	var told []error
	store, err := Open(Config{Dir: t.TempDir(), Fatal: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	good, err := Encode(samples()[0], RequestID{1})
	if err != nil {
		t.Fatal(err)
	}
	entries := []*raft.Log{
		{Index: 1, Type: raft.LogCommand, Data: []byte("a command of a later release")},
		{Index: 2, Type: raft.LogCommand, Data: good},
	}
	for i, answer := range store.ApplyBatch(entries) {
		if err, ok := answer.(error); !ok || !errors.Is(err, ErrUndecodable) || !errors.Is(err, ErrStopped) {
			t.Errorf("entry %d: %v", i+1, answer)
		}
	}
	if answer := store.Apply(entries[1]); !errors.Is(answer.(error), ErrStopped) {
		t.Errorf("after it stopped: %v", answer)
	}
	if len(told) != 1 || !errors.Is(told[0], ErrUndecodable) || store.AppliedIndex() != 0 {
		t.Errorf("told %v, applied %d", told, store.AppliedIndex())
	}
}

func TestRefusalsCrossTheWire(t *testing.T) {
	for code, text := range refusalText {
		answer, err := encodeResult(Result{Index: 9}, (&Refusal{Code: code}).with("because"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := DecodeResult(answer)
		if !errors.Is(err, &Refusal{Code: code}) || r.Index != 9 || err.Error() != text+": because" {
			t.Errorf("%d: %v, %+v", code, err, r)
		}
	}
}
