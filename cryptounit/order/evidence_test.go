package order_test

import (
	"errors"
	"testing"

	"tumbler/cryptounit/order"
)

// say is newStatement with a change.
func say(t testing.TB, kind order.StatementKind, unit uint32, change func(*order.Statement)) order.SignedStatement {
	t.Helper()
	s := newStatement(t, kind, unit)
	if change != nil {
		change(s)
	}
	return *signedStatement(t, s)
}

// completeEvidence is the receipt of the rotation of newOrder: 3,000 numbers
// in three partitions, two blobs settled.
func completeEvidence(t testing.TB) *order.Evidence {
	t.Helper()
	admins := people(t)
	e := &order.Evidence{
		Order:          *signedOrder(t, newOrder(t, order.Rotate), admins[0], admins[1]),
		Administrators: must(board(t, 3, 2, 2).Encode())(t),
		Approvals:      []order.SignedApproval{*signedApproval(t, newApproval(t, order.StepActivate), admins[2])},
		Settles:        []order.SignedOrder{*signedOrder(t, newOrder(t, order.Settle), admins[1], admins[2])},
		Last:           3000, Census: order.Counts{2, 2998, 0},
	}
	for unit := range uint32(5) {
		e.Statements = append(e.Statements, say(t, order.Ready, unit+1, nil))
	}
	e.Statements = append(e.Statements, say(t, order.Generated, 4, nil))
	for _, unit := range []uint32{1, 2, 3, 5} {
		e.Statements = append(e.Statements, say(t, order.Loaded, unit, nil))
	}
	for unit := range uint32(5) {
		e.Statements = append(e.Statements, say(t, order.Committed, unit+1, nil))
	}
	counts := []order.Counts{{1, 999, 0}, {0, 998, 0}, {0, 1000, 0}}
	for partition, c := range counts {
		e.Statements = append(e.Statements, say(t, order.Verified, uint32(partition)+2, func(s *order.Statement) {
			s.Verification.Partition, s.Verification.Counts = uint32(partition), c
		}))
	}
	for unit := range uint32(5) {
		e.Statements = append(e.Statements, say(t, order.Activated, unit+1, nil))
	}
	return e
}

// cancelledEvidence ends while units load.
func cancelledEvidence(t testing.TB) *order.Evidence {
	t.Helper()
	e := completeEvidence(t)
	e.Statements = append(e.Statements[:8], say(t, order.Cleared, 1, nil), say(t, order.Cleared, 2, nil))
	e.Approvals, e.Settles, e.Last, e.Census = nil, nil, 0, order.Counts{}
	e.Cancel = signedOrder(t, newOrder(t, order.Cancel), people(t)[2])
	return e
}

