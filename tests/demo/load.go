package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
	"golang.org/x/sync/errgroup"

	"tumbler/tests/devcluster"
)

// load is root keys with one wrapped data key each, made and opened through the published client.
type load struct {
	clients []*kp.Client // one an operational unit
	callers int
	keys    []rootKey
}

// rootKey is a root key's id, the data key that went in, and what came out wrapped.
type rootKey struct {
	id      string
	data    []byte
	wrapped []byte
}

func newLoad(c *devcluster.Cluster, keys, callers int) (*load, error) {
	pem, err := os.ReadFile(c.Get("TUMBLER_CA"))
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: callers,
	}
	http.DefaultTransport = transport // the client asks for its token through it
	l := &load{callers: callers, keys: make([]rootKey, keys)}
	for n := 1; n <= devcluster.Operational; n++ {
		base := fmt.Sprintf("https://localhost:%d", c.Port+10*n)
		client, err := kp.New(kp.ClientConfig{
			BaseURL: base, TokenURL: base + "/identity/token", APIKey: c.Get("TUMBLER_API_KEY"), InstanceID: c.Get("TUMBLER_INSTANCE"),
			Timeout: 30,
		}, transport)
		if err != nil {
			return nil, err
		}
		l.clients = append(l.clients, client)
	}
	return l, nil
}

// create makes every key and wraps its data key.
func (l *load) create(ctx context.Context) error {
	return l.each(ctx, "created and wrapped", func(ctx context.Context, client *kp.Client, i int) error {
		key, err := client.CreateRootKey(ctx, fmt.Sprintf("demo-%d", i), nil)
		if err != nil {
			return fmt.Errorf("creating key %d: %w", i, err)
		}
		data := make([]byte, 32)
		rand.Read(data)
		data = []byte(base64.StdEncoding.EncodeToString(data)) // what the client takes and gives
		wrapped, err := client.Wrap(ctx, key.ID, data, nil)
		if err != nil {
			return fmt.Errorf("wrapping under key %d: %w", i, err)
		}
		l.keys[i] = rootKey{key.ID, data, wrapped}
		return nil
	})
}

// check unwraps every data key and counts those that do not come out as they went in.
func (l *load) check(ctx context.Context) (lost int, err error) {
	var missing atomic.Int64
	err = l.each(ctx, "unwrapped and compared", func(ctx context.Context, client *kp.Client, i int) error {
		data, err := client.Unwrap(ctx, l.keys[i].id, l.keys[i].wrapped, nil)
		if err != nil || !bytes.Equal(data, l.keys[i].data) {
			fmt.Fprintf(os.Stderr, "key %d (%s) is lost: %v\n", i, l.keys[i].id, err)
			missing.Add(1)
		}
		return nil
	})
	return int(missing.Load()), err
}

// each does something for every key, many at once, spread over the operational units, and tells how far it is.
func (l *load) each(ctx context.Context, what string, do func(ctx context.Context, client *kp.Client, i int) error) error {
	start, next, done := time.Now(), atomic.Int64{}, atomic.Int64{}
	group, ctx := errgroup.WithContext(ctx)
	for caller := range l.callers {
		client := l.clients[caller%len(l.clients)]
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.keys) {
					return nil
				}
				if err := do(ctx, client, i); err != nil {
					return err
				}
				if n := done.Add(1); n%int64(max(len(l.keys)/10, 1)) == 0 {
					fmt.Printf("%d of %d keys %s, %.0f a second\n", n, len(l.keys), what, float64(n)/time.Since(start).Seconds())
				}
			}
		})
	}
	return group.Wait()
}
