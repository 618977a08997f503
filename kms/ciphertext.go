package kms

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"

	"tumbler/fsm"
)

// ciphertextVersion is of the form below, and forever.
const ciphertextVersion = "4.0.0"

// envelope is what a wrap gives, as base64 of JSON. There is one encoding of each: what parses encodes to the same
// bytes.
type envelope struct {
	Ciphertext []byte `json:"ciphertext"`
	IV         []byte `json:"iv"`
	Version    string `json:"version"`
	Handle     string `json:"handle"` // id of the key version
}

func encodeCiphertext(version fsm.ID, iv, ciphertext []byte) string {
	raw, err := json.Marshal(envelope{ciphertext, iv, ciphertextVersion, FormatID(version)})
	if err != nil {
		panic(err) // bytes and strings always encode
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// decodeCiphertext reads what encodeCiphertext wrote, and nothing else.
func decodeCiphertext(s string) (version fsm.ID, iv, ciphertext []byte, err error) {
	bad := ErrCiphertext.with("the ciphertext is malformed: give it back exactly as the wrap gave it")
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return version, nil, nil, bad
	}
	var e envelope
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&e) != nil || e.Version != ciphertextVersion || len(e.IV) == 0 || len(e.Ciphertext) == 0 {
		return version, nil, nil, bad
	}
	version, ok := ParseID(e.Handle)
	if !ok || encodeCiphertext(version, e.IV, e.Ciphertext) != s {
		return fsm.ID{}, nil, nil, bad
	}
	return version, e.IV, e.Ciphertext, nil
}

// additionalData binds a ciphertext to its key version and the caller's strings, each with its length before it, so
// that no two lists of strings give the same bytes.
func additionalData(version fsm.ID, aad []string) []byte {
	out := append([]byte("tumbler/v1/wrap\x00"), version[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(aad)))
	for _, s := range aad {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}