func TestEvidenceSatisfiesEveryStep(t *testing.T) {
	record, err := completeEvidence(t).Verify(board(t, 3, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []order.Step{order.StepPrepare, order.StepGenerate, order.StepLoad, order.StepCommit, order.StepRewrap, order.StepActivate} {
		if err := order.Needs(step, 0, record); err != nil {
			t.Errorf("%v: %v", step, err)
		}
	}
	if record.Settled != (order.Counts{1, 1, 0}) {
		t.Errorf("settled %v", record.Settled)
	}
}

// TestEvidenceIsRefused plants one lie an evidence. Those that only a
// signature check finds pass Read, which the replicated state uses.
func TestEvidenceIsRefused(t *testing.T) {
	admins := people(t)
	for _, lie := range []struct {
		name string
		tell func(*testing.T, *order.Evidence)
		want error
		read bool // Read does not see it
	}{
		{"an order with one signature of two", func(t *testing.T, e *order.Evidence) {
			e.Order.Signatures = e.Order.Signatures[:1]
		}, order.ErrTooFewSignatures, true},
		{"an order with a signature over another order", func(t *testing.T, e *order.Evidence) {
			o := newOrder(t, order.Rotate)
			o.Number++
			e.Order.Signatures = signedOrder(t, o, admins[0], admins[1]).Signatures
		}, order.ErrInvalidSignature, true},
		{"a statement signed by another unit of the order", func(t *testing.T, e *order.Evidence) {
			s := newStatement(t, order.Loaded, 1)
			e.Statements = append(e.Statements, *must(order.SignStatement(s, identity(2), signAs(2)))(t))
		}, order.ErrStatementSignature, true},
		{"a statement with another's identity beside its own signature", func(t *testing.T, e *order.Evidence) {
			s := newStatement(t, order.Loaded, 1)
			e.Statements = append(e.Statements, *must(order.SignStatement(s, identity(1), signAs(2)))(t))
		}, order.ErrStatementSignature, true},
		{"a statement under another's identity", func(t *testing.T, e *order.Evidence) {
			s := say(t, order.Loaded, 1, nil)
			s.Identity = identity(2)
			e.Statements = append(e.Statements, s)
		}, order.ErrStatementSignature, true},
		{"a statement of a unit that the order does not name", func(t *testing.T, e *order.Evidence) {
			e.Statements = append(e.Statements, say(t, order.Loaded, 9, nil))
		}, order.ErrForeignEvidence, false},
		{"a statement of another order", func(t *testing.T, e *order.Evidence) {
			e.Statements = append(e.Statements, say(t, order.Loaded, 1, func(s *order.Statement) { s.Order[0] ^= 1 }))
		}, order.ErrForeignEvidence, false},
		{"a statement of another cluster", func(t *testing.T, e *order.Evidence) {
			e.Statements = append(e.Statements, say(t, order.Loaded, 1, func(s *order.Statement) { s.Cluster[0] ^= 1 }))
		}, order.ErrForeignEvidence, false},
		{"a statement of an earlier incarnation", func(t *testing.T, e *order.Evidence) {
			e.Statements = append(e.Statements, say(t, order.Loaded, 1, func(s *order.Statement) { s.Incarnation = 9 }))
		}, order.ErrForeignEvidence, false},
		{"a report, which no order asks for", func(t *testing.T, e *order.Evidence) {
			e.Statements = append(e.Statements, say(t, order.ReportOnly, 1, nil))
		}, order.ErrForeignEvidence, false},
		{"an approval by one where a quorum is asked for", func(t *testing.T, e *order.Evidence) {
			e.Approvals = append(e.Approvals, *signedApproval(t, newApproval(t, order.StepCommit), admins[0]))
		}, order.ErrTooFewSignatures, true},
		{"an approval that nobody signed", func(t *testing.T, e *order.Evidence) {
			e.Approvals[0].Signatures = nil
		}, order.ErrTooFewSignatures, true},
		{"an approval of another order", func(t *testing.T, e *order.Evidence) {
			a := newApproval(t, order.StepActivate)
			a.Order[0] ^= 1
			e.Approvals = append(e.Approvals, *signedApproval(t, a, admins[0]))
		}, order.ErrForeignEvidence, false},
		{"an approval of another incarnation", func(t *testing.T, e *order.Evidence) {
			a := newApproval(t, order.StepActivate)
			a.Incarnation = 2
			e.Approvals = append(e.Approvals, *signedApproval(t, a, admins[0]))
		}, order.ErrForeignEvidence, false},
		{"the zeroize of a unit among the approvals", func(t *testing.T, e *order.Evidence) {
			e.Approvals = append(e.Approvals, *signedApproval(t, newApproval(t, order.StepZeroize), admins[0], admins[1]))
		}, order.ErrForeignEvidence, false},
		{"a settle by one where a quorum is asked for", func(t *testing.T, e *order.Evidence) {
			e.Settles[0].Signatures = e.Settles[0].Signatures[:1]
		}, order.ErrTooFewSignatures, true},
		{"a settle of another order", func(t *testing.T, e *order.Evidence) {
			o := newOrder(t, order.Settle)
			o.Subject.Order[0] ^= 1
			e.Settles = append(e.Settles, *signedOrder(t, o, admins[0], admins[1]))
		}, order.ErrForeignEvidence, false},
		{"a settle of another incarnation", func(t *testing.T, e *order.Evidence) {
			o := newOrder(t, order.Settle)
			o.Incarnation = 2
			e.Settles = append(e.Settles, *signedOrder(t, o, admins[0], admins[1]))
		}, order.ErrForeignEvidence, false},
		{"a cancel among the settles", func(t *testing.T, e *order.Evidence) {
			e.Settles = append(e.Settles, *signedOrder(t, newOrder(t, order.Cancel), admins[0], admins[1]))
		}, order.ErrForeignEvidence, false},
		{"a cancel that nobody signed", func(t *testing.T, e *order.Evidence) {
			e.Cancel = signedOrder(t, newOrder(t, order.Cancel))
		}, order.ErrTooFewSignatures, true},
		{"a cancel of another order", func(t *testing.T, e *order.Evidence) {
			o := newOrder(t, order.Cancel)
			o.Subject.Order[0] ^= 1
			e.Cancel = signedOrder(t, o, admins[0])
		}, order.ErrForeignEvidence, false},
		{"a cancel of another number", func(t *testing.T, e *order.Evidence) {
			o := newOrder(t, order.Cancel)
			o.Subject.OrderNumber++
			e.Cancel = signedOrder(t, o, admins[0])
		}, order.ErrForeignEvidence, false},
		{"a cancel of another instance", func(t *testing.T, e *order.Evidence) {
			o := newOrder(t, order.Cancel)
			o.Instance[0] ^= 1
			e.Cancel = signedOrder(t, o, admins[0])
		}, order.ErrForeignEvidence, false},
		{"an enrolment as the cancel", func(t *testing.T, e *order.Evidence) {
			e.Cancel = signedOrder(t, newOrder(t, order.Enrol), admins[0], admins[1])
		}, order.ErrForeignEvidence, false},
	} {
		t.Run(lie.name, func(t *testing.T) {
			e := completeEvidence(t)
			lie.tell(t, e)
			if _, err := e.Verify(board(t, 3, 2, 2)); !errors.Is(err, lie.want) {
				t.Errorf("Verify gives %v, not %v", err, lie.want)
			}
			if _, err := e.Read(); (err == nil) != lie.read {
				t.Errorf("Read gives %v", err)
			}
		})
	}
}

func TestEvidenceOfAnotherList(t *testing.T) {
	if _, err := completeEvidence(t).Verify(board(t, 3, 1, 1)); !errors.Is(err, order.ErrOtherAdministrators) {
		t.Errorf("verified against a list with lower thresholds: %v", err)
	}
}

func TestARestoreStandsAsTheCancel(t *testing.T) {
	e := cancelledEvidence(t)
	o := newOrder(t, order.Restore)
	o.Number = 8
	e.Cancel = signedOrder(t, o, people(t)[0], people(t)[1])
	record, err := e.Verify(board(t, 3, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Needs(order.StepClear, 3, record); err != nil {
		t.Error(err)
	}
}

// TestABlobIsSettledOnce: two orders that name one blob take it out of the
// census once.
func TestABlobIsSettledOnce(t *testing.T) {
	e := completeEvidence(t)
	again := newOrder(t, order.Settle)
	again.Number = 9
	e.Settles = append(e.Settles, *signedOrder(t, again, people(t)[0], people(t)[1]))
	record, err := e.Verify(board(t, 3, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if record.Settled != (order.Counts{1, 1, 0}) {
		t.Errorf("settled %v", record.Settled)
	}
}

// TestAnImporterKeyIsOfTheOrdersSuite: no unit has another suite than what the quorum signed.
func TestAnImporterKeyIsOfTheOrdersSuite(t *testing.T) {
	for _, ordered := range []order.Suite{order.SuiteHPKE, order.SuiteRSA, order.SuiteECDH} {
		o := newOrder(t, order.Rotate)
		o.Generator, o.Parts, o.Commit, o.Activate, o.Suite = 0, 2, order.Signed, order.Signed, ordered
		r := newRecord(t, o)
		for _, made := range []order.Suite{order.SuiteHPKE, order.SuiteRSA, order.SuiteECDH} {
			s := newStatement(t, order.Ready, 2)
			s.Order, s.Importer = r.Digest, s.Importer[:made.ImporterKeySize()]
			if err := r.AddStatement(s); (err == nil) != (made == ordered) || err != nil && !errors.Is(err, order.ErrForeignEvidence) {
				t.Errorf("an importer key of %v under an order of %v: %v", made, ordered, err)
			}
		}
	}
}

// TestOnlyOneSuiteIsPostQuantum: what users are told.
func TestOnlyOneSuiteIsPostQuantum(t *testing.T) {
	for s := range order.Suite(5) {
		if s.PostQuantum() != (s == order.SuiteHPKE) || (s.ImporterKeySize() > 0) != (s >= 1 && s <= 3) {
			t.Errorf("%v: post-quantum %v, importer keys of %d bytes", s, s.PostQuantum(), s.ImporterKeySize())
		}
	}
}
