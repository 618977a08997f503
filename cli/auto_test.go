package cli

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func complete(kind string) client.RotationStatus {
	s := rotating(1, client.StateComplete, 1000, 1000)
	s.Order.Kind, s.Order = kind, nil
	return s
}

// hideKeys replaces what differs from run to run.
func hideKeys(text string) string {
	return regexp.MustCompile(`[0-9a-f]{30}\.\.\.`).ReplaceAllString(text, "<SKI>...")
}

func TestAutoInitAsksAndInstalls(t *testing.T) {
	f := newFakeCluster(t, 2, 2)
	f.rotation = client.RotationStatus{State: client.StateComplete, Units: []client.RotationUnit{{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4}}}
	out := f.must("y\n2\n1\n2\nAlice\nalice-secret\nalice-secret\nBob\nbobs own secret\nbobs own secret\n", "tke", "auto-init")
	golden(t, "auto-init.txt", hideKeys(out))
	if len(f.orders) != 1 {
		t.Fatalf("%d orders", len(f.orders))
	}
	o := f.orders[0]
	if o.Kind != order.Init || o.Generator != 3 || !o.Current.IsZero() || o.Commit != order.Automatic || o.Activate != order.Automatic || o.Instance.String() != instance {
		t.Errorf("%+v", o)
	}
	for _, u := range f.units {
		list, err := order.DecodeAdministrators(u.administrators)
		if err != nil || len(list.List) != 2 || list.Signature != 2 || list.Revocation != 1 || list.List[0].Name != "Alice" {
			t.Errorf("unit %d: %+v, %v", u.number, list, err)
		}
	}
	// What a receipt is checked against is what this workstation installed, and the keys are the current ones.
	id, err := order.ParseID(instance)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := workstation.ReadAdministrators(f.folder().AdministratorsFile(id)); err != nil || len(list.List) != 2 {
		t.Errorf("%v %v", list, err)
	}
	if selected, err := f.folder().SelectedSigKeys(); err != nil || len(selected) != 2 {
		t.Errorf("%v %v", selected, err)
	}
}

