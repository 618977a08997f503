package harness

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Tamper changes one record of a node that has ended, by hand, as no entry of the log did.
func (c *Cluster) Tamper(number uint32, key, value []byte) {
	c.t.Helper()
	if c.Node(number).Running() {
		c.t.Fatalf("node %d runs, and has its store open", number)
	}
	dir := filepath.Join(c.Node(number).DataDir(), "state")
	name, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	if err != nil {
		c.t.Fatal(err)
	}
	db, err := pebble.Open(filepath.Join(dir, strings.TrimSpace(string(name))), &pebble.Options{DisableWAL: true, FormatMajorVersion: pebble.FormatColumnarBlocks})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := db.Set(key, value, pebble.NoSync); err != nil {
		c.t.Error(err)
	}
	if err := db.Flush(); err != nil {
		c.t.Error(err)
	}
	if err := db.Close(); err != nil {
		c.t.Fatal(err)
	}
}
