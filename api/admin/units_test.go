package admin

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

func TestUnitsAreShownAsTheirSignedReportsSay(t *testing.T) {
	w := newWorld(t)
	w.registers[5] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(1), New: masterkey.NewFullCommitted, NewPattern: patternOf(2)}
	w.registers[3] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(9), New: masterkey.NewEmpty}
	w.silent[2] = true
	w.keys[4] = w.keys[5] // unit 4 signs with another identity
	w.change(func(v *view) {
		v.units[0].Fenced = fsm.Digest{1}
		v.units = append(v.units, fsm.Unit{Number: 6, Removed: fsm.Digest{1}})
	})
	got, err := w.client.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Units) != 5 {
		t.Fatalf("%d units: a removed one is shown, or one is missing", len(got.Units))
	}
	one, silent, stale, other, full := got.Units[0], got.Units[1], got.Units[2], got.Units[3], got.Units[4]
	if one.Role != "operational" || one.Location != "eu.a.01.01" || one.Address != "localhost:8443" || !one.Enrolled || !one.Alive || !one.Fenced || one.Stale ||
		one.Generation != 5 || one.LastOrder != 6 || one.Retired != 1 || one.Error != "" {
		t.Errorf("unit 1 %+v", one)
	}
	if one.Registers != (client.Registers{Current: client.Register{State: "Valid", Pattern: patternOf(1).String()}, New: client.Register{State: "Empty"}}) {
		t.Errorf("unit 1 registers %+v", one.Registers)
	}
	if a := one.Administrators; a.SignatureThreshold != 2 || a.RevocationThreshold != 2 || len(a.List) != 3 || a.List[1].Name != "admin2" || len(a.List[1].SubjectKeyIdentifier) != 64 {
		t.Errorf("unit 1 administrators %+v", a)
	}
	signed, err := order.DecodeSignedStatement(one.Report)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(order.Identity(w.view.units[0].Identity)); err != nil {
		t.Errorf("the report cannot be verified by the reader: %v", err)
	}
	if silent.Report != nil || !strings.Contains(silent.Error, "does not answer") {
		t.Errorf("the silent unit %+v", silent)
	}
	if !stale.Stale {
		t.Error("a unit without the cluster's master key is not stale")
	}
	if other.Report != nil || !strings.Contains(other.Error, "cannot be trusted") || other.Registers != (client.Registers{}) {
		t.Errorf("the unit with another identity %+v", other)
	}
	if full.Role != "recovery" || full.Registers.New != (client.Register{State: "Full Committed", Pattern: patternOf(2).String()}) {
		t.Errorf("unit 5 %+v", full)
	}
}

func TestTheFirstAdministratorsAreCheckedForTheirUnit(t *testing.T) {
	w := newWorld(t)
	signedFor := func(unit uint32, by ...order.KeySigner) client.SetAdministratorsRequest {
		s := &order.SignedAdministrators{Administrators: w.encode(w.list)}
		for _, signer := range by {
			if err := s.SignFor(order.Identity(w.view.units[unit-1].Identity), signer); err != nil {
				t.Fatal(err)
			}
		}
		r := client.SetAdministratorsRequest{Administrators: s.Administrators}
		for i := range s.Signatures {
			r.Signatures = append(r.Signatures, w.encode(&s.Signatures[i]))
		}
		return r
	}
	w.unitList[2] = &order.Administrators{}
	for name, c := range map[string]struct {
		unit    uint32
		request client.SetAdministratorsRequest
		code    client.Code
		ret     int
	}{
		"one of two":            {2, signedFor(2, w.admins[0]), client.CodeTooFewSignatures, 208},
		"for another unit":      {2, signedFor(3, w.admins[0], w.admins[1]), client.CodeInvalidSignature, 192},
		"a stranger":            {2, signedFor(2, w.admins[0], newSigner(t)), client.CodeUnauthorisedSigner, 257},
		"a unit that is not":    {9, signedFor(2, w.admins[0], w.admins[1]), client.CodeNotFound, 0},
		"no signature in there": {2, client.SetAdministratorsRequest{Administrators: w.encode(w.list), Signatures: [][]byte{{1}}}, client.CodeInvalidOrder, 0},
		"far too many":          {2, client.SetAdministratorsRequest{Administrators: w.encode(w.list), Signatures: make([][]byte, 17)}, client.CodeInvalidOrder, 0},
		"no list":               {2, client.SetAdministratorsRequest{}, client.CodeInvalidOrder, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.client.SetAdministrators(t.Context(), c.unit, c.request)
			var got *client.Error
			if !errors.As(err, &got) || got.Code != c.code || got.ReturnCode != c.ret || len(w.set) != 0 {
				t.Errorf("got %+v", err)
			}
		})
	}
	got, err := w.client.SetAdministrators(t.Context(), 2, signedFor(2, w.admins[0], w.admins[1]))
	if err != nil || !w.set[2] || got.Unit.Number != 2 || got.Unit.Administrators.SignatureThreshold != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAdministratorsAreNamedBeforeThresholds: a list that keeps imprint mode needs no signature, and every list that no unit can