func TestAutoInitGoesOnAfterItWasInterrupted(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.env[signing.EnvSigKeyPassword] = testPassword
	f.rotation = client.RotationStatus{State: client.StateComplete}
	args := []string{"tke", "auto-init", "--signature-threshold", "1", "--revocation-threshold", "1", "--administrators", "2"}
	f.must("", append(args, "--name", "Alice", "--name", "Bob", "--fingerprints", f.fingerprints())...)
	// As if it had ended after the first unit: the second has no administrators, and there is no order.
	f.units[1].administrators = nil
	f.orders, f.rotation = nil, client.RotationStatus{State: client.StateComplete}
	f.must("", append(args, "--keynum", "2,1")...)
	if len(f.orders) != 1 || string(f.units[0].administrators) != string(f.units[1].administrators) {
		t.Errorf("%d orders", len(f.orders))
	}
	// With other administrators it does not go on.
	f.orders = nil
	code, _, errs := f.run(t.Context(), "", "tke", "auto-init", "--signature-threshold", "1", "--revocation-threshold", "1", "--administrators", "1", "--keynum", "1")
	if code != command.ExitFailed || !strings.Contains(errs, "crypto unit 1 has other administrators already") || len(f.orders) != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestAutoInitRefuses(t *testing.T) {
	flags := []string{"--signature-threshold", "1", "--revocation-threshold", "1", "--administrators", "1", "--name", "Alice"}
	for name, tc := range map[string]struct {
		units [2]int
		spoil func(*fakeCluster, *[]string)
		says  string
		code  int
	}{
		"no recovery unit":         {[2]int{2, 0}, nil, "the master key comes in key parts", command.ExitFailed},
		"initialised already":      {[2]int{1, 1}, func(f *fakeCluster, _ *[]string) { f.pattern[0] = 1 }, "initialised already", command.ExitFailed},
		"no answer to fingerprint": {[2]int{1, 1}, func(_ *fakeCluster, args *[]string) { *args = flags }, "give --yes", command.ExitUsage},
		"another fingerprint": {[2]int{1, 1}, func(f *fakeCluster, args *[]string) {
			*args = append(flags, "--fingerprints", f.fingerprints())
			f.units[1] = newFakeUnit(2, order.Recovery, "stranger")
		}, "crypto unit 2 shows fingerprint", command.ExitFailed},
		"a fingerprint that is missing": {[2]int{1, 1}, func(f *fakeCluster, args *[]string) {
			all := f.units
			f.units = f.units[:1]
			*args = append(flags, "--fingerprints", f.fingerprints())
			f.units = all
		}, "does not name crypto unit 2", command.ExitFailed},
		"threshold above the administrators": {[2]int{1, 1}, func(_ *fakeCluster, args *[]string) {
			*args = []string{"--signature-threshold", "2", "--revocation-threshold", "1", "--administrators", "1", "--name", "Alice", "--yes"}
		}, "1 administrators cannot give 2 signatures", command.ExitUsage},
		"threshold 9": {[2]int{1, 1}, func(_ *fakeCluster, args *[]string) { *args = []string{"--signature-threshold", "9", "--yes"} }, "not a number from 1 to 8", command.ExitUsage},
		"clocks apart": {[2]int{1, 1}, func(f *fakeCluster, _ *[]string) {
			f.late = -time.Hour
		}, "clocks", command.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, tc.units[0], tc.units[1])
			f.env[signing.EnvSigKeyPassword] = testPassword
			args := append(flags, "--yes")
			if tc.spoil != nil {
				tc.spoil(f, &args)
			}
			code, _, errs := f.run(t.Context(), "", append([]string{"tke", "auto-init"}, args...)...)
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d does not say %q: %s", code, tc.says, errs)
			}
			if len(f.orders) != 0 || f.units[0].administrators != nil {
				t.Error("something was changed")
			}
		})
	}
}

func TestAutoMkRotateSignsAndWatches(t *testing.T) {
	f := newFakeCluster(t, 3, 2)
	f.mustInit()
	f.units[3].alive = false // the lowest-numbered recovery unit that answers generates
	f.env[signing.EnvSigKeyPassword] = ""
	f.rotation = complete("rotate")
	out := f.must("correct horse\ncorrect horse\n", "tke", "auto-mk-rotate", "--policy", "online")
	golden(t, "auto-mk-rotate.txt", hideKeys(out))
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Rotate || o.Generator != 5 || o.Policy != order.Online || o.Activate != order.Automatic || o.Current != f.pattern || o.Number != 2 {
		t.Errorf("%+v", o)
	}
}

func TestAutoMkRotateHoldsForASignature(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.rotation = rotating(1, client.StateRewrapped, 10, 10)
	f.rotation.Order, f.rotation.Hold = nil, true
	if out := f.must("", "tke", "auto-mk-rotate", "--hold"); !strings.Contains(out, "held before activation") {
		t.Error(out)
	}
	if o := f.orders[len(f.orders)-1]; o.Activate != order.Signed || o.Policy != order.Documented {
		t.Errorf("%+v", o)
	}
}

func TestAutoMkRotateAgainShowsTheOneUnderWay(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateRewrapping)
	f.rotation.State = client.StateComplete
	before := len(f.orders)
	f.env[signing.EnvSigKeyPassword] = "" // no password is asked for
	out := f.must("", "tke", "auto-mk-rotate")
	if len(f.orders) != before || !strings.Contains(out, "A rotation is under way (order 2, rewrapping)") || !strings.Contains(out, "Master key rotation successful.") {
		t.Errorf("%d orders: %s", len(f.orders), out)
	}
}

func TestAutoMkRotateRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeCluster)
		args  []string
		says  string
		code  int
	}{
		"a unit with another identity": {func(f *fakeCluster) {
			u := newFakeUnit(2, order.Recovery, "stranger")
			u.administrators = f.units[1].administrators
			f.units[1] = u
		}, nil, "crypto unit 2 shows identity", command.ExitFailed},
		"too few keys":     {nil, []string{"--keynum", "1"}, "2 signatures are needed, and 1 chosen signature key is of administrators here", command.ExitFailed},
		"a stranger's key": {func(f *fakeCluster) { f.must("", "tke", "sigkey-add", "--name", "Mallory") }, []string{"--keynum", "1,3"}, "is not an administrator of the crypto units", command.ExitFailed},
		"a wrong password": {func(f *fakeCluster) { f.env[signing.EnvSigKeyPassword+"_2"] = "not a secret" }, nil, "the password is wrong", command.ExitFailed},
		"no recovery unit": {func(f *fakeCluster) { f.units[1].alive = false }, nil, "no recovery crypto unit answers", command.ExitFailed},
		"another order":    {func(f *fakeCluster) { f.open = &client.OpenOrder{Number: 7, Kind: "recover"} }, nil, "order 7 (recover) is under way", command.ExitFailed},
		"an odd policy":    {nil, []string{"--policy", "offline"}, "not documented or online", command.ExitUsage},
		"no key yet":       {func(f *fakeCluster) { clear(f.pattern[:]) }, nil, "tumbler tke auto-init", command.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 1, 1)
			f.mustInit()
			if tc.spoil != nil {
				tc.spoil(f)
			}
			before := len(f.orders)
			code, _, errs := f.run(t.Context(), "", append([]string{"tke", "auto-mk-rotate"}, tc.args...)...)
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d does not say %q: %s", code, tc.says, errs)
			}
			if len(f.orders) != before {
				t.Error("an order was handed in")
			}
		})
	}
}

func TestActivateSignsTheNewPattern(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateRewrapped)
	out := f.must("", "tke", "rotation", "activate", "--keynum", "2")
	if len(f.approved) != 1 || f.approved[0].Step != order.StepActivate || f.approved[0].Pattern.String() != f.open.Pattern || !strings.Contains(out, "Master key rotation successful.") {
		t.Errorf("%+v: %s", f.approved, out)
	}
	f.open.State = client.StateRewrapping
	if code, _, errs := f.run(t.Context(), "", "tke", "rotation", "activate"); code != command.ExitFailed || !strings.Contains(errs, "is activated when it is rewrapped") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestCancelNamesTheOrder(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateRewrapping)
	if code, _, _ := f.run(t.Context(), "n\n", "tke", "rotation", "cancel"); code != command.ExitFailed || len(f.orders) != 1 {
		t.Errorf("exit code %d, %d orders", code, len(f.orders))
	}
	golden(t, "rotation-cancel.txt", f.must("y\n", "tke", "rotation", "cancel"))
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Cancel || o.Subject.Order.String() != f.open.Digest || o.Subject.OrderNumber != f.open.Number {
		t.Errorf("%+v", o)
	}
	f.open.State = client.StateActivating
	if code, _, errs := f.run(t.Context(), "", "tke", "rotation", "cancel", "--yes"); code != command.ExitFailed || !strings.Contains(errs, "nothing can be cancelled any more") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestNothingIsSignedForAnOrderThatTheNodeLiesAbout(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateRewrapped)
	f.open.Digest = strings.Repeat("ab", 32)
	for _, verb := range []string{"activate", "cancel"} {
		code, _, errs := f.run(t.Context(), "", "tke", "rotation", verb)
		if code != command.ExitFailed || !strings.Contains(errs, "does not say the truth") {
			t.Errorf("%s: exit code %d: %s", verb, code, errs)
		}
	}
}

