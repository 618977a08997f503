package e2e

import (
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"tumbler/api/client"
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

// deliver is `deliver UNIT PART KEYNUM FILE [CODE]`: that crypto unit alone is brought the value in a file as a key part of the order under
// way, as no command does, and refuses it with a code if there is one.
func (w *world) deliver(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 4 || len(args) > 5 {
		ts.Fatalf("deliver UNIT PART KEYNUM FILE [CODE]")
	}
	var numbers [3]uint32
	for n := range numbers {
		number, err := strconv.ParseUint(args[n], 10, 32)
		ts.Check(err)
		numbers[n] = uint32(number)
	}
	value, err := hex.DecodeString(strings.TrimSpace(ts.ReadFile(args[3])))
	ts.Check(err)
	w.cluster.MustFollow()
	err = w.cluster.Deliver(numbers[0], numbers[1], value, int(numbers[2]))
	if len(args) == 4 {
		ts.Check(err)
	} else if !client.HasCode(err, client.Code(args[4])) {
		ts.Fatalf("it was to be refused with %s: %v", args[4], err)
	}
}
