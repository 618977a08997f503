package cli

import (
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// join adds a unit that has joined and is not enrolled.
func (f *fakeCluster) join(number uint32, role order.Role) *fakeUnit {
	u := newFakeUnit(number, role, "new")
	u.joined = true
	f.units = append(f.units, u)
	return u
}

func TestEnrolNamesTheNewUnitByItsFingerprint(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	u := f.join(4, order.Recovery)
	golden(t, "enrol.txt", strings.ReplaceAll(f.must("y\n", "tke", "enrol"), u.identity().String(), "FINGERPRINT"))
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Enrol || len(o.Units) != 4 || len(o.Subject.Units) != 1 || o.Subject.Units[0].Identity != u.identity() || u.joined {
		t.Errorf("%+v", o)
	}
	// The same again signs nothing, and the next order names it.
	before := len(f.orders)
	f.must("", "tke", "enrol", "--units", "4")
	if len(f.orders) != before {
		t.Error("it was enrolled a second time")
	}
}

func TestEnrolRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeCluster, *fakeUnit)
		args  []string
		says  string
		code  int
	}{
		"another fingerprint": {nil, []string{"--fingerprints"}, "crypto unit 4 shows fingerprint", command.ExitFailed},
		"no answer to it":     {nil, []string{}, "give --yes", command.ExitUsage},
		"too few keys":        {nil, []string{"--yes", "--keynum", "1"}, "2 signatures are needed", command.ExitFailed},
		"other administrators": {func(f *fakeCluster, u *fakeUnit) {
			der, err := (&order.Administrators{List: []order.Administrator{{Name: "Eve", Key: f.someKey()}}, Signature: 1, Revocation: 1}).Encode()
			if err != nil {
				f.t.Fatal(err)
			}
			u.administrators = der
		}, []string{"--yes"}, "crypto unit 4 has other administrators", command.ExitFailed},
		"another key": {func(_ *fakeCluster, u *fakeUnit) {
			u.registers = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: masterkey.PatternOf([]byte("other")), New: masterkey.NewEmpty}
		}, []string{"--yes"}, "holds another master key", command.ExitFailed},
		"an order is open": {func(f *fakeCluster, _ *fakeUnit) {
			f.open = &client.OpenOrder{Number: 7, Kind: "rotate", State: "loading"}
		}, []string{"--yes"}, "order 7 (rotate, loading) is under way", command.ExitFailed},
		"no master key yet": {func(f *fakeCluster, _ *fakeUnit) { clear(f.pattern[:]) }, []string{"--yes"}, "tumbler tke auto-init", command.ExitFailed},
		"unknown":           {nil, []string{"--units", "9", "--yes"}, "crypto unit 9 has not registered", command.ExitFailed},
		"nobody waits":      {func(_ *fakeCluster, u *fakeUnit) { u.joined = false }, []string{"--yes"}, "every crypto unit that has joined is enrolled", command.ExitFailed},
		"not a number":      {nil, []string{"--units", "five"}, "is not a CRYPTO UNIT NUM", command.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 2, 1)
			f.mustInit()
			u := f.join(4, order.Recovery)
			args := tc.args
			if len(args) > 0 && args[0] == "--fingerprints" {
				args = []string{"--fingerprints", f.fingerprints()}
				f.units[3] = newFakeUnit(4, order.Recovery, "stranger")
				f.units[3].joined = true
			}
			if tc.spoil != nil {
				tc.spoil(f, u)
			}
			before := len(f.orders)
			code, _, errs := f.run(t.Context(), "", append([]string{"tke", "enrol"}, args...)...)
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d does not say %q: %s", code, tc.says, errs)
			}
			if len(f.orders) != before {
				t.Error("an order was handed in")
			}
		})
	}
}

// someKey is the public key of an administrator that the instance has.
func (f *fakeCluster) someKey() []byte {
	f.t.Helper()
	list, err := order.DecodeAdministrators(f.units[0].administrators)
	if err != nil {
		f.t.Fatal(err)
	}
	return list.List[0].Key
}

