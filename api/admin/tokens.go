package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tumbler/api/client"
	"tumbler/fsm"
)

const (
	tokenPrefix   = "tumbler-join-"
	tokenLifetime = time.Hour
	tokenLongest  = 30 * 24 * time.Hour
)

// NewToken makes a join token: its text, which is shown once, and the hash that the state keeps. The text is
// "tumbler-join-", the id in hex, "-", and 32 random bytes in hex.
func NewToken() (text string, id fsm.ID, hash [32]byte) {
	var secret [32]byte
	rand.Read(id[:])
	rand.Read(secret[:])
	return fmt.Sprintf("%s%x-%x", tokenPrefix, id, secret), id, sha256.Sum256(secret[:])
}

// ParseToken reads what NewToken made, for the UseToken command. Anything else is ErrBadAddress.
func ParseToken(text string) (id fsm.ID, hash [32]byte, err error) {
	idText, secretText, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), tokenPrefix), "-")
	if !ok || !strings.HasPrefix(strings.TrimSpace(text), tokenPrefix) {
		return id, hash, fmt.Errorf("%w: a join token begins %s", ErrBadAddress, tokenPrefix)
	}
	idBytes, err := hex.DecodeString(idText)
	if err != nil || len(idBytes) != len(id) {
		return id, hash, fmt.Errorf("%w: the token is not whole", ErrBadAddress)
	}
	secret, err := hex.DecodeString(secretText)
	if err != nil || len(secret) != 32 {
		return id, hash, fmt.Errorf("%w: the token is not whole", ErrBadAddress)
	}
	if text = strings.TrimSpace(text); text != strings.ToLower(text) { // the one form in which they are made
		return id, hash, fmt.Errorf("%w: a join token is in lower case", ErrBadAddress)
	}
	return fsm.ID(idBytes), sha256.Sum256(secret), nil
}

func (s *Server) tokens(ctx context.Context, _ request) (client.Tokens, error) {
	out := client.Tokens{Tokens: []client.Token{}}
	err := s.read(ctx, func(v View) error {
		records, err := v.Tokens()
		for _, record := range records {
			out.Tokens = append(out.Tokens, token(record, s.now()))
		}
		return err
	})
	return out, err
}

func (s *Server) createToken(ctx context.Context, r request, in client.CreateTokenRequest) (client.CreatedToken, error) {
	lifetime := time.Duration(in.TTLSeconds) * time.Second
	switch {
	case in.TTLSeconds == 0:
		lifetime = tokenLifetime
	case in.TTLSeconds < 0 || in.TTLSeconds > int64(tokenLongest/time.Second):
		return client.CreatedToken{}, invalid("ttl_seconds is %d: want 1 to %d", in.TTLSeconds, int64(tokenLongest/time.Second))
	}
	text, id, hash := NewToken()
	now := s.now()
	record := fsm.TokenRecord{ID: id, Hash: hash, Unit: in.Unit, Expires: fsm.TimeOf(now.Add(lifetime)),
		Created: fsm.Stamp{At: fsm.TimeOf(now), By: r.Client}}
	if _, err := s.b.Proposer.Propose(ctx, &fsm.CreateToken{Token: record}); err != nil {
		return client.CreatedToken{}, err
	}
	return client.CreatedToken{Token: token(record, now), Secret: text}, nil
}

func (s *Server) revokeToken(ctx context.Context, r request) (client.Done, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return client.Done{}, notFound("%q is no token's id", r.PathValue("id"))
	}
	_, err = s.b.Proposer.Propose(ctx, &fsm.RevokeToken{ID: fsm.ID(id)})
	return client.Done{Message: "the token was revoked"}, err
}

func token(record fsm.TokenRecord, now time.Time) client.Token {
	out := client.Token{ID: uuidText(record.ID), Unit: record.Unit, State: "unused", CreatedAt: record.Created.At.Time(),
		ExpiresAt: record.Expires.Time(), CreatedBy: record.Created.By, UsedBy: record.UsedBy, UsedAt: optional(record.Used)}
	switch {
	case record.Used != 0:
		out.State = "used"
	case !now.Before(out.ExpiresAt):
		out.State = "expired"
	}
	return out
}
