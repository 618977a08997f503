package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// loadedCluster has two parts loaded, by Alice and Bob, of whom two must sign.
func loadedCluster(t *testing.T, rotate bool) *fakeParts {
	t.Helper()
	p := partsCluster(t, 2, rotate, "Alice", "Bob")
	p.mustAddParts(1, 70)
	if err := p.folder().PinIdentities(instance, p.identities()); err != nil {
		t.Fatal(err)
	}
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1 2")
	return p
}

func TestCommitSignsThePatternThatEveryUnitStated(t *testing.T) {
	p := loadedCluster(t, true)
	p.hold = client.StateRewrapping
	p.must("", "tke", "cryptounit-mk-commit")
	if len(p.approved) != 1 || p.approved[0].Step != order.StepCommit || p.approved[0].Pattern != patternOf(1, 70) {
		t.Errorf("%+v", p.approved)
	}
	out := p.must("", "tke", "cryptounit-mk-commit") // again, nothing is signed
	if len(p.approved) != 1 || !strings.Contains(out, "Order 1 (rotate, rewrapping) is committed already: nothing was signed.") || !strings.Contains(out, "The new master key register has been committed in the selected crypto units.") {
		t.Errorf("%+v: %s", p.approved, out)
	}
}

func TestCommitRefuses(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	p.fails("the new master key registers are Empty: `tumbler tke cryptounit-mk-load` loads them", "", "tke", "cryptounit-mk-commit")
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1", "--part", "1", "--parts", "2", "--yes")
	p.fails("order 1 is loading, and not every new master key register is loaded (commit waits for `loaded` of crypto unit 1, 2, 3): `tumbler tke cryptounit-mk-load` comes first", "", "tke", "cryptounit-mk-commit")
	p.must("", "tke", "cryptounit-mk-load", "--mk", "2", "--part", "2", "--keynum", "2")
	p.fails("2 signatures are needed", "", "tke", "cryptounit-mk-commit", "--keynum", "1")
	if len(p.approved) != 0 {
		t.Errorf("%+v", p.approved)
	}
}

func TestUnitsInImprintModeObeyNobody(t *testing.T) {
	p := playParts(newFakeCluster(t, 2, 1))
	p.mustAddParts(1, 70)
	for _, args := range [][]string{
		{"cryptounit-mk-load", "--mk", "1 2", "--yes"}, {"cryptounit-mk-commit"}, {"cryptounit-mk-rotate", "--yes"}, {"cryptounit-mk-setimm", "--yes"},
		{"cryptounit-mk-clrnew", "--yes"}, {"cryptounit-mk-clrcur", "--yes"},
	} {
		p.fails("Error reported by EP11 crypto module.\nReturn code: 179\nReason code: 0\nError message: crypto unit 1 is in imprint mode", "", append([]string{"tke"}, args...)...)
	}
}