func TestSettleNamesTheBytes(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateBlocked)
	f.rotation.Blocked = []client.BlockedBlob{
		{Number: 17, Class: "KMS", SHA256: strings.Repeat("cd", 32), Key: "5d4c2a1e", Units: []uint32{1, 2}},
		{Number: 4, Class: "system internal", SHA256: strings.Repeat("ab", 32), Units: []uint32{1, 2}},
	}
	// The fake does not go on after it: still blocked is a failure of the rotation, not of the order.
	if code, _, errs := f.run(t.Context(), "y\n", "tke", "rotation", "settle"); code != command.ExitFailed || !strings.Contains(errs, "the rotation is blocked") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Settle || len(o.Subject.Blobs) != 2 || o.Subject.Blobs[0].Number != 4 || o.Subject.Blobs[0].Class != order.SystemInternal || o.Subject.Blobs[1].Class != order.KMS {
		t.Errorf("%+v", o)
	}
}

func TestCompareShowsWhatUnitsSigned(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	out := f.must("", "tke", "cryptounit-compare")
	f.units[1] = newFakeUnit(2, order.Operational, "unit") // in imprint mode again, with the identity it had
	out += f.must("", "tke", "cryptounit-compare")
	f.units[1] = newFakeUnit(2, order.Operational, "stranger")
	out += f.must("", "tke", "cryptounit-compare")
	golden(t, "cryptounit-compare.txt", strings.ReplaceAll(hideKeys(out), f.env[workstation.Env], "FOLDER"))
}

func TestAutoInitWaitsForUnitsThatHaveOnlyJustJoined(t *testing.T) {
	f := newFakeCluster(t, 1, 2)
	f.env[signing.EnvSigKeyPassword] = testPassword
	f.units[1].alive = false
	f.rotation = client.RotationStatus{State: client.StateComplete}
	f.asked = func(times int) { f.units[1].alive = times > 3 }
	out := f.must("", "tke", "auto-init", "--signature-threshold", "1", "--revocation-threshold", "1", "--administrators", "1", "--name", "Alice", "--yes")
	if strings.Count(out, "Waiting for crypto unit 2....") != 1 || f.orders[0].Generator != 2 {
		t.Errorf("%+v: %s", f.orders, out)
	}
	// One that stays silent is named, with what to do. The wait itself is not waited for here.
	silent := newFakeCluster(t, 1, 1)
	silent.units[0].alive = false
	admin, err := client.New(client.Config{Addresses: []string{silent.env[command.EnvAddress]}, CAFile: silent.env[command.EnvCA], CertFile: silent.env[command.EnvCert], KeyFile: silent.env[command.EnvKey]})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	c, _ := silent.context(nil).(client.OrderContext)
	if err := ceremony.EveryMemberIsThere(t.Context(), admin, c); err == nil || !strings.Contains(err.Error(), "crypto unit 1 does not answer: start its node") {
		t.Error(err)
	}
}

func TestADryRunTellsWhatWouldHappen(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	result := client.DryRun{Ready: true, Keys: client.ClassCounts{KMS: 1000, SystemInternal: 1}, Opened: 1001, Seconds: 0.25,
		Estimate: &client.Estimate{Seconds: 83.4, KeysPerSecond: 12, Basis: client.EstimateRotation, Order: 3}}
	f.answer("POST /dry-run", func(*http.Request) any { return result })
	out := f.must("", "tke", "auto-mk-rotate", "--dry-run")
	result.Ready, result.Opened = false, 1000
	result.Estimate.Basis = client.EstimateOpening
	result.Unopenable = []client.BlockedBlob{{Number: 17, Key: "5d4c2a1e", Units: []uint32{1, 2}}}
	result.Refusals = []client.Error{{Code: "unit_fenced", Message: "crypto unit 2 is fenced", Hint: "start its node"}}
	code, more, errs := f.run(t.Context(), "", "tke", "auto-mk-rotate", "--dry-run")
	if code != command.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	golden(t, "dry-run.txt", out+more+errs)
}
