package leak

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// kind is what a planted value stands for.
type kind struct {
	number int
	name   string
}

// keyKinds are what the crypto unit's generator plants, by its own numbers.
func keyKinds() []kind {
	return []kind{{1, "master key"}, {2, "key made in a unit"}, {3, "payload of a standard key"}, {4, "identity"}, {5, "importer key"}}
}

// gossipPlant is planted by the test itself, since no key comes near gossip.
func gossipPlant() kind { return kind{100, "plant in gossip"} }

// halfSize is how much of each 16-byte half of a planted value is the same in all of its kind.
const halfSize = 12

// halves gives what both halves of every value of a kind begin with.
func (k kind) halves(seed string) [2][]byte {
	mark := sha256.Sum256(fmt.Appendf(nil, "planted %d %s", k.number, seed))
	return [2][]byte{mark[:halfSize], mark[halfSize : 2*halfSize]}
}

// pattern is one way in which half a value of a kind may be written.
type pattern struct {
	bytes []byte
	what  string
}

// patterns gives every way to write either half of a value of some kinds.
func patterns(seed string, kinds []kind) (all []pattern) {
	for _, k := range kinds {
		for _, half := range k.halves(seed) {
			for _, w := range writings(half) {
				all = append(all, pattern{w.bytes, k.name + ", " + w.what})
			}
		}
	}
	return all
}

// writings gives every form of some bytes, wherever among others they stand.
func writings(b []byte) []pattern {
	lower := hex.EncodeToString(b)
	list := []pattern{
		{bytes.Clone(b), "raw"}, {[]byte(lower), "hex"}, {[]byte(strings.ToUpper(lower)), "hex in capitals"},
		{decimal(b, " "), "decimal"}, {decimal(b, ","), "decimal"},
	}
	for before := range 3 {
		standard, url := base64At(base64.RawStdEncoding, b, before), base64At(base64.RawURLEncoding, b, before)
		list = append(list, pattern{standard, "base64"})
		for outer := range 3 {
			list = append(list, pattern{base64At(base64.RawStdEncoding, standard, outer), "base64 in base64"})
		}
		if !bytes.Equal(standard, url) {
			list = append(list, pattern{url, "base64url"})
		}
	}
	return list
}

func decimal(b []byte, separator string) []byte {
	numbers := make([]string, len(b))
	for i, n := range b {
		numbers[i] = fmt.Sprint(n)
	}
	return []byte(strings.Join(numbers, separator))
}

// base64At gives the digits that depend on b alone when so many bytes, modulo 3, stand before it.
func base64At(encoding *base64.Encoding, b []byte, before int) []byte {
	digits := encoding.EncodeToString(append(make([]byte, before), b...))
	return []byte(digits[(before*8+5)/6 : (before+len(b))*8/6])
}
