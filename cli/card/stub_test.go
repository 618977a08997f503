//go:build !cgo

package card

import (
	"errors"
	"testing"
)

func TestWithoutCgoThereAreNoReaders(t *testing.T) {
	if _, err := New(Asker{}); !errors.Is(err, ErrNotBuilt) {
		t.Error(err)
	}
}
