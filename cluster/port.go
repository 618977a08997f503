package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster/tap"
)

// port is the one listener of a node: each connection proves which node it comes from, and goes to Raft or to calls by the
// protocol that its handshake names (ALPN, RFC 7301).
type port struct {
	listener net.Listener
	config   *tls.Config
	timeout  time.Duration
	logger   hclog.Logger

	raft, calls *acceptor
	streams     ownConns // Raft's

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// openPort binds the address and gives it to others as advertise, whose port 0 becomes the one that was found.
func openPort(ctx context.Context, cfg Config, config *tls.Config, logger hclog.Logger) (*port, error) {
	listener, err := cfg.network.Listen(ctx, cfg.Listen)
	if err != nil {
		return nil, listenError("address", cfg.Listen, err)
	}
	address, err := advertise(cfg.Address, listener.Addr())
	if err != nil {
		listener.Close()
		return nil, err
	}
	p := &port{listener: tap.Listener("cluster", listener), config: config, timeout: cfg.Timeouts.Call, logger: logger}
	p.streams.conns = map[*ownConn]struct{}{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.raft, p.calls = newAcceptor(address), newAcceptor(address)
	p.wg.Add(1)
	go p.accept()
	return p, nil
}

func listenError(key, address string, err error) error {
	hint := "give an address of this machine"
	if errors.Is(err, syscall.EADDRINUSE) {
		hint = "another process has that port: stop it, or choose another port (on the other nodes too)"
	}
	return &ConfigError{Key: key, Value: address, Err: err, Hint: hint}
}

// advertise is the address to tell others: as configured, with the port that was really bound.
func advertise(configured string, bound net.Addr) (string, error) {
	host, port, err := net.SplitHostPort(configured)
	if err != nil || port != "0" {
		return configured, err
	}
	_, port, err = net.SplitHostPort(bound.String())
	return net.JoinHostPort(host, port), err
}

func (p *port) accept() {
	defer p.wg.Done()
	for {
		conn, err := p.listener.Accept()
		switch {
		case p.ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case err != nil:
			p.logger.Warn("cannot accept a connection", "error", err)
			select { // out of file descriptors, say: do not spin
			case <-time.After(50 * time.Millisecond):
			case <-p.ctx.Done():
				return
			}
		default:
			p.wg.Add(1)
			go p.sort(conn)
		}
	}
}

// sort does the handshake and hands the connection on.
func (p *port) sort(raw net.Conn) {
	defer p.wg.Done()
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
	defer cancel()
	conn := tls.Server(raw, p.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		if p.ctx.Err() == nil {
			p.logger.Warn("refused a connection", "from", raw.RemoteAddr(), "error", err)
		}
		raw.Close()
		return
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case raftProtocol:
		p.raft.put(p.streams.add(conn))
	case callProtocol:
		p.calls.put(conn)
	default: // a client that offers no protocol gets this far
		p.logger.Warn("refused a connection that names no protocol", "from", raw.RemoteAddr())
		conn.Close()
	}
}

// Close stops listening, and ends Raft's connections; those of calls end with their server.
func (p *port) Close() error {
	p.cancel()
	err := p.listener.Close()
	_ = p.raft.Close() // both only say that the listener under them is closed
	_ = p.calls.Close()
	p.wg.Wait()
	p.streams.Close()
	return err
}

// acceptor is the part of a port that speaks one protocol: a net.Listener of *tls.Conn.
type acceptor struct {
	address advertised
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// ownConns closes, at the end, the connections that their user leaves open: Raft's transport waits for the other end.
type ownConns struct {
	mu    sync.Mutex
	conns map[*ownConn]struct{} // nil once closed
}

type ownConn struct {
	net.Conn
	all *ownConns
}

func (o *ownConns) add(conn net.Conn) net.Conn {
	mine := &ownConn{conn, o}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conns == nil {
		conn.Close()
	} else {
		o.conns[mine] = struct{}{}
	}
	return mine
}

func (o *ownConns) Close() {
	o.mu.Lock()
	conns := o.conns
	o.conns = nil
	o.mu.Unlock()
	for conn := range conns {
		conn.Conn.Close()
	}
}

func (c *ownConn) Close() error {
	c.all.mu.Lock()
	delete(c.all.conns, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// advertised is an address as other nodes know it.
type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }

func newAcceptor(address string) *acceptor {
	return &acceptor{address: advertised(address), conns: make(chan net.Conn), done: make(chan struct{})}
}

func (a *acceptor) put(conn net.Conn) {
	select {
	case a.conns <- conn:
	case <-a.done:
		conn.Close()
	}
}

func (a *acceptor) Accept() (net.Conn, error) {
	select {
	case conn := <-a.conns:
		return conn, nil
	case <-a.done:
		return nil, net.ErrClosed
	}
}

func (a *acceptor) Close() error {
	a.once.Do(func() { close(a.done) })
	return nil
}

func (a *acceptor) Addr() net.Addr { return a.address }

// dialError is a connection that could not be made: nothing was sent.
type dialError struct {
	address string
	err     error
}

func (e *dialError) Error() string {
	return fmt.Sprintf("%v: %s: %v", ErrUnreachable, e.address, e.err)
}

func (e *dialError) Unwrap() []error { return []error{ErrUnreachable, e.err} }

// dialTLS connects to the node with that number (0: any node) at the address.
func dialTLS(ctx context.Context, net network, creds *credentials, address, protocol string, number uint32) (net.Conn, error) {
	raw, err := net.Dial(ctx, address)
	if err != nil {
		return nil, &dialError{address, err}
	}
	conn := tls.Client(raw, creds.client(protocol, number))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &dialError{address, err}
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != protocol {
		conn.Close()
		return nil, &dialError{address, fmt.Errorf("%w: it does not speak %s", ErrPeer, protocol)}
	}
	return conn, nil
}
