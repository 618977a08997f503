//go:build cgo

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/tests/softhsm"
)

// hideCards replaces what differs from one test to the next.
func hideCards(text string, cards *softhsm.Cards) string {
	text = strings.ReplaceAll(text, strings.ReplaceAll(cards.Module, "_", "%5F"), "<LIBRARY>")
	text = strings.ReplaceAll(text, cards.Module, "<LIBRARY>")
	text = regexp.MustCompile(`serial number [0-9a-f]+`).ReplaceAllString(text, "serial number <SERIAL>")
	return regexp.MustCompile(`[0-9a-f]{30,64}`).ReplaceAllString(text, "<HEX>")
}

// edit changes a workstation file as somebody with a text editor does.
func edit(t *testing.T, folder, name, from, to string) {
	t.Helper()
	path := filepath.Join(folder, name)
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%s has no %s, %v", path, from, err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSignatureKeysOnSmartCards(t *testing.T) {
	cards := softhsm.New(t, "alice", "bob")
	f := newFakeCluster(t, 2, 1)
	out := f.must("Alice A.\n"+softhsm.PIN+"\n", "tke", "sigkey-add", "--card", cards.URI("alice"))
	f.env[signing.EnvCardPIN] = softhsm.PIN
	bob := "pkcs11:token=bob;object=Bob?module-path=" + cards.Module
	out += f.must("", "tke", "sigkey-add", "--card", bob)
	f.fails("has a signature key \"Bob\"", "tke", "sigkey-add", "--card", bob)
	f.fails("is this key already", "tke", "sigkey-add", "--card", bob, "--existing")
	out += f.must("", "tke", "sigkey-rm", "--keynum", "2", "--yes")
	out += f.must("", "tke", "sigkey-add", "--card", bob, "--existing")
	out += f.must("", "tke", "sigkeys")
	out += f.must("", "tke", "sigkey-sel", "--keynum", "1,2")
	golden(t, "card-sigkeys.txt", hideCards(out, cards))

	folder := f.env[workstation.Env]
	edit(t, folder, "2.sigkey", `"Bob"`, `"Eve"`)
	f.fails("is not what its secret says", "tke", "sigkey-sel", "--keynum", "2")
	edit(t, folder, "2.sigkey", `"Eve"`, `"Bob"`)
	edit(t, folder, "2.sigkey", "object=Bob", "object=Carol")
	f.fails(`has no signature key "Carol"`, "tke", "sigkey-sel", "--keynum", "2")
	edit(t, folder, "2.sigkey", "object=Carol", "object=Bob")

	f.env[signing.EnvCardPIN] = "999999"
	f.fails("the PIN is wrong", "tke", "sigkey-sel", "--keynum", "2")
	code, _, errs := f.run(t.Context(), "", "tke", "sigkey-sel", "--keynum", "2")
	if code != command.ExitFailed || !strings.Contains(errs, "The last PIN for bob") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	f.env[signing.EnvCardPIN] = ""
	pin := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(pin, []byte(softhsm.PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := f.run(t.Context(), "", "tke", "sigkey-add", "--name", "Bob the Second", "--card", cards.URI("bob")+"&pin-source=file:"+pin); code != command.ExitDone {
		t.Errorf("with the PIN in a file: exit code %d: %s", code, errs)
	}
	cards.Remove("bob")
	f.fails("it is none of alice", "tke", "sigkey-sel", "--keynum", "2")
	for _, wrong := range [][]string{
		{"--card", bob + "&pin-value=" + softhsm.PIN}, {"--card", "alice"}, {"--card", "pkcs11:token=alice"}, {"--card", bob, "--name", "Robert"}, {"--existing", "--name", "Bob"},
	} {
		if code, _, errs := f.run(t.Context(), "", append([]string{"tke", "sigkey-add"}, wrong...)...); code != command.ExitUsage || strings.Contains(errs, softhsm.PIN) {
			t.Errorf("%v: exit code %d: %s", wrong, code, errs)
		}
	}
}

// mustAddCards gives the units administrators whose signature keys and key parts are on cards.
func mustAddCards(p *fakeParts, cards *softhsm.Cards, names ...string) {
	p.t.Helper()
	p.env[signing.EnvCardPIN] = softhsm.PIN
	list := &order.Administrators{Signature: uint32(len(names)), Revocation: 1}
	for _, name := range names {
		p.must("", "tke", "sigkey-add", "--name", name, "--card", cards.URI(name))
		p.must("", "tke", "mk-add", "--random", "--description", "part of "+name, "--card", cards.URI(name))
	}
	keys, err := p.folder().SigKeys()
	if err != nil {
		p.t.Fatal(err)
	}
	var keyNums []int
	for _, k := range keys {
		list.List = append(list.List, k.Administrator())
		keyNums = append(keyNums, k.KeyNum)
	}
	if err := p.folder().SelectSigKeys(keyNums); err != nil {
		p.t.Fatal(err)
	}
	der, err := list.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, u := range p.units {
		u.administrators = der
	}
}

// TestAMasterKeyFromSmartCards, by each suite, as the cards' mechanisms allow.
func TestAMasterKeyFromSmartCards(t *testing.T) {
	for mechanisms, suite := range map[string]order.Suite{"ALL": order.SuiteECDH, "-,CKM_ECDH1_DERIVE": order.SuiteRSA, "-,CKM_SHA256": order.SuiteECDH} {
		t.Run(mechanisms, func(t *testing.T) {
			cards := softhsm.New(t, "alice", "bob")
			cards.Mechanisms(mechanisms)
			p := playParts(newFakeCluster(t, 2, 1))
			mustAddCards(p, cards, "alice", "bob")
			shown := p.must("", "tke", "mks")
			out := p.must("", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
			if o := p.orders[0]; o.Suite != suite {
				t.Errorf("the order is of suite %v", o.Suite)
			}
			if !strings.Contains(out, "sealed by "+suite.String()+", which is not post-quantum") {
				t.Errorf("it is not said that it is not post-quantum:\n%s", out)
			}
			if got := p.signersOf(); !slices.Equal(got, []string{"alice", "bob"}) {
				t.Errorf("the parts are signed by %v", got)
			}
			p.wantRegisters(masterkey.NewFullUncommitted, p.to)
			if suite == order.SuiteECDH && mechanisms == "ALL" {
				golden(t, "card-mk-load.txt", hideCards(withoutFingerprints(shown+out), cards))
			}
			p.must("", "tke", "cryptounit-mk-commit")
			p.wantRegisters(masterkey.NewFullCommitted, p.to)
			p.must("y\n", "tke", "cryptounit-mk-setimm", "--keynum", "1")
		})
	}
}

func TestSmartCardsAndFilesTogether(t *testing.T) {
	cards := softhsm.New(t, "alice")
	p := playParts(newFakeCluster(t, 2, 1))
	p.mustInstall(1, "Bob", "Carol")
	p.mustAddParts(7)
	p.env[signing.EnvCardPIN] = softhsm.PIN
	p.must("", "tke", "mk-add", "--random", "--description", "on a card", "--card", cards.URI("alice"))
	p.fails(`"on a card" cannot be sealed by hpke`, "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes", "--suite", "hpke")
	out := p.must("", "tke", "cryptounit-mk-load", "--mk", "2 1", "--yes", "--suite", "rsa-4096-oaep", "--output", "json")
	if o := p.orders[0]; o.Suite != order.SuiteRSA || !strings.Contains(out, `"suite": "rsa-4096-oaep"`) {
		t.Errorf("%v: %s", o.Suite, out)
	}
	p.wantRegisters(masterkey.NewFullUncommitted, p.to)
	p.must("", "tke", "cryptounit-mk-clrnew", "--yes")

	p.must("", "tke", "cryptounit-mk-load", "--parts", "2", "--part", "1", "--mk", "1", "--yes")
	p.fails(`"on a card" cannot be sealed by hpke, as its order has it, but by ecdh-p521-aes-kw, rsa-4096-oaep`, "",
		"tke", "cryptounit-mk-load", "--part", "2", "--mk", "2", "--yes")
	if code, _, errs := p.run(t.Context(), "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--suite", "rot13"); code == command.ExitDone {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestKeyPartsOnSmartCardsAreCheckedAgainstTheirFiles(t *testing.T) {
	cards := softhsm.New(t, "alice", "bob")
	f := newFakeCluster(t, 2, 1)
	f.env[signing.EnvCardPIN] = softhsm.PIN
	uri := "pkcs11:token=alice;object=first?module-path=" + cards.Module
	f.must("", "tke", "mk-add", "--random", "--card", uri)
	f.fails(`has a key part "first"`, "tke", "mk-add", "--random", "--card", uri)
	f.fails("is this key part already", "tke", "mk-add", "--random", "--card", uri, "--existing")
	f.fails("no key part \"second\"", "tke", "mk-add", "--random", "--card", cards.URI("bob"), "--description", "second", "--existing")
	if code, _, errs := f.run(t.Context(), "", "tke", "mk-add", "--value", "--card", uri); code != command.ExitUsage {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if out := f.must("", "tke", "mk-rm", "--keynum", "1", "--yes"); !strings.Contains(out, "stays on the smart card") {
		t.Error(out)
	}
	f.must("", "tke", "mk-add", "--random", "--card", uri, "--existing")
	folder := f.folder()
	info, err := folder.KeyPart(1)
	if err != nil {
		t.Fatal(err)
	}
	p := playParts(f)
	p.mustInstall(1, "Alice")
	p.mustAddParts(7)
	edit(t, folder.Dir(), "1.mkpart", info.Pattern, strings.Repeat("ab", 32))
	p.fails("is not what its secret says", "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
	edit(t, folder.Dir(), "1.mkpart", strings.Repeat("ab", 32), info.Pattern)
	cards.Remove("alice")
	p.fails("it is none of bob", "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
	if len(p.orders) > 0 {
		t.Errorf("an order was opened all the same: %+v", p.orders[0])
	}
}
