package kms

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// A token is a JWT (RFC 7519) with the algorithm HS256 (RFC 7518, 3.2), in one form only: what parses encodes to the
// same bytes.
const (
	tokenHeader = `{"alg":"HS256","typ":"JWT"}`
	tokenIssuer = "tumbler"
	maxToken    = 2048 // bytes
)

// claims of a token. What the bearer may do is not among them: the API key's record says, when the token is used.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"` // the API key's id
	Audience string `json:"aud"` // the instance's id
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"` // seconds
	Expires  int64  `json:"exp"` // seconds
}

func (c claims) expired(now time.Time) bool { return now.Unix() >= c.Expires }

// signingInput is what the MAC covers.
func (c claims) signingInput() string {
	body, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return base64.RawURLEncoding.EncodeToString([]byte(tokenHeader)) + "." + base64.RawURLEncoding.EncodeToString(body)
}

func encodeToken(c claims, mac []byte) string {
	return c.signingInput() + "." + base64.RawURLEncoding.EncodeToString(mac)
}

// decodeToken reads a token; whoever uses the claims must have checked the MAC, which covers input.
func decodeToken(token string) (c claims, input string, mac []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return claims{}, "", nil, false
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return claims{}, "", nil, false
	}
	mac, err = base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(mac) != 32 {
		return claims{}, "", nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&c) != nil || c.Issuer != tokenIssuer || encodeToken(c, mac) != token {
		return claims{}, "", nil, false
	}
	return c, parts[0] + "." + parts[1], mac, true
}