// hold is refused with the codes of the crypto module.
func TestAdministratorsAreNamedBeforeThresholds(t *testing.T) {
	w := newWorld(t)
	w.unitList[2] = &order.Administrators{}
	list := order.Administrators{List: w.list.List}
	got, err := w.client.SetAdministrators(t.Context(), 2, client.SetAdministratorsRequest{Administrators: w.encode(&list)})
	if err != nil || !got.Unit.Administrators.ImprintMode() || len(got.Unit.Administrators.List) != len(list.List) {
		t.Errorf("got %+v, %v", got, err)
	}
	for err, codes := range map[error][2]int{
		order.ErrThreshold: {209, 57}, order.ErrRevocationThreshold: {209, 58}, order.ErrThresholdZero: {209, 76}, order.ErrRevocationThresholdZero: {209, 77},
		order.ErrTooManyAdministrators: {261, 0}, order.ErrAdministratorExists: {256, 0},
	} {
		if mapped, ok := orderMapping(err); !ok || mapped.of(err).ReturnCode != codes[0] || mapped.of(err).ReasonCode != codes[1] {
			t.Errorf("%v: %+v", err, mapped.of(err))
		}
	}
	back := w.rotate()
	back.Kind, back.Generator, back.Subject.Administrators = order.Administration, 0, w.encode(&list)
	var refused *client.Error
	if _, err := w.client.SubmitOrder(t.Context(), w.encode(w.sign(back, w.admins[0], w.admins[1]))); !errors.As(err, &refused) || refused.ReturnCode != 209 || refused.ReasonCode != 76 || len(w.proposed) != 0 {
		t.Errorf("%+v", err)
	}
}

// TestADryRunEstimates: by the last rotation that had enough keys, or else by what opening every key took.
func TestADryRunEstimates(t *testing.T) {
	w := newWorld(t)
	run := client.DryRun{Keys: client.ClassCounts{KMS: 8000}, Opened: 8000, Seconds: 2}
	s := &Server{b: Backend{State: w, Proposer: w}, now: func() time.Time { return worldTime }}
	by, err := s.estimate(t.Context(), run)
	if units := float64(len(w.view.units)); err != nil || by.Basis != client.EstimateOpening || by.KeysPerSecond != 4000*units/touches || by.Seconds != 8000/by.KeysPerSecond {
		t.Errorf("%+v, %v", by, err)
	}
	w.change(func(v *view) {
		few := fsm.Rotation{State: fsm.StateComplete, Number: 9}
		few.Done.KMS, few.Rewrap.Started, few.Flipped = 10, fsm.TimeOf(worldTime.Add(-time.Second)), fsm.TimeOf(worldTime)
		many := few
		many.Number, many.Done.KMS, many.Rewrap.Started = 7, 5000, fsm.TimeOf(worldTime.Add(-5*time.Second))
		held := many
		held.Number, held.Plan.Hold = 8, true
		v.rotations = []fsm.Rotation{many, held, few}
	})
	if by, err = s.estimate(t.Context(), run); err != nil || by.Basis != client.EstimateRotation || by.Order != 7 || by.KeysPerSecond != 1000 || by.Seconds != 8 {
		t.Errorf("%+v, %v", by, err)
	}
	if by, err := s.estimate(t.Context(), client.DryRun{}); err != nil || by == nil || by.Seconds != 0 {
		t.Errorf("%+v, %v", by, err)
	}
	w.change(func(v *view) { v.rotations = nil })
	if by, err := s.estimate(t.Context(), client.DryRun{}); err != nil || by != nil {
		t.Errorf("nothing was measured: %+v, %v", by, err)
	}
}

