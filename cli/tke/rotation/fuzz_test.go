package rotation

import (
	"os"
	"path/filepath"
	"testing"
)

func FuzzReadReceipt(f *testing.F) {
	f.Add([]byte("-----BEGIN TUMBLER RECEIPT-----\n\nMAMCAQE=\n-----END TUMBLER RECEIPT-----\n"))
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "receipt")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if e, err := readReceipt(path); err == nil {
			if record, err := e.Read(); err == nil {
				_, _ = checkRecord(record)
			}
		}
	})
}
