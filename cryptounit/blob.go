package cryptounit

import (
	"encoding/binary"
	"math"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Use says what the key in a blob may be used for, and nothing else.
type Use uint8

// The uses. The numbers are forever.
const (
	UseRoot     Use = 1 // wraps and unwraps callers' data keys
	UseStandard Use = 2 // a payload that callers may read back
	UseMAC      Use = 3 // HMAC-SHA-256, of Tumbler's own
	UseKEK      Use = 4 // seals external keys
)

// Header describes a blob and is its additional data: bound to it, readable by
// all. A rewrap changes the pattern and the format, nothing else.
type Header struct {
	Use      Use
	Class    order.Class
	Instance order.ID
	// Pattern names the master key: the first 16 bytes of its verification
	// pattern. Sealing sets it.
	Pattern [masterkey.ShortSize]byte
	Key     order.ID
	Version uint32
	// WrappingKey is the KEK that seals it, zero for the master key itself.
	WrappingKey order.ID
	// Owner and Attributes are fixed at creation; at most 255 and 1,024 bytes.
	Owner      string
	Attributes []byte
}

// The blob, format 1: format, use, class, 0 (a byte each) ‖ instance (16) ‖
// pattern (16) ‖ key (16) ‖ version (4) ‖ wrapping key (16) ‖ length of owner
// (1) ‖ owner ‖ length of attributes (2) ‖ attributes ‖ nonce (24) ‖
// ciphertext ‖ tag (16). Integers are big-endian. All before the nonce is the
// additional data. A 32-byte key without owner and attributes takes 147 bytes.
const (
	blobFormat    = 1
	patternOffset = 4 + 16
	fixedHeader   = 4 + 16 + masterkey.ShortSize + 16 + 4 + 16
	maxAttributes = 1024
	// MaxMaterial bounds the material in one blob, in bytes.
	MaxMaterial = 8192
)

func (h *Header) append(b []byte) ([]byte, error) {
	if h.Use < UseRoot || h.Use > UseKEK || h.Class < order.SystemInternal || h.Class > order.EP11 || len(h.Owner) > math.MaxUint8 || len(h.Attributes) > maxAttributes {
		return nil, refuse(ErrBlob, "use %d, class %d, an owner of %d bytes and attributes of %d are out of range", h.Use, h.Class, len(h.Owner), len(h.Attributes))
	}
	b = append(b, blobFormat, byte(h.Use), byte(h.Class), 0)
	b = append(b, h.Instance[:]...)
	b = append(b, h.Pattern[:]...)
	b = append(b, h.Key[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Version)
	b = append(b, h.WrappingKey[:]...)
	b = append(b, byte(len(h.Owner)))
	b = append(b, h.Owner...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Attributes)))
	return append(b, h.Attributes...), nil
}

// headerLength checks the frame of a blob and returns where its nonce begins.
func headerLength(blob []byte) (int, error) {
	if len(blob) < fixedHeader+3+xaesOverhead {
		return 0, refuse(ErrBlob, "%d bytes are too few", len(blob))
	}
	if blob[0] != blobFormat {
		return 0, refuse(ErrBlob, "format %d is unknown: this release knows %d", blob[0], blobFormat)
	}
	if use := Use(blob[1]); use < UseRoot || use > UseKEK || blob[2] < byte(order.SystemInternal) || blob[2] > byte(order.EP11) || blob[3] != 0 {
		return 0, refuse(ErrBlob, "use %d or class %d is unknown", blob[1], blob[2])
	}
	n := fixedHeader + 1 + int(blob[fixedHeader])
	if len(blob) < n+2+xaesOverhead {
		return 0, refuse(ErrBlob, "it is cut off")
	}
	attributes := int(binary.BigEndian.Uint16(blob[n:]))
	n += 2 + attributes
	if attributes > maxAttributes || len(blob) < n+xaesOverhead || len(blob) > n+xaesOverhead+MaxMaterial {
		return 0, refuse(ErrBlob, "its lengths do not fit")
	}
	return n, nil
}

// ParseHeader reads a blob's header. It tells nothing about the blob's
// authenticity: only opening does.
func ParseHeader(blob []byte) (Header, error) {
	n, err := headerLength(blob)
	if err != nil {
		return Header{}, err
	}
	owner := int(blob[fixedHeader])
	h := Header{
		Use: Use(blob[1]), Class: order.Class(blob[2]),
		Version: binary.BigEndian.Uint32(blob[patternOffset+32:]),
		Owner:   string(blob[fixedHeader+1 : fixedHeader+1+owner]),
	}
	if a := blob[fixedHeader+1+owner+2 : n]; len(a) > 0 {
		h.Attributes = append([]byte(nil), a...)
	}
	copy(h.Instance[:], blob[4:])
	copy(h.Pattern[:], blob[patternOffset:])
	copy(h.Key[:], blob[patternOffset+16:])
	copy(h.WrappingKey[:], blob[patternOffset+36:])
	return h, nil
}

func blobPattern(blob []byte) [masterkey.ShortSize]byte {
	return [masterkey.ShortSize]byte(blob[patternOffset : patternOffset+masterkey.ShortSize])
}

// blobPurpose is the subkey that seals a use.
func blobPurpose(use Use) purpose {
	if use == UseKEK {
		return purposeKEK
	}
	return purposeBlob
}