func TestADryRunNamesEverythingThatIsInTheWay(t *testing.T) {
	w := newWorld(t)
	ready, err := w.client.DryRun(t.Context())
	if err != nil || !ready.Ready || len(ready.Refusals) != 0 {
		t.Errorf("a cluster that could rotate: %+v, %v", ready, err)
	}
	w.silent[1] = true
	w.unitList[2] = &order.Administrators{}
	w.registers[3] = masterkey.Registers{Current: masterkey.CurrentEmpty, New: masterkey.NewEmpty}
	w.registers[4] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(1), New: masterkey.NewFullUncommitted, NewPattern: patternOf(2)}
	w.change(func(v *view) {
		v.units[4].Fenced = fsm.Digest{1}
		v.rotations = []fsm.Rotation{{State: fsm.StateLoading}}
	})
	got, err := w.client.DryRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[client.Code]string{client.CodeRotationOpen: "", client.CodeUnitUnreachable: "units 1", client.CodeImprintMode: "units 2",
		"current_register": "units 3", "new_register": "units 4", "unit_fenced": "units 5", "administrators_differ": "units 3, 4, 5"}
	for _, refusal := range got.Refusals {
		about, ok := want[refusal.Code]
		if !ok || !strings.Contains(refusal.Message, about) {
			t.Errorf("unasked or wrong: %+v", refusal)
		}
		delete(want, refusal.Code)
	}
	if got.Ready || len(want) != 0 {
		t.Errorf("ready %v, missing %v", got.Ready, want)
	}
}

