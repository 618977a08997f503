package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
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
)

// partsCluster has administrators and, if it is to be rotated, a master key.
func partsCluster(t *testing.T, threshold uint32, rotate bool, names ...string) *fakeParts {
	t.Helper()
	f := newFakeCluster(t, 2, 1)
	f.mustInstall(threshold, names...)
	if rotate {
		f.mustHold()
	}
	return playParts(f)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// copyPart puts a key part's file under another number too.
func copyPart(p *fakeParts, from, to string) {
	path := filepath.Join(p.env[workstation.Env], from+".mkpart")
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`"keynum": `+from), []byte(`"keynum": `+to), 1)
	if err := os.WriteFile(filepath.Join(p.env[workstation.Env], to+".mkpart"), data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func otherAdministrators(p *fakeParts, unit int) {
	list, err := order.DecodeAdministrators(p.units[unit].administrators)
	if err != nil {
		p.t.Fatal(err)
	}
	list.List = list.List[1:]
	list.Signature = min(list.Signature, uint32(len(list.List)))
	if p.units[unit].administrators, err = list.Encode(); err != nil {
		p.t.Fatal(err)
	}
}

// hideFingerprints replaces the digits of fingerprints.
func hideFingerprints(text string) string {
	return regexp.MustCompile(`(?m)^(\d+ +)[0-9a-f]{64}`).ReplaceAllString(text, "$1<FINGERPRINT>")
}

func hideDigest(text string) string {
	return regexp.MustCompile(`"digest": "[0-9a-f]{64}"`).ReplaceAllString(text, `"digest": "<DIGEST>"`)
}

func (p *fakeParts) wantRegisters(state masterkey.NewState, pattern masterkey.Pattern) {
	p.t.Helper()
	for _, u := range p.units {
		if u.registers.New != state || u.registers.NewPattern != pattern {
			p.t.Errorf("crypto unit %d: %v %v, want %v %v", u.number, u.registers.New, u.registers.NewPattern, state, pattern)
		}
	}
}

// fails runs a command that has to be refused.
func (p *fakeParts) fails(says, input string, args ...string) {
	p.t.Helper()
	code, out, errs := p.run(p.t.Context(), input, args...)
	if code != command.ExitFailed || !strings.HasPrefix(errs, "FAILED\n") || !strings.Contains(errs, says) {
		p.t.Errorf("tumbler %s: exit code %d does not say %q: %s%s", strings.Join(args, " "), code, says, out, errs)
	}
}

func TestAFirstMasterKeyFromTwoParts(t *testing.T) {
	p := partsCluster(t, 2, false, "Alice", "Bob")
	p.mustAddParts(1, 70)
	p.env[signing.EnvSigKeyPassword], p.env["TUMBLER_KEYPART_PASSWORD"] = "", ""
	out := p.must("y\n1 2\nharbour-violet-7\nharbour-violet-7\nmeadow-copper-9\nmeadow-copper-9\n", "tke", "cryptounit-mk-load")
	p.wantRegisters(masterkey.NewFullUncommitted, patternOf(1, 70))
	out += p.must("", "tke", "cryptounit-mk")
	p.env[signing.EnvSigKeyPassword] = "harbour-violet-7"
	out += p.must("", "tke", "cryptounit-mk-commit")
	p.wantRegisters(masterkey.NewFullCommitted, patternOf(1, 70))
	out += p.must("y\n", "tke", "cryptounit-mk-setimm")
	out += p.must("", "tke", "cryptounit-mk")
	golden(t, "mk-init.txt", withoutFingerprints(hideKeys(out)))
	o := p.orders[0]
	if o.Kind != order.Init || o.Parts != 2 || o.Generator != 0 || o.Commit != order.Signed || o.Activate != order.Signed {
		t.Errorf("%+v", o)
	}
	if got := p.signersOf(); !slices.Equal(got, []string{"Alice", "Bob"}) {
		t.Errorf("the parts are signed by %v", got)
	}
	receipt := filepath.Join(t.TempDir(), "init.receipt")
	p.must("", "tke", "rotation", "receipt", "--out", receipt)
	if checked := p.must("", "tke", "rotation", "receipt", "--verify", receipt); !strings.Contains(checked, "Outcome:          complete\n") {
		t.Error(checked)
	}
	if list, err := workstation.ReadAdministrators(p.folder().AdministratorsFile(o.Instance)); err != nil || len(list.List) != 2 {
		t.Errorf("what a receipt is checked against: %v %v", list, err)
	}
}

func withoutFingerprints(text string) string {
	_, rest, found := strings.Cut(text, "Are these the fingerprints")
	if !found {
		return text
	}
	return "Are these the fingerprints" + rest
}

func TestARotationFromThreeParts(t *testing.T) {
	p := partsCluster(t, 1, true, "Alice", "Bob", "Carol")
	p.mustAddParts(1, 70, 140)
	out := p.must("", "tke", "cryptounit-mk-load", "--mk", "3 1 2", "--keynum", "2,1,3", "--policy", "online", "--yes")
	p.wantRegisters(masterkey.NewFullUncommitted, patternOf(1, 70, 140))
	if o := p.orders[0]; o.Kind != order.Rotate || o.Parts != 3 || o.Policy != order.Online || o.Current != p.pattern {
		t.Errorf("%+v", o)
	}
	if got := p.signersOf(); !slices.Equal(got, []string{"Bob", "Alice", "Carol"}) { // in the order in which they were named
		t.Errorf("the parts are signed by %v", got)
	}
	out += p.must("", "tke", "cryptounit-mk-commit", "--keynum", "2")
	out += p.must("y\n", "tke", "cryptounit-mk-rotate", "--keynum", "3")
	golden(t, "mk-rotate.txt", withoutFingerprints(out))
	if p.pattern != patternOf(1, 70, 140) || p.open != nil {
		t.Errorf("%v %+v", p.pattern, p.open)
	}
}

func TestPartsComeFromDifferentWorkstations(t *testing.T) {
	p := partsCluster(t, 1, true, "Alice")
	p.mustAddParts(1)
	out := p.must("", "tke", "cryptounit-mk-load", "--parts", "3", "--part", "1", "--mk", "1", "--yes")
	p.wantRegisters(masterkey.NewEmpty, masterkey.Pattern{})
	for n, first := range []byte{70, 140} {
		other := filepath.Join(t.TempDir(), "tke")
		alice := filepath.Join(p.env[workstation.Env], "1.sigkey")
		p.onWorkstation(t, other, func() {
			p.mustAddParts(first)
			copyFile(t, alice, filepath.Join(other, "1.sigkey"))
			out += p.must("1\n", "tke", "cryptounit-mk-load", "--part", string(rune('2'+n)), "--mk", "1", "--yes")
		})
	}
	golden(t, "mk-load-parts.txt", hideFingerprints(out))
	p.wantRegisters(masterkey.NewFullUncommitted, patternOf(1, 70, 140))
	// Again, by anyone, is safe.
	if again := p.must("", "tke", "cryptounit-mk-load", "--part", "1", "--mk", "1"); !strings.Contains(again, "has all its key parts") || !strings.Contains(again, "has been loaded in the selected crypto units") {
		t.Error(again)
	}
}

func TestLoadingGoesOnAfterANodeWasDown(t *testing.T) {
	p := partsCluster(t, 1, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	p.silent[2] = true
	args := []string{"tke", "cryptounit-mk-load", "--mk", "1,2", "--yes"}
	p.fails("crypto unit 2 did not take key part 1: node 2 does not answer", "", args...)
	delete(p.silent, 2)
	if out := p.must("", args...); !strings.Contains(out, "Order 1 (rotate, loading) is under way") {
		t.Error(out)
	}
	p.wantRegisters(masterkey.NewFullUncommitted, patternOf(1, 70))
	if len(p.orders) != 1 {
		t.Errorf("%d orders", len(p.orders))
	}
}

// identities are those of every unit.
func (p *fakeParts) identities() map[uint32][]byte {
	all := map[uint32][]byte{}
	for _, u := range p.units {
		identity := u.identity()
		all[u.number] = identity[:]
	}
	return all
}

func TestLoadAsJSON(t *testing.T) {
	p := partsCluster(t, 1, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	if err := p.folder().PinIdentities(instance, p.identities()); err != nil {
		t.Fatal(err)
	}
	golden(t, "mk-load.json", hideDigest(p.must("", "tke", "cryptounit-mk-load", "--mk", "1,2", "--yes", "--output", "json")))
	golden(t, "mk-commit.json", hideDigest(p.must("", "tke", "cryptounit-mk-commit", "--output", "json")))
}

func TestLoadRefusesBeforeAnythingIsSigned(t *testing.T) {
	load := []string{"--mk", "1 2", "--yes"}
	for name, tc := range map[string]struct {
		spoil func(*fakeParts)
		args  []string
		says  string
		code  int
	}{
		"a unit in imprint mode":      {func(p *fakeParts) { p.units[1].administrators = nil }, load, "crypto unit 2 is in imprint mode", command.ExitFailed},
		"a unit that does not answer": {func(p *fakeParts) { p.units[2].alive = false }, load, "crypto unit 3: there is no signed report", command.ExitFailed},
		"a new register that is full": {func(p *fakeParts) {
			p.units[1].registers.New, p.units[1].registers.NewPattern = masterkey.NewFullUncommitted, patternOf(9)
		}, load, "crypto unit 2 is Full Uncommitted already: clear it first (`tumbler tke cryptounit-mk-clrnew`)", command.ExitFailed},
		"a current register that is Empty": {func(p *fakeParts) { p.units[1].registers = masterkey.Empty() }, load, "crypto unit 2 does not hold the instance's master key: `tumbler tke auto-recover`", command.ExitFailed},
		"another current master key":       {func(p *fakeParts) { p.units[1].registers.CurrentPattern = patternOf(9) }, load, "crypto unit 2 does not hold the instance's master key", command.ExitFailed},
		"a unit that is not selected":      {func(p *fakeParts) { p.must("2\n", "tke", "cryptounit-rm") }, load, "crypto unit 2 is not selected", command.ExitFailed},
		"other administrators":             {func(p *fakeParts) { otherAdministrators(p, 2) }, load, "crypto unit 3 has other administrators or thresholds than crypto unit 1", command.ExitFailed},
		"a strange unit": {func(p *fakeParts) {
			p.must("", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
			p.must("", "tke", "cryptounit-mk-clrnew", "--yes")
			p.units[1].key = newFakeUnit(2, order.Operational, "stranger").key
		}, load, "crypto unit 2 shows identity", command.ExitFailed},
		"a rotation by a recovery unit":      {func(p *fakeParts) { p.must("", "tke", "auto-mk-rotate", "--detach", "--yes") }, load, "takes its master key from crypto unit 3, and not from key parts", command.ExitFailed},
		"one key part":                       {nil, []string{"--mk", "1"}, "2 or 3 values must be specified, and 1 was given", command.ExitUsage},
		"the same key part twice":            {nil, []string{"--mk", "1 1"}, "KEYNUM 1 is given twice", command.ExitUsage},
		"two files with one key part":        {func(p *fakeParts) { copyPart(p, "1", "3") }, []string{"--mk", "1 3", "--yes"}, "KEYNUM 1 and 3 are the same key part", command.ExitFailed},
		"no such key part":                   {nil, []string{"--mk", "1 9", "--yes"}, "there is no key part with KEYNUM 9", command.ExitFailed},
		"a key part's wrong password":        {func(p *fakeParts) { p.env["TUMBLER_KEYPART_PASSWORD_2"] = "wrong" }, load, "2.mkpart: the password is wrong", command.ExitFailed},
		"a signature key's wrong password":   {func(p *fakeParts) { p.env[signing.EnvSigKeyPassword] = "wrong" }, load, "1.sigkey: the password is wrong", command.ExitFailed},
		"a lone part and nobody says of how": {nil, []string{"--mk", "1", "--part", "1", "--yes"}, "say with --parts how many key parts", command.ExitUsage},
		"part 3 of 2":                        {nil, []string{"--mk", "1", "--part", "3", "--parts", "2", "--yes"}, "--part 3 is not a part number from 1 to 2", command.ExitUsage},
		"two numbers for one part":           {nil, []string{"--mk", "1", "--part", "1,2", "--parts", "3", "--yes"}, "--part names 2 key parts, and --mk 1", command.ExitUsage},
		"3 parts of which 2 are named":       {nil, []string{"--mk", "1 2", "--parts", "3", "--yes"}, "--parts 3, and 2 key parts were given: say with --part which these are", command.ExitUsage},
		"one custodian for two parts":        {nil, []string{"--mk", "1 2", "--keynum", "1", "--yes"}, "key parts come from different administrators where 2 or more must sign", command.ExitFailed},
		"too few signature keys":             {nil, []string{"--mk", "1", "--part", "1", "--parts", "2", "--keynum", "1", "--yes"}, "2 signatures are needed, and 1 chosen signature key is", command.ExitFailed},
		"an odd policy":                      {nil, []string{"--policy", "offline"}, "not documented or online", command.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			p := partsCluster(t, 2, true, "Alice", "Bob", "Carol")
			p.mustAddParts(1, 70)
			if tc.spoil != nil {
				tc.spoil(p)
			}
			before := len(p.orders)
			code, _, errs := p.run(t.Context(), "", append([]string{"tke", "cryptounit-mk-load"}, tc.args...)...)
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d does not say %q: %s", code, tc.says, errs)
			}
			if len(p.orders) != before {
				t.Error("an order was handed in")
			}
		})
	}
}

func TestAFirstMasterKeyIsThatOfEveryUnit(t *testing.T) {
	p := partsCluster(t, 1, false, "Alice")
	p.mustAddParts(1, 70)
	p.units[1].registers = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(9), New: masterkey.NewEmpty}
	p.fails("crypto unit 2 holds a master key already, and the instance has none", "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
	p.units[1].registers = masterkey.Empty()
	ctx, interrupt := context.WithCancel(t.Context())
	p.unknown = func(number uint32, asked int) bool {
		if asked > 2 {
			interrupt()
		}
		return number == 2
	}
	code, out, errs := p.run(ctx, "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
	if code != command.ExitFailed || !strings.Contains(out, "Waiting for crypto unit 2") || !strings.Contains(errs, "node 2 is a member, and its crypto unit has not registered") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

func TestAWrongPartIsNamedWithItsUnit(t *testing.T) {
	p := partsCluster(t, 1, true, "Alice", "Bob")
	p.mustAddParts(1, 70, 140)
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1", "--part", "1", "--parts", "2", "--yes")
	p.waiting[2][1] = partValue(33) // somebody else's part 1
	p.fails("crypto unit 2 did not take key part 1: another key part waits in the crypto unit under that number: part 1: cancel the order",
		"", "tke", "cryptounit-mk-load", "--mk", "1", "--part", "1")
	// The last part makes another key of it in unit 2 than in the others.
	p.fails("crypto unit 2 was loaded with another master key ("+patternOf(33, 70).String()+") than crypto unit 1, 3", "", "tke", "cryptounit-mk-load", "--mk", "2", "--part", "2")
	p.fails("not every new master key register is loaded", "", "tke", "cryptounit-mk-commit")
	if out := p.must("y\n", "tke", "cryptounit-mk-clrnew"); !strings.Contains(out, "OK\nThe new master key register has been cleared in the selected crypto units.\n") {
		t.Error(out)
	}
	p.wantRegisters(masterkey.NewEmpty, masterkey.Pattern{})
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1 2")
}

func TestAReplyThatIsNotTheUnitsIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		lie  func(uint32, *order.PartReply)
		says string
	}{
		"another value": {func(_ uint32, r *order.PartReply) { r.Pattern = patternOf(9) }, "it took another value under that number"},
		"another part":  {func(_ uint32, r *order.PartReply) { r.Part, r.Waiting = 3, nil }, "its reply is about another order, crypto unit or key part"},
		"another unit":  {func(_ uint32, r *order.PartReply) { r.Unit = 1 }, "its reply is about another order, crypto unit or key part"},
		"another order": {func(_ uint32, r *order.PartReply) { r.Order[0] ^= 1 }, "its reply is about another order, crypto unit or key part"},
	} {
		t.Run(name, func(t *testing.T) {
			p := partsCluster(t, 1, true, "Alice", "Bob")
			p.mustAddParts(1, 70)
			p.lie = func(unit uint32, r *order.PartReply) {
				if unit == 2 {
					tc.lie(unit, r)
				}
			}
			p.fails("crypto unit 2 did not take key part 1: "+tc.says, "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
		})
	}
	p := partsCluster(t, 1, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1", "--part", "1", "--parts", "2", "--yes")
	p.forged = map[uint32]ed25519.PrivateKey{2: newFakeUnit(2, order.Operational, "stranger").key}
	p.fails("crypto unit 2 did not take key part 1: its reply: the statement is not signed by the unit that it names", "", "tke", "cryptounit-mk-load", "--mk", "1", "--part", "1")
}

func TestNoPartGoesToAUnitWithOtherAdministrators(t *testing.T) {
	p := partsCluster(t, 1, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1", "--part", "1", "--parts", "2", "--yes")
	list := p.units[1].administrators
	otherAdministrators(p, 1)
	p.mu.Lock()
	p.say(p.units[1], order.Statement{Kind: order.Ready, Importer: p.importer[2].public, Report: &order.Report{Role: order.Operational, Registers: p.units[1].registers, Administrators: p.units[1].administrators}})
	p.mu.Unlock()
	p.units[1].administrators = list
	p.fails("crypto unit 2 reports other administrators or thresholds than those that signed the order", "", "tke", "cryptounit-mk-load", "--mk", "2", "--part", "2")
	if len(p.waiting[1]) != 1 {
		t.Error("a part was sent")
	}
}