func TestMkRotateAsksBeforeItsChecks(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	p.fails("nothing was done", "n\n", "tke", "cryptounit-mk-rotate")
	p.fails("the new master key registers are Empty", "y\n", "tke", "cryptounit-mk-rotate")
	p.rotation = client.RotationStatus{State: client.StateComplete, Order: &client.RotationOrder{Number: 4, Kind: "rotate", KeyParts: 2}}
	p.fails("order 4 (rotate), by 2 key parts, is over: it is complete", "y\n", "tke", "cryptounit-mk-rotate")
	if code, _, errs := p.run(t.Context(), "", "tke", "cryptounit-mk-rotate"); code != command.ExitUsage || !strings.Contains(errs, "give --yes") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestMkRotateRefusesBeforeCommit(t *testing.T) {
	p := loadedCluster(t, true)
	p.fails("the new master key of order 1 is not committed: `tumbler tke cryptounit-mk-commit` comes first", "", "tke", "cryptounit-mk-rotate", "--yes")
	if len(p.approved) != 0 {
		t.Errorf("%+v", p.approved)
	}
	first := loadedCluster(t, false)
	first.must("", "tke", "cryptounit-mk-commit")
	first.fails("there is no key to rewrap: `tumbler tke cryptounit-mk-setimm` ends an init by key parts", "", "tke", "cryptounit-mk-rotate", "--yes")
}

func TestAutoMkRotateLeavesAnOrderByPartsToItsCommands(t *testing.T) {
	p := loadedCluster(t, true)
	p.fails("order 1 (rotate, committing) takes its master key from key parts: `tumbler tke cryptounit-mk-load` and `cryptounit-mk-commit` go on", "", "tke", "auto-mk-rotate")
	p.hold = client.StateRewrapping
	p.must("", "tke", "cryptounit-mk-commit")
	if out := p.must("", "tke", "auto-mk-rotate", "--detach"); !strings.Contains(out, "A rotation is under way (order 1, rewrapping)") {
		t.Error(out)
	}
}

func TestMkRotateNeedsOneSignature(t *testing.T) {
	p := loadedCluster(t, true)
	p.hold = client.StateRewrapping
	p.must("", "tke", "cryptounit-mk-commit")
	p.must("", "tke", "cryptounit-mk-rotate", "--yes", "--keynum", "2", "--detach")
	if last := p.approved[len(p.approved)-1]; len(p.approved) != 2 || last.Step != order.StepActivate || last.Pattern != patternOf(1, 70) {
		t.Errorf("%+v", p.approved)
	}
	p.hold = ""
	p.mu.Lock()
	p.advance()
	p.mu.Unlock()
	if p.pattern != patternOf(1, 70) {
		t.Errorf("the cluster did not go on by itself: %v, %s", p.pattern, p.state)
	}
}

func TestSetImmediateRefusesWhileAKeyWouldBeLost(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	lost := "the current master key register of crypto unit 1, 2, 3 holds a key, and every key under it would be lost: `tumbler tke cryptounit-mk-rotate` replaces it"
	p.fails(lost, "", "tke", "cryptounit-mk-setimm", "--yes")
	p.mustAddParts(1, 70)
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1 2", "--yes")
	p.hold = client.StateRewrapping
	p.must("", "tke", "cryptounit-mk-commit")
	p.fails(lost, "", "tke", "cryptounit-mk-setimm", "--yes")
	if len(p.approved) != 1 {
		t.Errorf("%+v", p.approved)
	}
}

func TestSetImmediateEndsAnInitByParts(t *testing.T) {
	p := partsCluster(t, 2, false, "Alice", "Bob")
	p.fails("the new master key registers are Empty", "", "tke", "cryptounit-mk-setimm", "--yes")
	p = loadedCluster(t, false)
	p.fails("the new master key of order 1 is not committed: `tumbler tke cryptounit-mk-commit` comes first", "", "tke", "cryptounit-mk-setimm", "--yes")
	p.must("", "tke", "cryptounit-mk-commit")
	p.fails("nothing was done", "n\n", "tke", "cryptounit-mk-setimm")
	p.must("y\n", "tke", "cryptounit-mk-setimm", "--keynum", "1")
	if last := p.approved[len(p.approved)-1]; last.Step != order.StepSetImmediate || p.pattern != patternOf(1, 70) {
		t.Errorf("%+v", p.approved)
	}
}

func TestClearNewCancelsTheOrder(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	if out := p.must("", "tke", "cryptounit-mk-clrnew"); out != "OK\nThere is nothing to clear: the new master key registers are Empty.\n" {
		t.Error(out)
	}
	p.units[1].registers.New, p.units[1].registers.NewPattern = masterkey.NewFullUncommitted, patternOf(9)
	p.fails("no order is under way, and the new master key register of crypto unit 2 is not Empty", "", "tke", "cryptounit-mk-clrnew")

	p = loadedCluster(t, true)
	p.fails("nothing was done", "n\n", "tke", "cryptounit-mk-clrnew")
	golden(t, "mk-clrnew.txt", p.must("y\n", "tke", "cryptounit-mk-clrnew", "--keynum", "2"))
	if o := p.orders[len(p.orders)-1]; o.Kind != order.Cancel || o.Subject.OrderNumber != 1 {
		t.Errorf("%+v", o)
	}
	p.wantRegisters(masterkey.NewEmpty, masterkey.Pattern{})

	p = loadedCluster(t, true)
	p.open.State = client.StateActivating
	p.fails("nothing can be cancelled any more", "", "tke", "cryptounit-mk-clrnew", "--yes")
}

func TestClearCurrentKeepsTheKeySomewhere(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	p.fails("no other crypto unit that answers would hold the master key, and every key under it would be lost", "", "tke", "cryptounit-mk-clrcur", "--yes")
	p.units[2].alive = false
	p.fails("no other crypto unit that answers would hold the master key", "", "tke", "cryptounit-mk-clrcur", "--units", "1,2", "--yes")
	p.units[2].alive = true
	p.fails("there is no crypto unit 9 in this instance", "", "tke", "cryptounit-mk-clrcur", "--units", "9", "--yes")
	p.fails("2 signatures are needed", "", "tke", "cryptounit-mk-clrcur", "--units", "2", "--yes", "--keynum", "1")
	p.fails("nothing was done", "n\n", "tke", "cryptounit-mk-clrcur", "--units", "2")
	p.must("3 1\n", "tke", "cryptounit-rm")
	golden(t, "mk-clrcur.txt", p.must("y\n", "tke", "cryptounit-mk-clrcur"))
	if p.units[1].registers.Current != masterkey.CurrentEmpty || p.units[0].registers.Current != masterkey.CurrentValid {
		t.Errorf("%+v", p.units[1].registers)
	}
	p.fails("there is nothing to clear: the current master key registers are Empty", "", "tke", "cryptounit-mk-clrcur", "--yes")
	p.units[0].alive = false
	p.fails("crypto unit 1: there is no signed report", "", "tke", "cryptounit-mk-clrcur", "--units", "1", "--yes")

	p = loadedCluster(t, true)
	p.fails("order 1 (rotate, committing) is under way", "", "tke", "cryptounit-mk-clrcur", "--units", "2", "--yes")
}

// Every signature of a ceremony may be made on another workstation.
func TestSignaturesForPartsAreCollectedInFiles(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	file := func(name string) string { return filepath.Join(t.TempDir(), name) }
	sign := func(path string) {
		t.Helper()
		for _, keyNum := range []string{"1", "2"} {
			p.must("", "tke", "order", "sign", path, "--keynum", keyNum, "--yes")
		}
		p.must("", "tke", "order", "submit", path)
	}
	load := file("load.order")
	if code, _, errs := p.run(t.Context(), "", "tke", "cryptounit-mk-load", "--mk", "1 2", "--order", load, "--yes"); code != command.ExitUsage || !strings.Contains(errs, "--order goes with --parts") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	p.must("", "tke", "cryptounit-mk-load", "--parts", "2", "--order", load, "--yes")
	sign(load)
	p.must("", "tke", "cryptounit-mk-load", "--mk", "1 2")
	commit := file("commit.order")
	p.must("", "tke", "cryptounit-mk-commit", "--order", commit)
	if len(p.approved) != 0 {
		t.Errorf("%+v", p.approved)
	}
	sign(commit)
	if p.state != client.StateRewrapped {
		t.Error(p.state)
	}
}

func TestSignaturesToClearCurrentAreCollectedInAFile(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	path := filepath.Join(t.TempDir(), "clear.order")
	p.must("", "tke", "cryptounit-mk-clrcur", "--units", "2", "--yes", "--order", path)
	if p.units[1].registers.Current != masterkey.CurrentValid {
		t.Error("it was cleared without a signature")
	}
	p.must("", "tke", "order", "sign", path, "--keynum", "1", "--yes")
	p.must("", "tke", "order", "sign", path, "--keynum", "2", "--yes")
	if out := p.must("", "tke", "order", "submit", path); !strings.Contains(out, "has been cleared in crypto unit 2.") || p.units[1].registers.Current != masterkey.CurrentEmpty {
		t.Errorf("%+v: %s", p.units[1].registers, out)
	}
}

// interrupted starts a command, types, waits until it shows something, and sends a signal.
func (p *fakeParts) interrupted(shows, typed string, args ...string) {
	p.t.Helper()
	in, typing, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = typing.Close() }()
	if _, err := typing.WriteString(typed); err != nil {
		p.t.Fatal(err)
	}
	output, writer, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	shown := newScreen(output)
	ctx, interrupt := context.WithCancel(p.t.Context())
	var errs strings.Builder
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"tumbler"}, args...), command.Streams{In: in, Out: writer, Err: &errs, Env: p.getenv})
	}()
	shown.wait(p.t, shows)
	interrupt()
	if code := <-ended; code != command.ExitFailed || !strings.Contains(errs.String(), "interrupted") {
		p.t.Errorf("tumbler %s: exit code %d: %s", strings.Join(args, " "), code, errs.String())
	}
}