func TestTokensAreShownOnceAndListedWithoutTheirSecrets(t *testing.T) {
	w := newWorld(t)
	made, err := w.client.CreateToken(t.Context(), client.CreateTokenRequest{Unit: 6, TTLSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	record := w.proposed[0].(*fsm.CreateToken).Token
	id, hash, err := ParseToken(made.Secret)
	if err != nil || id != record.ID || hash != record.Hash || record.Unit != 6 || record.Created.By != "alice" || record.Expires != fsm.TimeOf(worldTime.Add(60e9)) {
		t.Errorf("record %+v, %v", record, err)
	}
	used, old := record, record
	used.Used, used.UsedBy = fsm.TimeOf(worldTime), 6
	old.Expires = fsm.TimeOf(worldTime)
	w.change(func(v *view) { v.tokens = []fsm.TokenRecord{record, used, old} })
	got, err := w.client.Tokens(t.Context())
	if err != nil || len(got.Tokens) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got.Tokens[0] != made.Token || got.Tokens[0].State != "unused" || got.Tokens[1].State != "used" || got.Tokens[1].UsedBy != 6 || got.Tokens[2].State != "expired" {
		t.Errorf("got %+v", got.Tokens)
	}
	if _, err := w.client.RevokeToken(t.Context(), made.ID); err != nil || w.proposed[1].(*fsm.RevokeToken).ID != record.ID {
		t.Errorf("got %v, %+v", err, w.proposed)
	}
	if line := strings.Join(w.log.lines(), "\n"); strings.Contains(line, made.Secret) {
		t.Error("the secret is in the log")
	}
}

func TestAPIKeysAreShownOnceAndListedWithoutTheirSecrets(t *testing.T) {
	w := newWorld(t)
	made, err := w.client.CreateAPIKey(t.Context(), client.CreateAPIKeyRequest{Name: "orders", Role: client.RoleWriter})
	if err != nil || made.Secret != "secret" || made.Name != "orders" || made.Role != client.RoleWriter || made.CreatedBy != "alice" {
		t.Fatalf("got %+v, %v", made, err)
	}
	record := w.proposed[0].(*fsm.CreateAPIKey).APIKey
	w.change(func(v *view) { v.apiKeys = []fsm.APIKeyRecord{record} })
	got, err := w.client.APIKeys(t.Context())
	if err != nil || len(got.APIKeys) != 1 || got.APIKeys[0] != made.APIKey {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := w.client.DeleteAPIKey(t.Context(), made.ID); err != nil || w.proposed[1].(*fsm.DeleteAPIKey).ID != record.ID {
		t.Errorf("got %v, %+v", err, w.proposed)
	}
	w.refuse = fsm.ErrAPIKeyNotFound
	if _, err := w.client.DeleteAPIKey(t.Context(), made.ID); !client.HasCode(err, client.CodeNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestStatusTellsOfTheClusterAndWhatIsRefused(t *testing.T) {
	w := newWorld(t)
	w.status = client.NodeStatus{Number: 1, Ready: true}
	got, err := w.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Node.Number != 1 || !got.Cluster.Bootstrapped || !got.Cluster.Initialised || got.Cluster.ID != (order.ID{1}).String() || got.Cluster.Leader != 1 ||
		got.Cluster.Members != 5 || got.Cluster.Alive != 5 || got.Cluster.Epoch != 1 || got.Cluster.Blobs.Total() != 10 || got.Cluster.CurrentPattern != patternOf(1).String() {
		t.Errorf("got %+v", got)
	}
	if len(got.Service.Refused) != 0 || len(got.Warnings) != 0 || got.Rotation != nil {
		t.Errorf("a quiet cluster: %+v", got)
	}
	w.members[0].Leader, w.members[4].Alive = false, false
	w.change(func(v *view) { v.service.MasterKeyRotationInProgress = true; v.units[2].Fenced = fsm.Digest{1} })
	got, err = w.client.Status(t.Context())
	if err != nil || len(got.Warnings) != 3 || strings.Join(got.Service.Refused, " ") != "create import rotate" {
		t.Errorf("got %+v, %v", got, err)
	}
	w.change(func(v *view) { *v = view{} })
	got, err = w.client.Status(t.Context())
	if err != nil || got.Cluster.Bootstrapped || got.Service.Reason == "" {
		t.Errorf("before bootstrap: %+v, %v", got, err)
	}
}

func TestAReportThatIsNotOneIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	u := w.view.units[0]
	ready := w.state(&order.Statement{Kind: order.Loaded, Unit: 1, Generation: 9, Order: order.Digest{1}, Pattern: patternOf(2)})
	for name, der := range map[string][]byte{"another statement": ready, "noise": bytes.Repeat([]byte{1}, 40), "nothing": nil} {
		if _, err := readReport(der, u); err == nil {
			t.Errorf("%s was taken for a report", name)
		}
	}
}

// A unit is stale only if neither register holds the cluster's master key: between the flip and its own activation it serves
// with the new one.
func TestAUnitIsStaleIfNeitherRegisterHoldsTheKey(t *testing.T) {
	w := newWorld(t)
	w.registers[1] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(9), New: masterkey.NewFullCommitted, NewPattern: patternOf(1)}
	w.registers[2] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(9), New: masterkey.NewFullCommitted, NewPattern: patternOf(8)}
	got, err := w.client.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false} {
		if got.Units[i].Stale != want {
			t.Errorf("unit %d is stale: %v", i+1, got.Units[i].Stale)
		}
	}
}