func TestUnenrolRemovesAUnitAndForgetsItsIdentity(t *testing.T) {
	f := newFakeCluster(t, 2, 2)
	f.mustInit()
	f.units[3].alive = false // it will never answer again
	golden(t, "unenrol.txt", f.must("y\n", "tke", "unenrol", "--units", "4"))
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Remove || len(o.Units) != 4 || len(o.Subject.Units) != 1 || o.Subject.Units[0].Number != 4 {
		t.Errorf("%+v", o)
	}
	// Another unit may take the number, by its own fingerprint.
	f.join(4, order.Recovery)
	f.must("", "tke", "enrol", "--fingerprints", f.fingerprints())
	for says, args := range map[string][]string{
		"no CRYPTO UNIT NUM was given":                                 nil,
		"there is no crypto unit 9":                                    {"--units", "9", "--yes"},
		"without crypto unit 1, 2 the instance has no operational one": {"--units", "1,2", "--yes"},
		"2 signatures are needed":                                      {"--units", "4", "--yes", "--keynum", "2"},
	} {
		if code, _, errs := f.run(t.Context(), "", append([]string{"tke", "unenrol"}, args...)...); code == command.ExitDone || !strings.Contains(errs, says) {
			t.Errorf("exit code %d does not say %q: %s", code, says, errs)
		}
	}
	f.join(5, order.Recovery)
	if code, _, errs := f.run(t.Context(), "", "tke", "unenrol", "--units", "5", "--yes"); code != command.ExitFailed || !strings.Contains(errs, "crypto unit 5 is not enrolled: `tumbler cluster leave --number 5`") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	f.open = &client.OpenOrder{Number: 7, Kind: "rotate", State: "loading"}
	if code, _, errs := f.run(t.Context(), "", "tke", "unenrol", "--units", "4", "--yes"); code != command.ExitFailed || !strings.Contains(errs, "order 7 (rotate, loading) is under way") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestAutoRecoverNamesSourceAndTargets(t *testing.T) {
	f := newFakeCluster(t, 2, 2)
	f.mustInit()
	f.units[1].registers = masterkey.Empty()
	f.rotation = complete("recover")
	golden(t, "auto-recover.txt", f.must("", "tke", "auto-recover"))
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Recover || o.Generator != 3 || o.Subject.Pattern != f.pattern || len(o.Subject.Units) != 1 || o.Subject.Units[0].Number != 2 {
		t.Errorf("%+v", o)
	}
	f.must("", "tke", "auto-mk-recover", "--source", "1", "--units", "2")
	if o := f.orders[len(f.orders)-1]; o.Generator != 1 {
		t.Errorf("%+v", o)
	}
	f.units[1].registers = f.units[0].registers
	before := len(f.orders)
	if out := f.must("", "tke", "auto-recover"); !strings.Contains(out, "there is nothing to recover") || len(f.orders) != before {
		t.Error(out)
	}
	f.hold("recover", client.StateLoading)
	f.rotation.State = client.StateComplete
	if out := f.must("", "tke", "auto-recover"); !strings.Contains(out, "A recovery is under way (order") || len(f.orders) != before {
		t.Error(out)
	}
}

// TestARetiredKeyIsRecovered: after a restore from before a rotation no unit holds the state's master key, and a recovery unit
// that keeps retired ones is asked.
func TestARetiredKeyIsRecovered(t *testing.T) {
	f := newFakeCluster(t, 1, 2)
	f.mustInit()
	f.units[0].registers = masterkey.Empty()
	for _, u := range f.units[1:] {
		u.registers.CurrentPattern = masterkey.PatternOf([]byte("later"))
	}
	f.units[2].retired = 1
	f.rotation = complete("recover")
	if out := f.must("", "tke", "auto-recover"); !strings.Contains(out, "one that the crypto unit had retired") {
		t.Error(out)
	}
	if o := f.orders[len(f.orders)-1]; o.Generator != 3 || o.Subject.Pattern != f.pattern || len(o.Subject.Units) != 1 {
		t.Errorf("%+v", o)
	}
	f.must("", "tke", "auto-recover", "--source", "3")
	f.units[1].registers.CurrentPattern = f.pattern // who holds it comes first
	f.must("", "tke", "auto-recover")
	if o := f.orders[len(f.orders)-1]; o.Generator != 2 {
		t.Errorf("%+v", o)
	}
}

func TestAutoRecoverRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeCluster)
		args  []string
		says  string
	}{
		"a source without the key":  {nil, []string{"--source", "2"}, "crypto unit 2 does not answer, or does not hold the master key"},
		"a target that holds other": {nil, []string{"--units", "4"}, "a recovery loads Empty registers only"},
		"a target not enrolled":     {func(f *fakeCluster) { f.join(5, order.Recovery) }, []string{"--units", "5"}, "`tumbler tke enrol` comes first"},
		"nobody has the key": {func(f *fakeCluster) {
			f.units[0].registers, f.units[2].registers = masterkey.Empty(), masterkey.Empty()
		}, nil, "no crypto unit that answers holds the master key"},
		"too few keys":       {nil, []string{"--keynum", "1"}, "2 signatures are needed"},
		"a rotation is open": {func(f *fakeCluster) { f.open = &client.OpenOrder{Number: 7, Kind: "rotate", State: "loading"} }, nil, "order 7 (rotate, loading) is under way"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 2, 2)
			f.mustInit()
			f.units[1].registers = masterkey.Empty()
			f.units[3].registers.CurrentPattern = masterkey.PatternOf([]byte("other"))
			if tc.spoil != nil {
				tc.spoil(f)
			}
			before := len(f.orders)
			code, _, errs := f.run(t.Context(), "", append([]string{"tke", "auto-recover"}, tc.args...)...)
			if code != command.ExitFailed || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d does not say %q: %s", code, tc.says, errs)
			}
			if len(f.orders) != before {
				t.Error("an order was handed in")
			}
		})
	}
}

func TestEnrolWaitsForAUnitThatHasOnlyJustJoined(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	u := f.join(4, order.Recovery)
	before := f.times
	f.unknown = func(number uint32, times int) bool { return number == 4 && times < before+3 }
	out := f.must("y\n", "tke", "enrol")
	if strings.Count(out, "Waiting for crypto unit 4....") != 1 || u.joined {
		t.Errorf("it was not waited for, or not enrolled: %s", out)
	}
}
