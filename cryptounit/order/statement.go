package order

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"

	"tumbler/cryptounit/masterkey"
)

// StatementKind is what a unit states.
type StatementKind uint8

// The kinds. The numbers are forever.
const (
	ReportOnly StatementKind = 1 // a report outside any order
	Ready      StatementKind = 2
	Generated  StatementKind = 3
	Loaded     StatementKind = 4
	Committed  StatementKind = 5
	Verified   StatementKind = 6
	Activated  StatementKind = 7
	Cleared    StatementKind = 8
	CannotOpen StatementKind = 9
)

var statementNames = [...]string{"", "report", "ready", "generated", "loaded", "committed", "verified", "activated", "cleared", "cannot-open"}

// String returns the word of JSON and of lists.
func (k StatementKind) String() string {
	if k == 0 || int(k) >= len(statementNames) {
		return fmt.Sprintf("StatementKind(%d)", uint8(k))
	}
	return statementNames[k]
}

// Report is what a unit says of itself.
type Report struct {
	Role      Role
	Instance  ID
	Registers masterkey.Registers
	// Administrators is the DER of the unit's list.
	Administrators []byte
	LastOrder      uint64
	OpenOrder      Digest
	Retired        uint32 // number of retired keys
}

func (r *Report) check() error {
	if r.Role != Operational && r.Role != Recovery || r.LastOrder > math.MaxInt64 {
		return fmt.Errorf("%w: report: its role is %v, its last order %d", ErrMalformed, r.Role, r.LastOrder)
	}
	if err := r.Registers.Check(); err != nil {
		return fmt.Errorf("%w: report: %w", ErrMalformed, err)
	}
	return nil
}

// EnvelopeName names the very bytes of the envelope for one unit.
type EnvelopeName struct {
	Unit   uint32
	Digest Digest
}

// Verification is what a `verified` statement says: every blob of partition
// (of 1..Last, see Partition) opens under both keys with equal content.
type Verification struct {
	Partition uint32
	Pass      uint32
	Last      uint64
	Counts    Counts
}

// Statement is what a unit signs. Which fields a kind uses: report, ready:
// Report (ready also Importer); generated: Pattern and Envelopes; loaded,
// committed, activated: Pattern; verified: Verification; cannot-open: Blob.
// All but report name the Order.
type Statement struct {
	Kind         StatementKind
	Cluster      ID
	Incarnation  uint64
	Order        Digest
	Unit         uint32
	Generation   uint64
	Report       *Report
	Importer     []byte
	Pattern      masterkey.Pattern
	Envelopes    []EnvelopeName
	Verification *Verification
	Blob         *BlobName
}

// Check reports whether the fields make a statement of its kind.
func (s *Statement) Check() error {
	has := func(report, importer, pattern, envelopes, verification, blob bool) error {
		if report != (s.Report != nil) || importer != (len(s.Importer) > 0) || pattern != !s.Pattern.IsZero() ||
			envelopes != (len(s.Envelopes) > 0) || verification != (s.Verification != nil) || blob != (s.Blob != nil) {
			return fmt.Errorf("%w: statement: its fields are not those of %v", ErrMalformed, s.Kind)
		}
		return nil
	}
	if s.Unit == 0 || s.Generation == 0 || s.Generation > math.MaxInt64 || s.Incarnation > math.MaxInt64 {
		return fmt.Errorf("%w: statement: it names no unit or no generation, or one out of range", ErrMalformed)
	}
	if (s.Kind == ReportOnly) != s.Order.IsZero() {
		return fmt.Errorf("%w: statement: %v names no order, or a report names one", ErrMalformed, s.Kind)
	}
	if n := len(s.Importer); n > 0 && n != SuiteHPKE.ImporterKeySize() && n != SuiteRSA.ImporterKeySize() && n != SuiteECDH.ImporterKeySize() {
		return fmt.Errorf("%w: statement: the importer key has %d bytes", ErrMalformed, len(s.Importer))
	}
	if s.Report != nil {
		if err := s.Report.check(); err != nil {
			return err
		}
	}
	if v := s.Verification; v != nil && max(v.Last, v.Counts[0], v.Counts[1], v.Counts[2]) > math.MaxInt64 {
		return fmt.Errorf("%w: statement: its counts are out of range", ErrMalformed)
	}
	if b := s.Blob; b != nil && (b.Number == 0 || b.Number > math.MaxInt64 || b.Class < SystemInternal || b.Class > EP11 || b.Digest.IsZero()) {
		return fmt.Errorf("%w: statement: it names no blob", ErrMalformed)
	}
	switch s.Kind {
	case ReportOnly:
		return has(true, false, false, false, false, false)
	case Ready:
		return has(true, true, false, false, false, false)
	case Generated:
		return has(false, false, true, len(s.Envelopes) > 0, false, false)
	case Loaded, Committed, Activated:
		return has(false, false, true, false, false, false)
	case Verified:
		return has(false, false, false, false, true, false)
	case Cleared:
		return has(false, false, false, false, false, false)
	case CannotOpen:
		return has(false, false, false, false, false, true)
	}
	return fmt.Errorf("%w: statement: kind %d is unknown", ErrMalformed, s.Kind)
}

