package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tumbler/kms"
)

// A key that opens nowhere was set aside; a restore with its material brings it back, if a ciphertext shows that it is the same.
func TestMaterialThatWasSetAsideIsRestored(t *testing.T) {
	s := newServer(t)
	var made struct{ Resources []struct{ ID string } }
	if err := json.Unmarshal(s.as(kms.RoleWriter, "POST", "/api/v2/keys", createBody(t, `"name":"root","payload":"MDEyMzQ1Njc4OWFiY2RlZg=="`)).body, &made); err != nil {
		t.Fatal(err)
	}
	id := made.Resources[0].ID
	key := "/api/v2/keys/" + id
	var wrapped struct{ Ciphertext string }
	if err := json.Unmarshal(s.as(kms.RoleReader, "POST", key+"/actions/wrap", `{"plaintext":"AAAA","aad":["tenant"]}`).body, &wrapped); err != nil {
		t.Fatal(err)
	}
	again := func(payload, more string) string {
		return fmt.Sprintf(`{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},"resources":[{"payload":%q,"ciphertext":%q%s}]}`,
			payload, wrapped.Ciphertext, more)
	}
	const material, aad = "MDEyMzQ1Njc4OWFiY2RlZg==", `,"aad":["tenant"]`
	if got := s.as(kms.RoleManager, "POST", key+"/restore", again(material, aad)); got.status != 409 || got.reason() != string(kms.ErrKeyState.Code) {
		t.Errorf("a key that was not set aside: %d %s", got.status, got.reason())
	}
	view, err := s.state.View()
	if err != nil {
		t.Fatal(err)
	}
	parsed, _ := kms.ParseID(id)
	record, err := view.Key(parsed)
	if err != nil {
		t.Fatal(err)
	}
	s.state.SetAside(record.Current().Blob)
	two := again(material, aad)
	for name, test := range map[string]struct {
		role   kms.Role
		body   string
		status int
		reason kms.Code
	}{
		"another material":        {kms.RoleManager, again("MDEyMzQ1Njc4OWFiY2RlZA==", aad), 422, kms.ErrDiffers.Code},
		"without its aad":         {kms.RoleManager, again(material, ""), 422, kms.ErrDiffers.Code},
		"without a payload":       {kms.RoleManager, again("", aad), 400, kms.ErrField.Code},
		"under an import token":   {kms.RoleManager, again(material, aad+`,"iv":"AAAA"`), 501, kms.ErrUnhandled.Code},
		"with an unknown field":   {kms.RoleManager, again(material, aad+`,"name":"x"`), 400, kms.ErrBody.Code},
		"of no type":              {kms.RoleManager, strings.Replace(two, "vnd.ibm.kms.key", "vnd.ibm.kms.other", 1), 400, kms.ErrBody.Code},
		"of two keys":             {kms.RoleManager, strings.Replace(two, `"resources":[`, `"resources":[{"payload":"AAAA"},`, 1), 400, kms.ErrBody.Code},
		"by a Writer":             {kms.RoleWriter, again(material, aad), 403, kms.ErrForbidden.Code},
		"without material at all": {kms.RoleManager, "", 409, kms.ErrKeyState.Code},
	} {
		if got := s.as(test.role, "POST", key+"/restore", test.body); got.status != test.status || got.reason() != string(test.reason) {
			t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.reason(), test.status, test.reason)
		}
	}
	unwrap := func() reply {
		return s.as(kms.RoleReader, "POST", key+"/actions/unwrap", fmt.Sprintf(`{"ciphertext":%q,"aad":["tenant"]}`, wrapped.Ciphertext))
	}
	if got := unwrap(); got.status != 409 || got.reason() != string(kms.ErrSetAside.Code) {
		t.Errorf("before: %d %s", got.status, got.reason())
	}
	if got := s.as(kms.RoleManager, "POST", key+"/restore", two); got.status != 201 || !strings.Contains(string(got.body), id) || strings.Contains(string(got.body), "payload") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := unwrap(); got.status != 200 || !strings.Contains(string(got.body), `"plaintext":"AAAA"`) {
		t.Errorf("after: %d %s", got.status, got.body)
	}
}
