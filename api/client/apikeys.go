package client

import "time"

// Roles of API keys.
const (
	RoleManager = "Manager"
	RoleWriter  = "Writer"
	RoleReader  = "Reader"
)

// APIKeys is the list of API keys (GET apikeys).
type APIKeys struct {
	APIKeys []APIKey `json:"api_keys"`
}

// APIKey lets a program get bearer tokens for /api/v2.
type APIKey struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"` // Manager | Writer | Reader
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"`
}

// CreateAPIKeyRequest asks for an API key (POST apikeys).
type CreateAPIKeyRequest struct {
	Name string `json:"name"` // 2–90 characters
	Role string `json:"role"` // Manager | Writer | Reader
}

// CreatedAPIKey is a new key with its secret, which is shown this once only.
type CreatedAPIKey struct {
	APIKey
	Secret string `json:"secret"`
}