// Same reports whether t says what s says, whenever it was said: all but the
// generation and, for ready, the importer key and the report's generation-
// dependent fields.
func (s *Statement) Same(t *Statement) bool {
	if s.Kind != t.Kind || s.Cluster != t.Cluster || s.Incarnation != t.Incarnation || s.Order != t.Order || s.Unit != t.Unit || s.Pattern != t.Pattern {
		return false
	}
	switch s.Kind {
	case Verified:
		return *s.Verification == *t.Verification
	case CannotOpen:
		return *s.Blob == *t.Blob
	case Ready:
		return string(s.Importer) == string(t.Importer)
	case ReportOnly:
		return false
	case Generated:
		if len(s.Envelopes) != len(t.Envelopes) {
			return false
		}
		for i := range s.Envelopes {
			if s.Envelopes[i] != t.Envelopes[i] {
				return false
			}
		}
		return true
	case Loaded, Committed, Activated, Cleared:
		return true
	}
	return false
}

// ErrStatementSignature is the refusal of a statement or an envelope that
// its unit did not sign.
var ErrStatementSignature = errors.New("the statement is not signed by the unit that it names")

// SignedStatement is a statement as signed by a unit's identity.
type SignedStatement struct {
	Statement []byte
	Identity  Identity
	Signature [ed25519.SignatureSize]byte
}

// SignStatement encodes and signs. sign is the unit's Ed25519 signature over
// the bytes that it is given.
func SignStatement(s *Statement, identity Identity, sign func([]byte) []byte) (*SignedStatement, error) {
	der, err := s.Encode()
	if err != nil {
		return nil, err
	}
	signed := &SignedStatement{Statement: der, Identity: identity}
	if n := copy(signed.Signature[:], sign(signedBytes("statement/"+s.Kind.String(), der))); n != ed25519.SignatureSize {
		return nil, fmt.Errorf("signing a statement: the signature has %d bytes", n)
	}
	return signed, nil
}

// Decode returns the statement inside, unverified.
func (s *SignedStatement) Decode() (*Statement, error) { return DecodeStatement(s.Statement) }

// Verify returns the statement inside if identity signed it.
func (s *SignedStatement) Verify(identity Identity) (*Statement, error) {
	statement, err := s.Decode()
	if err != nil {
		return nil, err
	}
	signed := signedBytes("statement/"+statement.Kind.String(), s.Statement)
	good := func() bool { return ed25519.Verify(identity[:], signed, s.Signature[:]) }
	if s.Identity != identity || !provedOnce("Ed25519", good, identity[:], signed, s.Signature[:]) {
		return nil, fmt.Errorf("%w: unit %d, %v", ErrStatementSignature, statement.Unit, statement.Kind)
	}
	return statement, nil
}