// At every prompt of every command a signal leaves nothing signed, and the same command does it all afterwards.
func TestASignalAtAPromptLeavesNothingSigned(t *testing.T) {
	const password, part = "harbour-violet-7\n", "meadow-copper-9\n"
	load := []string{"tke", "cryptounit-mk-load"}
	for _, tc := range []struct {
		name  string
		made  func(*testing.T) *fakeParts
		args  []string
		stops map[string]string // what is typed until the prompt is shown
	}{
		{"load", func(t *testing.T) *fakeParts {
			p := partsCluster(t, 2, true, "Alice", "Bob")
			p.mustAddParts(1, 70)
			p.interrupted("Are these the fingerprints", "", load...)
			if err := p.folder().PinIdentities(instance, p.identities()); err != nil {
				t.Fatal(err)
			}
			return p
		}, load, map[string]string{
			"Enter the KEYNUM values": "", `Alice \(`: "1 2\n", `Bob \(`: "1 2\n" + password,
			"key file 1": "1 2\n" + password + password, "key file 2": "1 2\n" + password + password + part,
		}},
		{"commit", func(t *testing.T) *fakeParts { return loadedCluster(t, true) }, []string{"tke", "cryptounit-mk-commit"},
			map[string]string{`Alice \(`: "", `Bob \(`: password}},
		{"rotate", func(t *testing.T) *fakeParts {
			p := loadedCluster(t, true)
			p.hold = client.StateRewrapping
			p.must("", "tke", "cryptounit-mk-commit")
			return p
		}, []string{"tke", "cryptounit-mk-rotate"}, map[string]string{"Answer": "", `Alice \(`: "y\n"}},
		{"set immediate", func(t *testing.T) *fakeParts {
			p := loadedCluster(t, false)
			p.must("", "tke", "cryptounit-mk-commit")
			return p
		}, []string{"tke", "cryptounit-mk-setimm"}, map[string]string{"Answer": "", `Alice \(`: "y\n"}},
		{"clear new", func(t *testing.T) *fakeParts { return loadedCluster(t, true) }, []string{"tke", "cryptounit-mk-clrnew"},
			map[string]string{"Answer": "", `Alice \(`: "y\n"}},
		{"clear current", func(t *testing.T) *fakeParts { return partsCluster(t, 2, true, "Alice", "Bob") }, []string{"tke", "cryptounit-mk-clrcur", "--units", "2"},
			map[string]string{"Answer": "", `Alice \(`: "y\n", `Bob \(`: "y\n" + password}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.made(t)
			p.env[signing.EnvSigKeyPassword], p.env["TUMBLER_KEYPART_PASSWORD"] = "", ""
			orders, approvals, registers := len(p.orders), len(p.approved), p.units[1].registers
			for shows, typed := range tc.stops {
				p.interrupted(shows, typed, tc.args...)
				if len(p.orders) != orders || len(p.approved) != approvals || p.units[1].registers != registers {
					t.Fatalf("interrupted at %q, something was signed", shows)
				}
			}
		})
	}
}

