package leak

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// copied is a connection with a copy of what it brought and took.
type copied struct {
	net.Conn
	in, out bytes.Buffer
}

func (c *copied) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in.Write(b[:n])
	return n, err
}

func (c *copied) Write(b []byte) (int, error) {
	c.out.Write(b)
	return c.Conn.Write(b)
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// converse speaks TLS over a copied connection, and gives the server's copy and the key log.
func converse(t *testing.T, said, answered []byte) (*copied, keyLog) {
	t.Helper()
	near, far := net.Pipe()
	server := &copied{Conn: far}
	var log bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		c := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13, KeyLogWriter: &log})
		got := make([]byte, len(said))
		_, err := io.ReadFull(c, got)
		if err == nil {
			_, err = c.Write(answered)
		}
		ended <- errors.Join(err, c.Close())
	}()
	c := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if _, err := c.Write(said); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	keys := keyLog{}
	if err := keys.read(&log); err != nil {
		t.Fatal(err)
	}
	return server, keys
}

// TestACopiedConnectionIsOpenedWhole: what both ends said, over many records, and a copy that ends in mid-record.
func TestACopiedConnectionIsOpenedWhole(t *testing.T) {
	said, answered := bytes.Repeat([]byte("a question. "), 9000), bytes.Repeat([]byte("an answer. "), 9000)
	c, keys := converse(t, said, answered)
	o, err := keys.open(c.in.Bytes(), c.out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(o.fromClient, said) || !bytes.Equal(o.fromServer, answered) || len(o.handshake) == 0 {
		t.Errorf("%d and %d bytes were said, %d and %d come out, and %d of handshake", len(said), len(answered), len(o.fromClient), len(o.fromServer), len(o.handshake))
	}
	if o, err = keys.open(c.in.Bytes()[:c.in.Len()-40], c.out.Bytes()); err != nil || !bytes.HasPrefix(said, o.fromClient) {
		t.Errorf("a copy that ends in mid-record: %v", err)
	}
}

// TestAConnectionThatCannotBeOpenedIsNamed: a search of half a connection proves nothing.
func TestAConnectionThatCannotBeOpenedIsNamed(t *testing.T) {
	c, keys := converse(t, []byte("a question"), []byte("an answer"))
	changed := bytes.Clone(c.in.Bytes())
	changed[len(changed)-30] ^= 1
	for name, open := range map[string]func() (opened, error){
		"a changed byte":   func() (opened, error) { return keys.open(changed, c.out.Bytes()) },
		"no keys":          func() (opened, error) { return keyLog{}.open(c.in.Bytes(), c.out.Bytes()) },
		"a record is lost": func() (opened, error) { return keys.open(c.in.Bytes(), without(c.out.Bytes(), 3)) },
	} {
		if _, err := open(); err == nil || errors.Is(err, errNoTLS) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := keys.open([]byte("GET / HTTP/1.1\r\n\r\n"), nil); !errors.Is(err, errNoTLS) {
		t.Errorf("plain HTTP: %v", err)
	}
}

// without leaves a record out.
func without(stream []byte, n int) (rest []byte) {
	for i, r := range records(stream) {
		if i != n {
			rest = append(rest, r...)
		}
	}
	return rest
}

// TestCopiedGossipIsOpened: packets and streams, in the form that memberlist gives them.
func TestCopiedGossipIsOpened(t *testing.T) {
	key := make([]byte, 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	label := append([]byte{gossipLabel, 7}, "tumbler"...)
	seal := func(plain string, additional []byte) []byte {
		nonce := make([]byte, 12)
		return aead.Seal(append([]byte{1}, nonce...), nonce, []byte(plain), additional)
	}
	packet := append(bytes.Clone(label), seal("ping", label[2:])...)
	framed := binary.BigEndian.AppendUint32(nil, uint32(len(packet)))
	framed = append(framed, packet...)
	if plain, err := gossipPackets(key, append(framed, framed...)); err != nil || string(plain) != "pingping" {
		t.Errorf("%q, %v", plain, err)
	}
	head := binary.BigEndian.AppendUint32([]byte{gossipEncrypted}, uint32(1+12+len("state")+16))
	stream := append(bytes.Clone(head), seal("state", append(bytes.Clone(head), label[2:]...))...)
	if plain, err := gossipStream(key, append(stream, stream...), label[2:]); err != nil || string(plain) != "statestate" {
		t.Errorf("%q, %v", plain, err)
	}
	framed[len(framed)-1] ^= 1
	if _, err := gossipPackets(key, framed); err == nil || !strings.Contains(err.Error(), "packet") {
		t.Errorf("a changed packet: %v", err)
	}
}
