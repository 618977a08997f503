//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
)

// callers is how many calls are under way at once; keysAtOnce is how many keys the load keeps.
const (
	callers    = 9
	keysAtOnce = 1200
	bucketSize = 16 // keys that one list asks for
	callTime   = 4 * time.Second
)

// load is clients of the operational nodes that make, use, list and delete keys.
type load struct {
	clients []*kp.Client
	history *history
	keys    *keys

	pause  sync.RWMutex // held to write while nobody is to call
	writes chan time.Time
	probes atomic.Bool // writes alone, as fast as they come
	wrong  chan error
}

func newLoad(c *cluster, h *history) (*load, error) {
	pem, err := os.ReadFile(c.path("pki/ca.pem"))
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	kp.RetryMax = 0 // each call is one request: what is tried again is another call of the history
	l := &load{history: h, keys: &keys{byName: map[string]*key{}}, writes: make(chan time.Time, 1), wrong: make(chan error, 1)}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: 4 * callers}
	http.DefaultTransport = transport // the client asks for its token through it
	for _, n := range c.nodes[:operational] {
		base := "https://" + n.api()
		client, err := kp.New(kp.ClientConfig{
			BaseURL: base, TokenURL: base + "/identity/token", APIKey: c.apiKey, InstanceID: c.instance, Timeout: callTime.Seconds(),
		}, transport)
		if err != nil {
			return nil, err
		}
		l.clients = append(l.clients, client)
	}
	return l, nil
}

// run calls until the context ends.
func (l *load) run(ctx context.Context, seed uint64) {
	var group sync.WaitGroup
	for number := range callers {
		c := &caller{load: l, published: l.clients[number%len(l.clients)], number: number, random: rand.New(rand.NewPCG(seed, uint64(number)))}
		group.Go(func() {
			for ctx.Err() == nil {
				l.pause.RLock()
				c.one(ctx)
				l.pause.RUnlock()
				c.think(ctx)
			}
		})
	}
	group.Wait()
}

// think lets a while pass, as clients do; one that only writes waits no longer than a broken connection asks for.
func (c *caller) think(ctx context.Context) {
	switch writes := c.load.probes.Load(); {
	case !writes:
		pause(ctx, time.Duration(c.random.IntN(60))*time.Millisecond)
	case c.unheard:
		pause(ctx, 10*time.Millisecond)
	}
}

// wrote tells whoever measures that a write which began then was answered.
func (l *load) wrote(began time.Time) {
	select {
	case l.writes <- began:
	default:
	}
}

// fail ends the run: what came back is what no cluster may answer.
func (l *load) fail(format string, args ...any) {
	select {
	case l.wrong <- fmt.Errorf(format, args...):
	default:
	}
}

// verify opens every key that was not deleted, and looks that the deleted ones are; a call that is not answered is made again.
// It gives how many keys there were, and those that are lost.
func (l *load) verify(ctx context.Context) (count int, lost []string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all := l.keys.all()
	var next atomic.Int64
	var mu sync.Mutex
	var group sync.WaitGroup
	for number := range callers {
		c := &caller{load: l, published: l.clients[number%len(l.clients)], number: callers + number}
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				if err := c.settle(ctx, all[i]); err != nil {
					mu.Lock()
					lost = append(lost, fmt.Sprintf("%s: %v", all[i].name, err))
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return len(all), lost
}
