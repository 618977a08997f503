package rest

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"tumbler/kms"
)

const keyType = "application/vnd.ibm.kms.key+json"

type metadata struct {
	CollectionType  string `json:"collectionType"`
	CollectionTotal int    `json:"collectionTotal"`
	TotalCount      *int   `json:"totalCount,omitempty"`
}

type keyCollection struct {
	Metadata  metadata `json:"metadata"`
	Resources []key    `json:"resources"`
}

// key is a key as answers show it.
type key struct {
	ID             string          `json:"id"`
	Type           string          `json:"type"`
	Name           string          `json:"name"`
	Description    string          `json:"description,omitempty"`
	Aliases        []string        `json:"aliases,omitempty"`
	Tags           []string        `json:"tags,omitempty"`
	State          int             `json:"state"`
	Extractable    bool            `json:"extractable"`
	Payload        base64Bytes     `json:"payload,omitempty"`
	CRN            string          `json:"crn"`
	Imported       bool            `json:"imported"`
	KeyRingID      string          `json:"keyRingID"`
	AlgorithmType  string          `json:"algorithmType"`
	KeyVersion     *keyVersion     `json:"keyVersion,omitempty"`
	DualAuthDelete map[string]bool `json:"dualAuthDelete"`
	dates
	*deletion
}

// dates are a key's, and whose doing it was.
type dates struct {
	CreatedBy      string     `json:"createdBy"`
	CreationDate   *time.Time `json:"creationDate,omitempty"`
	LastUpdateDate *time.Time `json:"lastUpdateDate,omitempty"`
	LastRotateDate *time.Time `json:"lastRotateDate,omitempty"`
	ExpirationDate *time.Time `json:"expirationDate,omitempty"`
	Deleted        bool       `json:"deleted"`
}

// deletion is there once a key was deleted.
type deletion struct {
	DeletedBy             string     `json:"deletedBy"`
	DeletionDate          *time.Time `json:"deletionDate"`
	RestoreExpirationDate *time.Time `json:"restoreExpirationDate"`
	PurgeAllowed          bool       `json:"purgeAllowed"`
	PurgeAllowedFrom      *time.Time `json:"purgeAllowedFrom"`
}

type keyVersion struct {
	ID           string     `json:"id"`
	CreationDate *time.Time `json:"creationDate,omitempty"`
}

// newKeys is the body of a create. What this version does not do is known, so that it can be refused by name.
type newKeys struct {
	Metadata  metadata `json:"metadata"`
	Resources []newKey `json:"resources"`
}

type newKey struct {
	Type           string          `json:"type"`
	Name           string          `json:"name"`
	Description    string          `json:"description"`
	Aliases        []string        `json:"aliases"`
	Tags           []string        `json:"tags"`
	Extractable    bool            `json:"extractable"`
	ExpirationDate *time.Time      `json:"expirationDate"`
	Payload        base64Bytes     `json:"payload"`
	EncryptedNonce string          `json:"encryptedNonce"`
	IV             string          `json:"iv"`
	Algorithm      string          `json:"encryptionAlgorithm"`
	Rotation       json.RawMessage `json:"rotation"`
	DualAuthDelete json.RawMessage `json:"dualAuthDelete"`
}

// action is the body of an action and of its answer.
type action struct {
	Plaintext  base64Bytes `json:"plaintext,omitempty"`
	Ciphertext string      `json:"ciphertext,omitempty"`
	AAD        []string    `json:"aad,omitempty"`
	KeyVersion *keyVersion `json:"keyVersion,omitempty"`
	Rewrapped  *keyVersion `json:"rewrappedKeyVersion,omitempty"`
}

// rotation is the body of a rotate.
type rotation struct {
	Payload        base64Bytes `json:"payload"`
	EncryptedNonce string      `json:"encryptedNonce"`
	IV             string      `json:"iv"`
	Algorithm      string      `json:"encryptionAlgorithm"`
}

// restoration is the body of a restore that gives material again, of one key.
type restoration struct {
	Metadata  metadata   `json:"metadata"`
	Resources []material `json:"resources"`
}

type material struct {
	rotation
	Ciphertext string   `json:"ciphertext"`
	AAD        []string `json:"aad"`
}

// base64Bytes are bytes as padded base64 (RFC 4648, 4), in its one strict form. An empty string is none.
type base64Bytes []byte

func (b base64Bytes) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.StdEncoding.EncodeToString(b))
}

func (b *base64Bytes) UnmarshalJSON(raw []byte) error {
	*b = nil
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return &kms.Error{Code: kms.ErrField.Code, Detail: "a payload or plaintext is not a string"}
	}
	if text == "" {
		return nil
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which decoders skip, even strict ones
		return &kms.Error{Code: kms.ErrField.Code, Detail: "a payload or plaintext is not base64"}
	}
	*b = decoded
	return nil
}

func collection(keys ...kms.Key) keyCollection {
	out := keyCollection{Metadata: metadata{CollectionType: keyType, CollectionTotal: len(keys)}, Resources: make([]key, len(keys))}
	for i, k := range keys {
		out.Resources[i] = keyOf(k)
	}
	return out
}

func keyOf(k kms.Key) key {
	out := key{
		ID: k.ID, Type: keyType, Name: k.Metadata.Name, Description: k.Metadata.Description, Aliases: k.Metadata.Aliases,
		Tags: k.Metadata.Tags, State: int(k.State), Extractable: k.Metadata.Extractable, Payload: k.Payload,
		CRN: "crn:v1:tumbler:private:kms:local::" + k.Instance + ":key:" + k.ID, Imported: k.Imported,
		KeyRingID: k.Metadata.KeyRing, AlgorithmType: "AES", KeyVersion: versionOf(&k.Version),
		DualAuthDelete: map[string]bool{"enabled": false},
		dates: dates{
			CreatedBy: k.Created.By, CreationDate: date(k.Created.At.Time()), LastUpdateDate: date(k.Updated.At.Time()),
			LastRotateDate: date(k.Rotated), ExpirationDate: date(k.Metadata.Expires.Time()), Deleted: k.State == kms.Destroyed,
		},
	}
	if d := k.Deletion; d != nil {
		out.deletion = &deletion{
			DeletedBy: d.By, DeletionDate: date(d.At), RestoreExpirationDate: date(d.RestoreUntil),
			PurgeAllowed: d.PurgeAllowed, PurgeAllowedFrom: date(d.PurgeFrom),
		}
	}
	return out
}

func versionOf(v *kms.Version) *keyVersion {
	if v == nil {
		return nil
	}
	return &keyVersion{ID: v.ID, CreationDate: date(v.Created)}
}

// date is t in whole milliseconds; nil for the zero time.
func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
