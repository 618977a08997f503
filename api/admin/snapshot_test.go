package admin

import (
	"errors"
	"io"
	"strings"
	"testing"

	"tumbler/api/client"
)

func TestAnArchiveIsStreamedAndAHalfOneIsNone(t *testing.T) {
	f := &fake{archive: "archive"}
	ca, address := served(t, f)
	admin := ca.mustClient("ada", address)
	read := func(unit uint32) (string, error) {
		stream, err := admin.Snapshot(t.Context(), unit)
		if err != nil {
			return "", err
		}
		defer stream.Close()
		b, err := io.ReadAll(stream)
		return string(b), err
	}
	if got, err := read(4); got != "archive" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := f.called(); !strings.HasPrefix(got, "archive:4 ") || !strings.HasSuffix(got, "closed") {
		t.Errorf("called: %s", got)
	}
	f.archive = "arch"
	if got, err := read(0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half of it: %q, %v", got, err)
	}
	f.err = ErrNotAccepted
	if _, err := read(1); !client.HasCode(err, client.CodeConflict) {
		t.Errorf("a refusal: %v", err)
	}
}
