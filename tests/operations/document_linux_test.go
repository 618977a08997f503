package operations_test

import (
	"testing"

	"tumbler/tests/document"
	"tumbler/tests/harness"
)

// The commands of docs/operations.md, in their order, on a cluster as users have one, which an older release began.
func TestTheOperationsDocumentIsTrue(t *testing.T) {
	harness.WithoutRaceDetector(t)
	programs := map[string]string{"bin/tumbler": "TUMBLER_FEATURE_LEVEL=1", "new/tumbler": ""}
	document.NewShell(t, 4, programs).Follow("../../docs/operations.md", 30)
}
