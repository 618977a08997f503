package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"tumbler/kms"
)

func TestBulkCall(t *testing.T) {
	s := newServer(t)
	body := func(resources string) string {
		return `{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":2},"resources":[` + resources + `]}`
	}
	const id = `"id":"5d4c2a1e-9f1b-4c7e-8f53-2f1f0a6f6f10"`
	made := s.as(kms.RoleWriter, http.MethodPost, "/api/v2/bulk/keys", body(`{"name":"one"},{"name":"two",`+id+`}`))
	if made.status != http.StatusCreated {
		t.Fatalf("status %d: %s", made.status, made.body)
	}
	var answer struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(made.body, &answer); err != nil || len(answer.Resources) != 2 || !strings.Contains(id, answer.Resources[1].ID) {
		t.Fatalf("%v: %s", err, made.body)
	}
	for _, key := range answer.Resources {
		if got := s.as(kms.RoleReader, http.MethodGet, "/api/v2/keys/"+key.ID+"/metadata", ""); got.status != http.StatusOK {
			t.Errorf("key %s: status %d", key.ID, got.status)
		}
	}
	for name, tc := range map[string]struct {
		resources string
		role      kms.Role
		status    int
		reason    kms.Code
	}{
		"an id that is taken": {`{"name":"new"},{"name":"again",` + id + `}`, kms.RoleWriter, http.StatusConflict, kms.ErrKeyExists.Code},
		"an unknown field":    {`{"name":"one","title":"one"}`, kms.RoleWriter, http.StatusBadRequest, kms.ErrBody.Code},
		"an import token":     {`{"name":"one","encryptedNonce":"x"}`, kms.RoleWriter, http.StatusNotImplemented, kms.ErrUnhandled.Code},
		"no key":              {``, kms.RoleWriter, http.StatusBadRequest, kms.ErrBody.Code},
		"a reader":            {`{"name":"one"}`, kms.RoleReader, http.StatusForbidden, kms.ErrForbidden.Code},
		"more than it reads":  {`{"name":"` + strings.Repeat("x", 5<<20) + `"}`, kms.RoleWriter, http.StatusRequestEntityTooLarge, kms.ErrTooLarge.Code},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.as(tc.role, http.MethodPost, "/api/v2/bulk/keys", body(tc.resources))
			if got.status != tc.status || got.reason() != string(tc.reason) {
				t.Errorf("status %d, %s", got.status, got.body)
			}
		})
	}
}
