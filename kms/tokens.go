package kms

import (
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"
)

// seenTokens bounds the tokens that are remembered.
const seenTokens = 8192

// tokens remembers the claims of tokens whose MAC was found right, so that a caller that comes again with one costs the unit
// nothing. Everything else about a token is looked at each time: whose it is, that it has not expired, that its API key is there.
type tokens = lru.Cache[seenToken, claims]

// seenToken is a token in an epoch: at a flip none is known any more.
type seenToken struct {
	digest [sha256.Size]byte
	epoch  uint64
}
