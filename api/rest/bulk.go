package rest

import (
	"context"
	"net/http"
	"time"

	"tumbler/kms"
)

// maxBulkBody is how many bytes a bulk call may have: kms.MaxBulk keys of 32 bytes with names and aliases fit well.
const maxBulkBody = 4 << 20

// bulkKeys is the body of a bulk call: that of a create, with as many keys as one likes, each with an id if its caller
// chooses it.
type bulkKeys struct {
	Metadata  metadata  `json:"metadata"`
	Resources []bulkKey `json:"resources"`
}

type bulkKey struct {
	ID string `json:"id"`
	newKey
}

// bulkMade is the answer: the ids, in the order of the call.
type bulkMade struct {
	Metadata  metadata  `json:"metadata"`
	Resources []keyName `json:"resources"`
}

type keyName struct {
	ID string `json:"id"`
}

func (s *Server) createKeys(ctx context.Context, r request, in bulkKeys) (answer, error) {
	want := make([]kms.BulkKey, len(in.Resources))
	for i, k := range in.Resources {
		if err := k.refuse(in.Metadata.CollectionType); err != nil {
			return answer{}, err
		}
		want[i] = kms.BulkKey{ID: k.ID, NewKey: k.wanted()}
	}
	ids, err := s.kms.CreateMany(ctx, r.caller, want)
	if err != nil {
		return answer{}, err
	}
	made := bulkMade{Metadata: metadata{CollectionType: keyType, CollectionTotal: len(ids)}, Resources: make([]keyName, len(ids))}
	for i, id := range ids {
		made.Resources[i].ID = id
	}
	return answer{http.StatusCreated, made}, nil
}

// wanted is what a caller wants of a new key.
func (k newKey) wanted() kms.NewKey {
	var expires time.Time
	if k.ExpirationDate != nil {
		expires = *k.ExpirationDate
	}
	return kms.NewKey{
		Name: k.Name, Description: k.Description, Aliases: k.Aliases, Tags: k.Tags, Extractable: k.Extractable,
		Expires: expires, Payload: k.Payload,
	}
}
