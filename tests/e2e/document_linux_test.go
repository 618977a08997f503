package e2e

import (
	"testing"

	"tumbler/tests/document"
	"tumbler/tests/harness"
)

// The commands of docs/ceremonies.md, in their order, on a cluster as users have one.
func TestTheCeremoniesDocumentIsTrue(t *testing.T) {
	harness.WithoutRaceDetector(t)
	document.NewShell(t, 4, map[string]string{"bin/tumbler": ""}).Follow("../../docs/ceremonies.md", 60)
}