func TestASignalWhileUnitsPrepareLeavesTheOrder(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	p.hold = client.StatePreparing
	args := []string{"tke", "cryptounit-mk-load", "--mk", "1 2", "--yes"}
	p.interrupted("Preparing every crypto unit", "", args...)
	p.goOn()
	if out := p.must("", args...); !strings.Contains(out, "Order 1 (rotate, loading) is under way") || !strings.Contains(out, "has been loaded") {
		t.Error(out)
	}
	p.wantRegisters(masterkey.NewFullUncommitted, patternOf(1, 70))
	if len(p.orders) != 1 {
		t.Errorf("%d orders", len(p.orders))
	}
}

// goOn lets the cluster leave the state that it is held in.
func (p *fakeParts) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = ""
	p.advance()
}

func TestASignalBetweenTwoPartsLeavesWhatWasTaken(t *testing.T) {
	p := partsCluster(t, 2, true, "Alice", "Bob")
	p.mustAddParts(1, 70)
	ctx, interrupt := context.WithCancel(t.Context())
	p.taking = func(unit, part uint32, value []byte) []byte {
		if unit == 2 && part == 1 {
			interrupt()
		}
		return value
	}
	args := []string{"tke", "cryptounit-mk-load", "--mk", "1 2", "--yes"}
	if code, _, errs := p.run(ctx, "", args...); code != command.ExitFailed || !strings.Contains(errs, "interrupted: what crypto units have taken stays there, and the same command goes on") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	p.mu.Lock()
	taken, missing := len(p.waiting[1]), len(p.waiting[3])
	p.mu.Unlock()
	if taken != 1 || missing != 0 {
		t.Errorf("%d parts wait in unit 1, %d in unit 3", taken, missing)
	}
	p.must("", args...)
	p.wantRegisters(masterkey.NewFullUncommitted, patternOf(1, 70))
}

