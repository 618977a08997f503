package harness

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"

	"tumbler/fsm"
)

// Forward has a node's host, which has that node's certificate, forward an entry for the log to the leader, past the node
// itself. The error is what the state would answer.
func (c *Cluster) Forward(as uint32, data []byte) error {
	c.t.Helper()
	certificate, err := tls.LoadX509KeyPair(c.path(fmt.Sprintf("pki/node-%d.pem", as)), c.path(fmt.Sprintf("pki/node-%d.key", as)))
	if err != nil {
		c.t.Fatal(err)
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, // whom it lies to is no matter to it
	}}
	defer transport.CloseIdleConnections()
	body := append(binary.BigEndian.AppendUint64(nil, uint64(len(data))), data...)
	url := fmt.Sprintf("https://localhost:%d/rpc/propose", c.Node(c.Leader()).port+1)
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || len(answer) < commitment {
		c.t.Fatalf("the leader answers %d, %q, %v", response.StatusCode, answer, err)
	}
	_, err = fsm.DecodeResult(answer[:len(answer)-commitment])
	return err
}

// commitment is what a leader adds to its answers, in bytes.
const commitment = 24
