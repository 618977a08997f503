package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// calls are requests between nodes: POST /rpc/<method> over HTTP/2 on the nodes' port. Both ends are proven by the
// connection; a request is any bytes up to maxBody, and so is its answer.
type calls struct {
	self    uint32
	network network
	creds   *credentials
	logger  hclog.Logger
	address func(number uint32) (string, bool)
	heard   func(number uint32) (string, bool) // where gossip hears of a node
	leader  func() uint32
	cluster func() string // the id of this node's cluster in hex, or ""

	client *http.Transport
	server *http.Server
	ctx    context.Context // ends running handlers
	cancel context.CancelFunc
	served chan struct{}

	mu       sync.RWMutex
	handlers map[string]Handler
}

// Handler answers a call. The peer is the calling node, proven by its certificate; it need not be a member.
type Handler func(ctx context.Context, peer uint32, body []byte) ([]byte, error)

const (
	maxBody    = 64 << 20 // bytes of a request or an answer
	pathPrefix = "/rpc/"
	nodeSuffix = ".node.invalid" // a host that stands for the node with a number, RFC 6761
	errorType  = "application/problem+json"

	clusterHeader = "Tumbler-Cluster" // the id of the caller's cluster, unless it belongs to none
	resultType    = "application/octet-stream"
)

func newCalls(cfg Config, creds *credentials, logger hclog.Logger) *calls {
	c := &calls{
		self: cfg.Number, network: cfg.network, creds: creds, logger: logger,
		handlers: map[string]Handler{}, served: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	var http2 http.Protocols
	http2.SetHTTP2(true)
	tuning := http.HTTP2Config{
		MaxConcurrentStreams:          1000,
		MaxReadFrameSize:              1 << 20, // a table in one frame
		MaxReceiveBufferPerConnection: 16 << 20,
		MaxReceiveBufferPerStream:     4 << 20,
		SendPingTimeout:               2 * time.Second, // a peer that vanished is noticed
		PingTimeout:                   2 * time.Second,
	}
	c.client = &http.Transport{
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, cfg.Timeouts.Call)
			defer cancel()
			return c.dial(ctx, address)
		},
		ForceAttemptHTTP2: true,
		Protocols:         &http2,
		HTTP2:             &tuning,
		IdleConnTimeout:   time.Minute,
	}
	c.server = &http.Server{
		Handler:           c,
		Protocols:         &http2,
		HTTP2:             &tuning,
		ReadHeaderTimeout: cfg.Timeouts.Call,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	return c
}

func (c *calls) serve(listener net.Listener) {
	defer close(c.served)
	if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		c.logger.Error("calls are no longer served", "error", err)
	}
}

// Close ends running handlers and connections.
func (c *calls) Close() error {
	c.cancel()
	err := c.server.Close()
	c.client.CloseIdleConnections()
	<-c.served
	return err
}

// dial connects to <number>.node.invalid or to a plain address, whose node may be any.
func (c *calls) dial(ctx context.Context, target string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, &dialError{target, err}
	}
	digits, ok := strings.CutSuffix(host, nodeSuffix)
	if !ok {
		return dialTLS(ctx, c.network, c.creds, target, callProtocol, 0)
	}
	number, err := parseNumber(digits)
	if err != nil {
		return nil, &dialError{target, err}
	}
	address, ok := c.address(number)
	if !ok {
		return nil, &dialError{"node " + digits, ErrNotMember}
	}
	return dialMember(ctx, c.heard, address, number, func(ctx context.Context, address string) (net.Conn, error) {
		return dialTLS(ctx, c.network, c.creds, address, callProtocol, number)
	})
}

func (c *calls) handle(method string, handler Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.handlers[method]; ok || method == "" || strings.Trim(method, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		panic(fmt.Sprintf("cluster: method %q is handled already, or is no name", method)) // a mistake of the program
	}
	c.handlers[method] = handler
}

func (c *calls) handler(method string) (Handler, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	h, ok := c.handlers[method]
	return h, ok
}

// call calls a method of the node with that number.
func (c *calls) call(ctx context.Context, number uint32, method string, body []byte) ([]byte, error) {
	if number == c.self {
		h, ok := c.handler(method)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownMethod, method)
		}
		return h(ctx, c.self, body)
	}
	return c.send(ctx, strconv.FormatUint(uint64(number), 10)+nodeSuffix+":1", number, method, body)
}

// send posts a call to <number>.node.invalid or to a plain address.
func (c *calls) send(ctx context.Context, target string, number uint32, method string, body []byte) ([]byte, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: %d bytes, and the limit is %d", ErrTooLarge, len(body), maxBody)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+target+pathPrefix+method, bytes.NewReader(body))
	if err != nil {
		return nil, &dialError{target, err}
	}
	if id := c.cluster(); id != "" {
		request.Header.Set(clusterHeader, id)
	}
	response, err := c.client.RoundTrip(request)
	if err != nil {
		return nil, callError(ctx, number, method, err)
	}
	defer response.Body.Close()
	answer, err := readBody(response.Body, response.ContentLength)
	if err != nil {
		return nil, callError(ctx, number, method, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, decodeError(answer, number, method)
	}
	return answer, nil
}

func callError(ctx context.Context, number uint32, method string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call %s of node %d: %w", method, number, context.Cause(ctx))
	}
	if errors.Is(err, ErrUnreachable) {
		return fmt.Errorf("call %s of node %d: %w", method, number, err)
	}
	return fmt.Errorf("call %s of node %d: %w: %w", method, number, ErrUnreachable, err)
}

func readBody(r io.Reader, size int64) ([]byte, error) {
	if size > maxBody {
		return nil, fmt.Errorf("%w: %d bytes, and the limit is %d", ErrTooLarge, size, maxBody)
	}
	var buffer bytes.Buffer
	if size > 0 {
		buffer.Grow(int(size) + bytes.MinRead)
	}
	n, err := buffer.ReadFrom(io.LimitReader(r, maxBody+1))
	if err == nil && n > maxBody {
		err = fmt.Errorf("%w: more than the limit of %d bytes", ErrTooLarge, maxBody)
	}
	return buffer.Bytes(), err
}

// ServeHTTP answers another node's call.
func (c *calls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := c.answer(r)
	if err != nil {
		if c.ctx.Err() != nil { // whatever it says: the caller is to look for another node
			err = fmt.Errorf("%w: %w", ErrShutdown, err)
		}
		w.Header().Set("Content-Type", errorType)
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write(encodeError(err, c.leader())) // a caller that is gone needs no answer
		return
	}
	w.Header().Set("Content-Type", resultType)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

// foreign: a method that a node of another cluster may call, to be told that it is one. After a restore two clusters may have
// nodes with the same numbers and certificates.
func foreign(method string) bool { return method == methodHello || method == methodJoin }

func (c *calls) answer(r *http.Request) ([]byte, error) {
	peer, err := peerOf(r.TLS)
	if err != nil {
		return nil, err
	}
	method, ok := strings.CutPrefix(r.URL.Path, pathPrefix)
	if !ok || r.Method != http.MethodPost {
		return nil, fmt.Errorf("%w: %s %s", ErrUnknownMethod, r.Method, r.URL.Path)
	}
	handler, ok := c.handler(method)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownMethod, method)
	}
	if theirs, mine := r.Header.Get(clusterHeader), c.cluster(); theirs != "" && mine != "" && theirs != mine && !foreign(method) {
		return nil, fmt.Errorf("node %d: %w", c.self, ErrOtherCluster)
	}
	body, err := readBody(r.Body, r.ContentLength)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	return handler(ctx, peer, body)
}
