package kms

import "time"

// Event tells who asked for what, and whether it is allowed. It is written before the call acts.
type Event struct {
	At          time.Time
	Principal   string // API key id, or "" if the token was not valid
	Name        string // the API key's
	Role        Role
	Action      Action
	Target      string // key id or alias as the caller gave it; "" for the whole collection
	Allowed     bool
	Refusal     Code // if not allowed
	Correlation string
	Remote      string
}
