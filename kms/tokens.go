package kms

import (
	"crypto/sha256"
	"sync"
)

// seenTokens bounds the tokens that are remembered, twice.
const seenTokens = 4096

// tokens remembers the claims of tokens whose MAC was found right, by the tokens' digests, so that a caller that comes again
// with one costs the unit nothing. Everything else about a token is looked at each time: whose it is, that it has not
// expired, that its API key is there. It forgets all at a flip, and is safe for concurrent use.
type tokens struct {
	mu     sync.Mutex
	epoch  uint64
	recent map[[sha256.Size]byte]claims
	before map[[sha256.Size]byte]claims // that were recent until there were seenTokens
}

// find gives the claims of a token that is remembered from that epoch.
func (t *tokens) find(token string, epoch uint64) (claims, bool) {
	digest := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch != epoch {
		return claims{}, false
	}
	if c, known := t.recent[digest]; known {
		return c, true
	}
	c, known := t.before[digest]
	if known {
		t.keep(digest, c)
	}
	return c, known
}

// remember keeps the claims of a token whose MAC is right.
func (t *tokens) remember(token string, epoch uint64, c claims) {
	digest := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch != epoch {
		t.epoch, t.recent, t.before = epoch, nil, nil
	}
	t.keep(digest, c)
}

func (t *tokens) keep(digest [sha256.Size]byte, c claims) {
	if len(t.recent) >= seenTokens || t.recent == nil {
		t.recent, t.before = map[[sha256.Size]byte]claims{}, t.recent
	}
	t.recent[digest] = c
}
