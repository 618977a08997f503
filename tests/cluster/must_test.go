package cluster_test

import (
	"errors"
	"testing"

	kp "github.com/IBM/keyprotect-go-client"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refusedAs: the published client got that status, and that reason if one is given.
func refusedAs(t *testing.T, err error, status int, reason string) {
	t.Helper()
	var refused *kp.Error
	if !errors.As(err, &refused) || refused.StatusCode != status {
		t.Errorf("got %v, want a refusal with status %d", err, status)
		return
	}
	if reason == "" {
		return
	}
	if len(refused.Reasons) != 1 || refused.Reasons[0].Code != reason {
		t.Errorf("got the reasons %+v, want %s", refused.Reasons, reason)
	}
}
