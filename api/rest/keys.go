package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tumbler/kms"
)

// none is the body of a call that has none.
type none struct{}

func (s *Server) createKey(ctx context.Context, r request, in newKeys) (answer, error) {
	if len(in.Resources) != 1 {
		return answer{}, &kms.Error{Code: kms.ErrBody.Code, Detail: "resources: exactly one key is created at a time"}
	}
	want := in.Resources[0]
	if err := want.refuse(in.Metadata.CollectionType); err != nil {
		return answer{}, err
	}
	made, err := s.kms.Create(ctx, r.caller, want.wanted())
	if err != nil {
		return answer{}, err
	}
	if r.prefers("minimal") {
		made.Payload = nil
	}
	return answer{http.StatusCreated, collection(made)}, nil
}

// refuse names what this version does not do, rather than to leave it undone.
func (k newKey) refuse(collectionType string) error {
	switch {
	case collectionType != keyType:
		return &kms.Error{Code: kms.ErrBody.Code, Detail: "metadata.collectionType: want " + keyType}
	case k.Type != "" && k.Type != keyType:
		return &kms.Error{Code: kms.ErrField.Code, Detail: "type: want " + keyType}
	case k.EncryptedNonce != "" || k.IV != "" || k.Algorithm != "":
		return &kms.Error{Code: kms.ErrUnhandled.Code, Detail: noImportTokens}
	case given(k.Rotation) || given(k.DualAuthDelete):
		return &kms.Error{Code: kms.ErrUnhandled.Code, Detail: "rotation, dualAuthDelete: policies are not served by this version"}
	}
	return nil
}

const noImportTokens = "encryptedNonce, iv: import tokens are not served by this version"

func given(raw []byte) bool { return len(raw) > 0 && string(raw) != "null" }

func (s *Server) listKeys(ctx context.Context, r request, _ none) (answer, error) {
	q, err := queryOf(r.Request, "limit", "offset", "state", "extractable", "search", "sort")
	if err != nil {
		return answer{}, err
	}
	options := kms.ListOptions{
		Limit: q.number("limit"), Offset: q.number("offset"), States: q.states("state"), Extractable: q.truth("extractable"),
		Search: q.values.Get("search"), Sort: q.values.Get("sort"),
	}
	if q.err != nil {
		return answer{}, q.err
	}
	keys, err := s.kms.List(ctx, r.caller, options)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, collection(keys...)}, nil
}

func (s *Server) getKey(ctx context.Context, r request, _ none) (answer, error) {
	k, err := s.kms.Get(ctx, r.caller, r.key())
	return one(http.StatusOK, k, err)
}

func (s *Server) getMetadata(ctx context.Context, r request, _ none) (answer, error) {
	k, err := s.kms.Metadata(ctx, r.caller, r.key())
	return one(http.StatusOK, k, err)
}

// restoreKey takes a deletion back; with a body it gives a key whose material was set aside its material again.
func (s *Server) restoreKey(ctx context.Context, r request, in restoration) (answer, error) {
	if len(in.Resources) == 0 {
		k, err := s.kms.Restore(ctx, r.caller, r.key())
		return one(http.StatusCreated, k, err)
	}
	if len(in.Resources) != 1 || in.Metadata.CollectionType != keyType {
		return answer{}, &kms.Error{Code: kms.ErrBody.Code, Detail: "resources, metadata.collectionType: want the material of exactly one key, and " + keyType}
	}
	m := in.Resources[0]
	if m.EncryptedNonce != "" || m.IV != "" || m.Algorithm != "" {
		return answer{}, &kms.Error{Code: kms.ErrUnhandled.Code, Detail: noImportTokens}
	}
	k, err := s.kms.RestoreMaterial(ctx, r.caller, r.key(), kms.Material{Payload: m.Payload, Ciphertext: m.Ciphertext, AAD: m.AAD})
	return one(http.StatusCreated, k, err)
}

func (s *Server) deleteKey(ctx context.Context, r request, _ none) (answer, error) {
	k, err := s.kms.Delete(ctx, r.caller, r.key())
	return r.removed(k, err)
}

func (s *Server) purgeKey(ctx context.Context, r request, _ none) (answer, error) {
	k, err := s.kms.Purge(ctx, r.caller, r.key())
	return r.removed(k, err)
}

func (s *Server) listVersions(ctx context.Context, r request, _ none) (answer, error) {
	q, err := queryOf(r.Request, "limit", "offset", "totalCount", "allKeyStates")
	if err != nil {
		return answer{}, err
	}
	limit, offset, total := q.number("limit"), q.number("offset"), q.truth("totalCount")
	if q.err != nil {
		return answer{}, q.err
	}
	versions, count, err := s.kms.Versions(ctx, r.caller, r.key(), limit, offset)
	if err != nil {
		return answer{}, err
	}
	out := struct {
		Metadata  metadata      `json:"metadata"`
		Resources []*keyVersion `json:"resources"`
	}{metadata{CollectionType: "application/vnd.ibm.kms.key.version+json", CollectionTotal: len(versions)}, []*keyVersion{}}
	if total != nil && *total {
		out.Metadata.TotalCount = &count
	}
	for i := range versions {
		out.Resources = append(out.Resources, versionOf(&versions[i]))
	}
	return answer{http.StatusOK, out}, nil
}

func one(status int, k kms.Key, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{status, collection(k)}, nil
}

// removed answers a delete or purge: with the key as it was only if that is preferred.
func (r request) removed(k kms.Key, err error) (answer, error) {
	if err == nil && !r.prefers("representation") {
		return answer{status: http.StatusNoContent}, nil
	}
	return one(http.StatusOK, k, err)
}

// query reads parameters; err is that of the first bad one.
type query struct {
	values url.Values
	err    error
}

// queryOf refuses what it does not know: a filter that is not heeded would give the wrong keys.
func queryOf(r *http.Request, known ...string) (*query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &kms.Error{Code: kms.ErrQuery.Code, Detail: "the query cannot be read"}
	}
	for name, given := range values {
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !found || len(given) != 1 {
			return nil, &kms.Error{Code: kms.ErrQuery.Code, Detail: "a query parameter is unknown or given twice; known: " + strings.Join(known, ", ")}
		}
	}
	return &query{values: values}, nil
}

func (q *query) bad(name, want string) {
	if q.err == nil {
		q.err = &kms.Error{Code: kms.ErrQuery.Code, Detail: name + ": want " + want}
	}
}

func (q *query) number(name string) int {
	text := q.values.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 && name == "limit" {
		q.bad(name, "a whole number")
	}
	return int(n)
}

func (q *query) truth(name string) *bool {
	switch q.values.Get(name) {
	case "":
		return nil
	case "true":
		yes := true
		return &yes
	case "false":
		return new(bool)
	}
	q.bad(name, "true or false")
	return nil
}

func (q *query) states(name string) []kms.State {
	text := q.values.Get(name)
	if text == "" {
		return nil
	}
	var out []kms.State
	for _, part := range strings.Split(text, ",") {
		switch part {
		case "0", "1", "2", "3", "5":
			out = append(out, kms.State(part[0]-'0'))
		default:
			q.bad(name, "states of 0, 1, 2, 3 and 5, comma separated")
		}
	}
	return out
}
