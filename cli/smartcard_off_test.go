//go:build !cgo

package cli

import (
	"strings"
	"testing"

	"tumbler/cli/command"
)

func TestWithoutCgoItIsSaidHowToBuildWithCards(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	code, _, errs := f.run(t.Context(), "", "tke", "sigkey-add", "--name", "Alice", "--card", "pkcs11:token=alice?module-path=/usr/lib/x.so")
	if code != command.ExitFailed || !strings.Contains(errs, "make cards") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
