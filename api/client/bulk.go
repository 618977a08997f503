package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// MaxBulk is how many keys one CreateMany makes at most; in all they may have 1 MiB of material.
const MaxBulk = 2000

// ReasonKeyExists is the reason of a bulk call that names an id which is a key's already.
const ReasonKeyExists = "KEY_ID_NOT_UNIQUE_ERR"

// BulkKey is one key of CreateMany.
type BulkKey struct {
	ID string // a UUID in lower case; "": chosen here
	CreateKeyRequest
}

type bulkKeyCollection struct {
	Metadata  keyMetadata  `json:"metadata"`
	Resources []newBulkKey `json:"resources"`
}

type newBulkKey struct {
	ID string `json:"id"`
	newKey
}

// CreateMany makes or imports many keys, all of them or none, and gives their ids in the order given. A call whose answer
// was lost is made again: since it names the ids, it cannot make a key twice.
func (k *KMS) CreateMany(ctx context.Context, keys []BulkKey) ([]string, error) {
	body := bulkKeyCollection{Metadata: keyMetadata{keyMIME, len(keys)}, Resources: make([]newBulkKey, len(keys))}
	ids := make([]string, len(keys))
	for i, key := range keys {
		if ids[i] = key.ID; ids[i] == "" {
			id, err := uuid.NewRandomFromReader(rand.Reader)
			if err != nil {
				return nil, err
			}
			ids[i] = id.String()
		}
		body.Resources[i] = newBulkKey{ids[i], key.wire()}
	}
	uncertain := false
	for {
		var answer keyCollection
		err := k.call(ctx, request{method: http.MethodPost, path: "/bulk/keys", effect: changes}, body, &answer)
		switch {
		case err == nil, uncertain && HasReason(err, ReasonKeyExists):
			return ids, nil
		case !unknown(err) || ctx.Err() != nil:
			return nil, err
		case uncertain: // twice
			return nil, fmt.Errorf("making %d keys: %w", len(keys), err)
		}
		uncertain = true
	}
}

// unknown tells whether a change may have been done.
func unknown(err error) bool {
	return errors.Is(err, ErrOutcomeUnknown) || HasReason(err, "OUTCOME_UNKNOWN_ERR")
}
