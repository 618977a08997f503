package client

import "time"

// Tokens is the list of join tokens (GET cluster/tokens).
type Tokens struct {
	Tokens []Token `json:"tokens"`
}

// Token is a one-time token that lets a node join. It gives membership, never a key.
type Token struct {
	ID        string     `json:"id"`
	Unit      uint32     `json:"unit,omitempty"` // the only unit that may use it; 0: any
	State     string     `json:"state"`          // unused | used | expired
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	CreatedBy string     `json:"created_by,omitempty"`
	UsedBy    uint32     `json:"used_by,omitempty"` // node number
	UsedAt    *time.Time `json:"used_at,omitempty"`
}

// CreateTokenRequest asks for a join token (POST cluster/tokens).
type CreateTokenRequest struct {
	Unit       uint32 `json:"unit,omitempty"`        // the only unit that may use it; 0: any
	TTLSeconds int64  `json:"ttl_seconds,omitempty"` // 0: one hour; at most 30 days
}

// CreatedToken is a new token with its secret, which is shown this once only.
type CreatedToken struct {
	Token
	Secret string `json:"secret"`
}
