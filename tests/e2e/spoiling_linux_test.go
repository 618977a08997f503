package e2e

import (
	"bytes"
	"encoding/hex"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"tumbler/cryptounit/order"
)

// spoil is `spoil FILE`: the first signature of an order in a file is none any more.
func spoil(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 1 {
		ts.Fatalf("spoil FILE")
	}
	path := ts.MkAbs(args[0])
	der, err := os.ReadFile(path)
	ts.Check(err)
	e, err := order.DecodeEvidence(der)
	ts.Check(err)
	signature := e.Order.Signatures[0].Bytes
	signature[len(signature)-1] ^= 1
	der, err = e.Encode()
	ts.Check(err)
	ts.Check(os.WriteFile(path, der, 0o600))
}

// changed is `changed FILE HEX HEX`: the first bytes become the second, wherever they are in the file.
func changed(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("changed FILE HEX HEX, of one length")
	}
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	from, err := hex.DecodeString(args[1])
	ts.Check(err)
	to, err := hex.DecodeString(args[2])
	ts.Check(err)
	if !bytes.Contains(text, from) {
		ts.Fatalf("%s does not hold %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(text, from, to), 0o600))
}
