package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// States of a key.
const (
	KeyPreActive   = 0
	KeyActive      = 1
	KeySuspended   = 2
	KeyDeactivated = 3
	KeyDestroyed   = 5
)

// Key is a key as the key interface shows it.
type Key struct {
	ID             string      `json:"id,omitempty"`
	Type           string      `json:"type,omitempty"`
	Name           string      `json:"name,omitempty"`
	Description    string      `json:"description,omitempty"`
	Aliases        []string    `json:"aliases,omitempty"`
	State          int         `json:"state"`
	Extractable    bool        `json:"extractable"` // true: a standard key; false: a root key
	Payload        []byte      `json:"payload,omitempty"`
	AlgorithmType  string      `json:"algorithmType,omitempty"`
	KeyRingID      string      `json:"keyRingID,omitempty"`
	CRN            string      `json:"crn,omitempty"`
	Imported       bool        `json:"imported,omitempty"`
	KeyVersion     *KeyVersion `json:"keyVersion,omitempty"`
	CreatedBy      string      `json:"createdBy,omitempty"`
	CreationDate   *time.Time  `json:"creationDate,omitempty"`
	LastUpdateDate *time.Time  `json:"lastUpdateDate,omitempty"`
	Expiration     *time.Time  `json:"expirationDate,omitempty"`
	Deleted        bool        `json:"deleted,omitempty"`
	DeletionDate   *time.Time  `json:"deletionDate,omitempty"`
}

// KeyVersion names one version of a key's material.
type KeyVersion struct {
	ID           string     `json:"id,omitempty"`
	CreationDate *time.Time `json:"creationDate,omitempty"`
}

// CreateKeyRequest describes a new key.
type CreateKeyRequest struct {
	Name        string     // 2–90 characters
	Description string     // 2–240 characters, or empty
	Aliases     []string   // at most 5
	Extractable bool       // true: a standard key; false: a root key
	Payload     []byte     // to import: 16, 24 or 32 bytes for a root key, at most 7,500 for a standard key
	Expiration  *time.Time // none: it does not expire
}

// ListOptions narrow a list down. The zero value gives the first 200 keys that are not destroyed.
type ListOptions struct {
	Limit       int // at most 5,000; 0: 200
	Offset      int
	Search      string
	States      []int
	Extractable *bool
}

// Wrapped is the answer to a wrap or an unwrap.
type Wrapped struct {
	Plaintext           []byte      `json:"plaintext,omitempty"`
	Ciphertext          string      `json:"ciphertext,omitempty"` // base64, to be given back as it is
	KeyVersion          *KeyVersion `json:"keyVersion,omitempty"`
	RewrappedKeyVersion *KeyVersion `json:"rewrappedKeyVersion,omitempty"`
}

type keyAction struct {
	Plaintext  []byte   `json:"plaintext,omitempty"`
	Ciphertext string   `json:"ciphertext,omitempty"`
	AAD        []string `json:"aad,omitempty"`
}

type keyMetadata struct {
	CollectionType  string `json:"collectionType"`
	CollectionTotal int    `json:"collectionTotal"`
}

type keyCollection struct {
	Metadata  keyMetadata `json:"metadata"`
	Resources []Key       `json:"resources"`
}

type keyMaterialCollection struct {
	Metadata  keyMetadata   `json:"metadata"`
	Resources []keyMaterial `json:"resources"`
}

type keyMaterial struct {
	Payload    []byte   `json:"payload"`
	Ciphertext string   `json:"ciphertext,omitempty"`
	AAD        []string `json:"aad,omitempty"`
}

type newKeyCollection struct {
	Metadata  keyMetadata `json:"metadata"`
	Resources []newKey    `json:"resources"`
}

type newKey struct {
	Type        string     `json:"type"`
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Aliases     []string   `json:"aliases,omitempty"`
	Extractable bool       `json:"extractable"`
	Payload     []byte     `json:"payload,omitempty"`
	Expiration  *time.Time `json:"expirationDate,omitempty"`
}

func (r CreateKeyRequest) wire() newKey {
	return newKey{keyMIME, r.Name, r.Description, r.Aliases, r.Extractable, r.Payload, r.Expiration}
}

func (c keyCollection) one() (Key, error) {
	if len(c.Resources) != 1 {
		return Key{}, fmt.Errorf("the answer holds %d keys, not one", len(c.Resources))
	}
	return c.Resources[0], nil
}

// KMSError is a refusal of the key interface.
type KMSError struct {
	Status  int         // HTTP status
	Message string      // errorMsg
	Reasons []KMSReason // why, for programs
}

// KMSReason is one reason.
type KMSReason struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Status   int    `json:"status"`
	MoreInfo string `json:"moreInfo,omitempty"`
}

// Error gives the message, and the reasons that it does not name.
func (e *KMSError) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, r := range e.Reasons {
		if !strings.Contains(e.Message, r.Code) { // which Tumbler's message names already
			fmt.Fprintf(&b, ": %s (%s)", r.Message, r.Code)
		}
	}
	return b.String()
}

// HasReason tells whether err is a refusal of the key interface with that reason code.
func HasReason(err error, code string) bool {
	var e *KMSError
	if !errors.As(err, &e) {
		return false
	}
	for _, r := range e.Reasons {
		if r.Code == code {
			return true
		}
	}
	return false
}

func kmsRefusal(answer *http.Response, body []byte) error {
	var wire struct {
		Resources []struct {
			Message string      `json:"errorMsg"`
			Reasons []KMSReason `json:"reasons"`
		} `json:"resources"`
	}
	if json.Unmarshal(body, &wire) != nil || len(wire.Resources) == 0 || wire.Resources[0].Message == "" {
		return unexplained(answer, body)
	}
	return &KMSError{answer.StatusCode, wire.Resources[0].Message, wire.Resources[0].Reasons}
}

func tokenRefusal(answer *http.Response, body []byte) error {
	var wire struct {
		Code    string `json:"errorCode"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &wire) != nil || wire.Message == "" {
		return unexplained(answer, body)
	}
	return &KMSError{answer.StatusCode, wire.Message, []KMSReason{{Code: wire.Code, Message: wire.Message, Status: answer.StatusCode}}}
}

func unexplained(answer *http.Response, body []byte) error {
	return &KMSError{Status: answer.StatusCode,
		Message: fmt.Sprintf("%s answered %s without an explanation: %.200s", answer.Request.URL.Host, answer.Status, strings.TrimSpace(string(body)))}
}
