package leak

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// keyLog has the secrets of TLS connections by the client's random and their label.
type keyLog map[[32]byte]map[string][]byte

// read adds the lines of a key log.
func (k keyLog) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return fmt.Errorf("a line of %d words in a key log", len(fields))
		}
		random, err := hex.DecodeString(fields[1])
		if err != nil || len(random) != 32 {
			return errors.New("no client random in a line of a key log")
		}
		secret, err := hex.DecodeString(fields[2])
		if err != nil {
			return fmt.Errorf("a line of a key log: %w", err)
		}
		if k[[32]byte(random)] == nil {
			k[[32]byte(random)] = map[string][]byte{}
		}
		k[[32]byte(random)][fields[0]] = secret
	}
	return lines.Err()
}

// The content types of TLS 1.3 records (RFC 8446, section 5.1).
const (
	recordHandshake   = 22
	recordApplication = 23
)

// record is one TLS record as it was on the wire, its header of 5 bytes included.
type record []byte

func (r record) kind() byte   { return r[0] }
func (r record) body() []byte { return r[5:] }

// records cuts a stream; a record that the capture cut off at the end is left out.
func records(stream []byte) (list []record) {
	for len(stream) >= 5 {
		n := 5 + int(binary.BigEndian.Uint16(stream[3:]))
		if len(stream) < n {
			break
		}
		list = append(list, stream[:n])
		stream = stream[n:]
	}
	return list
}

// hello gives the body of a stream's first ClientHello (1) or ServerHello (2), from its random on.
func hello(list []record, kind byte) []byte {
	const head = 4 + 2 // type, length, version
	if len(list) == 0 || list[0].kind() != recordHandshake || len(list[0].body()) < head+32 || list[0].body()[0] != kind {
		return nil
	}
	return list[0].body()[head:]
}

// suite is the cipher suite that a ServerHello names.
func suite(serverHello []byte) (newHash func() hash.Hash, keySize int, err error) {
	session := 32 + 1
	if len(serverHello) > 32 {
		session += int(serverHello[32])
	}
	if len(serverHello) < session+2 {
		return nil, 0, errors.New("a ServerHello that is cut off")
	}
	switch id := binary.BigEndian.Uint16(serverHello[session:]); id {
	case 0x1301: // TLS_AES_128_GCM_SHA256
		return sha256.New, 16, nil
	case 0x1302: // TLS_AES_256_GCM_SHA384
		return sha512.New384, 32, nil
	default:
		return nil, 0, fmt.Errorf("cipher suite %#x, which this test cannot open", id)
	}
}

// opened is what a connection carried inside TLS.
type opened struct {
	fromClient, fromServer []byte // the application's data
	handshake              []byte // of both ends, certificates included
}

// open opens a connection with its keys, each record authenticated: nothing that was captured is missed. A connection
// that never got as far as TLS is errNoTLS.
func (k keyLog) open(in, out []byte) (o opened, err error) {
	fromClient, fromServer := records(in), records(out)
	client, server := hello(fromClient, 1), hello(fromServer, 2)
	if client == nil || server == nil {
		return o, errNoTLS
	}
	secrets := k[[32]byte(client)]
	newHash, keySize, err := suite(server)
	if err != nil {
		return o, err
	}
	for _, end := range []struct {
		name    string
		records []record
		into    *[]byte
	}{{"CLIENT", fromClient, &o.fromClient}, {"SERVER", fromServer, &o.fromServer}} {
		d := &direction{newHash: newHash, keySize: keySize, next: [][]byte{
			secrets[end.name+"_HANDSHAKE_TRAFFIC_SECRET"], secrets[end.name+"_TRAFFIC_SECRET_0"],
		}}
		for i, r := range end.records {
			if r.kind() != recordApplication {
				continue
			}
			kind, plain, err := d.open(r)
			if err != nil {
				return o, fmt.Errorf("record %d from the %s: %w", i, strings.ToLower(end.name), err)
			}
			if kind == recordApplication {
				*end.into = append(*end.into, plain...)
			} else {
				o.handshake = append(o.handshake, plain...)
			}
		}
	}
	return o, nil
}

var errNoTLS = errors.New("no TLS was spoken")

// direction opens the records of one end, in their order.
type direction struct {
	newHash func() hash.Hash
	keySize int
	next    [][]byte // secrets that are not in use yet
	secret  []byte
	aead    cipher.AEAD
	iv      []byte
	count   uint64
}

// open opens a record with the keys in force or, where these do not open it, with the next.
func (d *direction) open(r record) (kind byte, plain []byte, err error) {
	for {
		if d.aead != nil {
			nonce := append([]byte(nil), d.iv...)
			for i := range 8 {
				nonce[len(nonce)-1-i] ^= byte(d.count >> (8 * i))
			}
			if plain, err = d.aead.Open(nil, nonce, r.body(), r[:5]); err == nil {
				d.count++
				break
			}
		}
		if err := d.advance(); err != nil {
			return 0, nil, err
		}
	}
	for len(plain) > 0 && plain[len(plain)-1] == 0 { // padding
		plain = plain[:len(plain)-1]
	}
	if len(plain) == 0 {
		return 0, nil, errors.New("it is padding alone")
	}
	return plain[len(plain)-1], plain[:len(plain)-1], nil
}

// advance takes the next secret. (Go never updates keys by itself, so that the last is that of the application's data.)
func (d *direction) advance() error {
	if len(d.next) == 0 {
		return errors.New("no key opens it")
	}
	d.secret, d.next = d.next[0], d.next[1:]
	if len(d.secret) == 0 {
		return errors.New("the key log has no key for it")
	}
	key, err := d.expand("key", d.keySize)
	if err != nil {
		return err
	}
	if d.iv, err = d.expand("iv", 12); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	d.aead, err = cipher.NewGCM(block)
	d.count = 0
	return err
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1).
func (d *direction) expand(label string, size int) ([]byte, error) {
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label+"\x00"...)
	return hkdf.Expand(d.newHash, d.secret, string(info), size)
}
