//go:build plantedkeys

package tap

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Files in $TUMBLER_TAPS, each beginning with this process's id: PID-keys is a key log as browsers write it, one for all
// connections; PID-NAME-N.in and .out are what a connection brought and took, as it was on the wire; PID-NAME.packets are
// packets, each after its length (4 bytes).

// conns counts the connections of this process.
var conns atomic.Uint64

func create(name string) *os.File {
	dir := os.Getenv("TUMBLER_TAPS")
	if dir == "" {
		panic("this build copies its connections for the leak test, and is for nothing else: TUMBLER_TAPS is not set")
	}
	path := filepath.Join(dir, fmt.Sprintf("%d-%s", os.Getpid(), name))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err) // a search of half a tap proves nothing
	}
	return file
}

func write(file *os.File, b []byte) {
	if _, err := file.Write(b); err != nil {
		panic(err)
	}
}

// keyLog is one file for all connections of this process.
var keyLog = sync.OnceValue(func() *os.File { return create("keys") })

// Keys has the keys of the configuration's connections written down.
func Keys(c *tls.Config) *tls.Config {
	c.KeyLogWriter = keyLog()
	return c
}

// Listener has every connection copied.
func Listener(name string, l net.Listener) net.Listener { return &listener{l, name} }

type listener struct {
	net.Listener
	name string
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Conn(l.name, c), nil
}

// Conn has a connection copied.
func Conn(name string, c net.Conn) net.Conn {
	name = fmt.Sprintf("%s-%d", name, conns.Add(1))
	return &conn{Conn: c, in: create(name + ".in"), out: create(name + ".out")}
}

type conn struct {
	net.Conn
	in, out *os.File // left open when it is closed: a read may still be under way, and the process ends soon
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		write(c.in, b[:n])
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	write(c.out, b)
	return c.Conn.Write(b)
}

// Packet copies one packet.
func Packet(name string, b []byte) {
	framed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b)))
	write(packets(name), append(framed, b...))
}

var (
	packetsMu   sync.Mutex
	packetFiles = map[string]*os.File{}
)

func packets(name string) *os.File {
	packetsMu.Lock()
	defer packetsMu.Unlock()
	if packetFiles[name] == nil {
		packetFiles[name] = create(name + ".packets")
	}
	return packetFiles[name]
}
