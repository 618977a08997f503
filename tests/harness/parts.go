package harness

import (
	"encoding/json"
	"fmt"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/order"
)

// MustAddParts draws key parts into files on the workstation, and gives their KEYNUMs.
func (c *Cluster) MustAddParts(count int) []string {
	c.t.Helper()
	var keyNums []string
	for range count {
		keyNums = append(keyNums, c.keyNum(c.MustRun("tke", "mk-add", "--random", "--description", "a key part", "--output", "json")))
	}
	return keyNums
}

// MustAddPart keeps a key part of a value in hex.
func (c *Cluster) MustAddPart(value string) string {
	c.t.Helper()
	return c.keyNum(c.MustRun("tke", "mk-add", "--value", "--value-file", c.secretFile(value), "--description", "a key part", "--output", "json"))
}

// MustAddCardPart draws a key part on a smart card.
func (c *Cluster) MustAddCardPart(uri, description string) string {
	c.t.Helper()
	return c.keyNum(c.MustRun("tke", "mk-add", "--random", "--card", uri, "--description", description, "--output", "json"))
}

func (c *Cluster) keyNum(out string) string {
	c.t.Helper()
	var made struct {
		KeyNum int `json:"keynum"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.KeyNum == 0 {
		c.t.Fatalf("a key part was made, and this shows no KEYNUM: %s", out)
	}
	return fmt.Sprint(made.KeyNum)
}

func (c *Cluster) secretFile(text string) string {
	c.t.Helper()
	c.write("value", text+"\n")
	return c.path("value")
}

// MustLoad loads key parts: of the order under way, or of one that it opens. That is the one that is waited for.
func (c *Cluster) MustLoad(keyNums []string, flags ...string) {
	c.t.Helper()
	out := c.MustRun(append([]string{"tke", "cryptounit-mk-load", "--mk", strings.Join(keyNums, " "), "--yes", "--output", "json"}, flags...)...)
	var loaded struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal([]byte(out[max(strings.Index(out, "{"), 0):]), &loaded); err != nil || loaded.Digest == "" {
		c.t.Fatalf("key parts were loaded, and this is no digest of their order: %s", out)
	}
	c.order = loaded.Digest
}

// MustCommit has a quorum commit what was loaded.
func (c *Cluster) MustCommit() {
	c.t.Helper()
	c.MustRun("tke", "cryptounit-mk-commit", "--keynum", "1,2")
}

// MustFollow makes the order that is open now the one that is waited for.
func (c *Cluster) MustFollow() {
	c.t.Helper()
	c.WaitFor("an order to be open", func() (bool, string) {
		known, err := c.Admin().OrderContext(c.t.Context())
		if err != nil || known.Open == nil {
			return false, fmt.Sprint(err)
		}
		c.order = known.Open.Digest
		return true, ""
	})
}

// Deliver brings one unit alone a value as a key part of the order under way, signed with a signature key, as no command does.
func (c *Cluster) Deliver(unit, part uint32, value []byte, keyNum int) error {
	c.t.Helper()
	envelope, err := c.seal(unit, part, value, keyNum)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = c.Admin().LoadPart(c.t.Context(), unit, client.LoadPartRequest{Order: c.order, Envelope: envelope})
	return err
}

// seal seals a value to a unit's importer key, which is in its `ready` statement.
func (c *Cluster) seal(unit, part uint32, value []byte, keyNum int) ([]byte, error) {
	receipt, err := c.Admin().Receipt(c.t.Context(), c.order)
	if err != nil {
		return nil, err
	}
	evidence, err := order.DecodeEvidence(receipt.Receipt)
	if err != nil {
		return nil, err
	}
	list, err := order.DecodeAdministrators(evidence.Administrators)
	if err != nil {
		return nil, err
	}
	record, err := evidence.Verify(list)
	if err != nil {
		return nil, err
	}
	folder, err := workstation.Open(c.path("tke"), workstation.LeastWorkFactor)
	if err != nil {
		return nil, err
	}
	key, err := folder.OpenSigKey(keyNum, c.sigKeyPassword)
	if err != nil {
		return nil, err
	}
	source, err := order.SKIOf(key.Public())
	if err != nil {
		return nil, err
	}
	target, _ := record.Order.Unit(unit)
	importerKey := record.Said(order.Ready, unit).Importer
	bound := order.EnvelopeContext{Cluster: record.Order.Cluster, Order: record.Digest, Source: source, Target: target.Identity, Importer: importerKey, Part: part}
	info, err := bound.Info()
	if err != nil {
		return nil, err
	}
	sealed, err := importer.Seal(record.Order.Suite, importerKey, info, value)
	if err != nil {
		return nil, err
	}
	e := order.Envelope{Suite: record.Order.Suite, Order: record.Digest, Unit: unit, Part: part, Source: source, Sealed: sealed}
	if err := e.SignAsAdministrator(info, key); err != nil {
		return nil, err
	}
	return e.Encode()
}