func TestASignalAfterASignatureLetsTheClusterGoOn(t *testing.T) {
	p := loadedCluster(t, true)
	p.silent[3] = true
	p.hold = client.StateRewrapping
	commit := []string{"tke", "cryptounit-mk-commit"}
	p.signalAfter(1, commit...)
	p.interrupted("Committing the new master key registers", "", "tke", "cryptounit-mk-rotate", "--yes") // it waits, and nothing is signed
	delete(p.silent, 3)
	p.mu.Lock()
	p.advance()
	p.mu.Unlock()
	if out := p.must("", commit...); len(p.approved) != 1 || !strings.Contains(out, "The new master key register has been committed in the selected crypto units.") {
		t.Errorf("%+v: %s", p.approved, out)
	}
	rotate := []string{"tke", "cryptounit-mk-rotate", "--yes"}
	p.interrupted("Rewrapping key storage", "", rotate...)
	if out := p.must("", append(rotate, "--detach")...); len(p.approved) != 2 || !strings.Contains(out, "Order 1 (rewrapping) is under way and has every signature: nothing was signed") {
		t.Errorf("%+v: %s", p.approved, out)
	}
	p.goOn()
	if p.pattern != patternOf(1, 70) {
		t.Errorf("the cluster did not go on: %s", p.state)
	}
}

// signalAfter interrupts a command as soon as the cluster has taken so many signatures.
func (p *fakeParts) signalAfter(approvals int, args ...string) {
	p.t.Helper()
	ctx, interrupt := context.WithCancel(p.t.Context())
	p.mu.Lock()
	p.took = func() {
		if len(p.approved) == approvals {
			interrupt()
		}
	}
	p.mu.Unlock()
	if code, _, errs := p.run(ctx, "", args...); code != command.ExitFailed || !strings.Contains(errs, "interrupted: the order was accepted, and is carried out without this command") {
		p.t.Errorf("exit code %d: %s", code, errs)
	}
}
