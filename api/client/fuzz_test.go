package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzRefusals: whatever comes with a status that is no success becomes an error of the client's, which says something.
func FuzzRefusals(f *testing.F) {
	f.Add(409, []byte(`{"error":{"code":"order_open","message":"an order is open"}}`))
	f.Add(409, []byte(`{"resources":[{"errorMsg":"no","reasons":[{"code":"X","message":"y","status":409}]}]}`))
	f.Add(400, []byte(`{"errorCode":"X","errorMessage":"y"}`))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer := &http.Response{StatusCode: status, Request: httptest.NewRequest("POST", "https://node-1:8443/", nil)}
		if err := new(Error); !errors.As(refusal(answer, body), &err) || err.Code == "" || err.Status != status || err.Error() == "" {
			t.Errorf("%d with %q: %+v", status, body, err)
		}
		for _, refusal := range []func(*http.Response, []byte) error{kmsRefusal, tokenRefusal} {
			if err := new(KMSError); !errors.As(refusal(answer, body), &err) || err.Status != status || err.Error() == "" {
				t.Errorf("%d with %q: %+v", status, body, err)
			}
		}
	})
}

// FuzzAnswers: what nodes answer is read as before when it is written again. A later release may say more.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"state":"rewrapped","partitions":[{}],"units":[{"number":1}],"order":"ab"}`))
	f.Add([]byte(`{"members":[{"number":1,"alive":true}],"cluster":{"feature_level":3}}`))
	f.Add([]byte(`{"metadata":{"collectionTotal":1},"resources":[{"id":"x","name":"orders","payload":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sameAgain[Status](t, body)
		sameAgain[Members](t, body)
		sameAgain[Units](t, body)
		sameAgain[OrderContext](t, body)
		sameAgain[RotationStatus](t, body)
		sameAgain[Receipt](t, body)
		sameAgain[DigestReport](t, body)
		sameAgain[Log](t, body)
		sameAgain[APIKeys](t, body)
		sameAgain[Tokens](t, body)
		sameAgain[Rotations](t, body)
	})
}

func sameAgain[T any](t *testing.T, body []byte) {
	t.Helper()
	var first, second T
	if json.Unmarshal(body, &first) != nil {
		return
	}
	written, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("%q is read as %+v, which cannot be written: %v", body, first, err)
	}
	err = json.Unmarshal(written, &second)
	if again, failed := json.Marshal(second); err != nil || failed != nil || string(again) != string(written) {
		t.Errorf("%q is written as %s, and that as %s, %v", body, written, again, err)
	}
}
