package order

import (
	"fmt"
	"math"

	"tumbler/cryptounit/masterkey"
)

// Step is a step of an order that a unit takes, and what is approved, waited
// for and refused by name.
type Step uint8

// The steps. The numbers are forever.
const (
	StepPrepare      Step = 1 // make an importer key
	StepGenerate     Step = 2
	StepLoad         Step = 3
	StepCommit       Step = 4
	StepRewrap       Step = 5
	StepActivate     Step = 6
	StepClear        Step = 7 // clear the new register
	StepSetImmediate Step = 8
	StepClearCurrent Step = 9
	StepZeroize      Step = 10
)

var stepNames = [...]string{"", "prepare", "generate", "load", "commit", "rewrap", "activate", "clear", "set-immediate", "clear-current", "zeroize"}

// String returns the word of JSON and of messages.
func (s Step) String() string {
	if s == 0 || int(s) >= len(stepNames) {
		return fmt.Sprintf("Step(%d)", uint8(s))
	}
	return stepNames[s]
}

// Approval is what administrators sign where a step needs a signature of its
// own: the pattern at commit (a quorum) and at activation or set-immediate
// (one); clear-current (a quorum) and zeroize (a quorum) name the Unit and
// no order.
type Approval struct {
	Step        Step
	Cluster     ID
	Incarnation uint64
	Order       Digest
	Pattern     masterkey.Pattern
	Unit        Identity
	// Generation is the unit's when a unit is named, so that an approval
	// serves once.
	Generation uint64
}

type wireApproval struct {
	Format      int64
	Step        int64
	Cluster     []byte
	Incarnation int64
	Order       []byte
	Pattern     []byte
	Unit        []byte
	Generation  int64
}

// Encode returns the canonical DER.
func (a *Approval) Encode() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	return encode(wireApproval{
		Format, int64(a.Step), sparse(a.Cluster[:]), int64(a.Incarnation),
		sparse(a.Order[:]), sparse(a.Pattern[:]), sparse(a.Unit[:]), int64(a.Generation),
	})
}

func (a *Approval) check() error {
	if a.Incarnation > math.MaxInt64 || a.Generation > math.MaxInt64 {
		return fmt.Errorf("%w: approval: its incarnation or generation is out of range", ErrMalformed)
	}
	switch a.Step {
	case StepCommit, StepActivate, StepSetImmediate:
		if a.Order.IsZero() || a.Pattern.IsZero() || !a.Unit.IsZero() || a.Generation != 0 {
			return fmt.Errorf("%w: approval: %v names an order and a pattern", ErrMalformed, a.Step)
		}
	case StepClearCurrent, StepZeroize:
		if !a.Order.IsZero() || a.Unit.IsZero() || a.Generation == 0 {
			return fmt.Errorf("%w: approval: %v names a unit and its generation", ErrMalformed, a.Step)
		}
	case StepPrepare, StepGenerate, StepLoad, StepRewrap, StepClear:
		return fmt.Errorf("%w: approval: %v needs none", ErrMalformed, a.Step)
	default:
		return fmt.Errorf("%w: approval: step %d is unknown", ErrMalformed, a.Step)
	}
	return nil
}

// DecodeApproval reads the canonical DER.
func DecodeApproval(der []byte) (*Approval, error) {
	var w wireApproval
	if err := decode(der, &w, "approval"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	a := &Approval{
		Step: Step(r.enum(w.Step, uint8(StepZeroize), "step")), Incarnation: r.u64(w.Incarnation, "incarnation"),
		Generation: r.u64(w.Generation, "generation"),
	}
	r.optional(a.Cluster[:], w.Cluster, "cluster")
	r.optional(a.Order[:], w.Order, "order")
	r.optional(a.Pattern[:], w.Pattern, "pattern")
	r.optional(a.Unit[:], w.Unit, "unit")
	if r.err != nil {
		return nil, fmt.Errorf("approval: %w", r.err)
	}
	if err := canonical(der, "approval", a.Encode); err != nil {
		return nil, err
	}
	return a, nil
}

// SignedApproval is an approval as signed.
type SignedApproval struct {
	Approval   []byte
	Signatures []Signature
}

// Sign adds one administrator's signature.
func (s *SignedApproval) Sign(by Signer) error {
	sig, err := sign(by, "approval", s.Approval)
	if err != nil {
		return err
	}
	s.Signatures = withSignature(s.Signatures, sig)
	return nil
}

// Threshold is the number of signatures that the step asks for, of
// administrators on a list: one for activate and set-immediate, the signature
// threshold otherwise.
func (a *Approval) Threshold(admins *Administrators) uint32 {
	if a.Step == StepActivate || a.Step == StepSetImmediate {
		return 1
	}
	return admins.Signature
}

// Signers gives the administrators of a list who have signed so far, each
// once: a signature by anybody else, or a wrong one, is an error.
func (s *SignedApproval) Signers(admins *Administrators) ([]Administrator, error) {
	return signers(s.Signatures, admins, "approval", s.Approval)
}

// Verify decodes the approval and checks its signatures against the list: as
// many as its step asks for.
func (s *SignedApproval) Verify(admins *Administrators) (*Approval, error) {
	a, err := DecodeApproval(s.Approval)
	if err != nil {
		return nil, err
	}
	if err := quorum(s.Signatures, admins, a.Threshold(admins), "approval", s.Approval); err != nil {
		return nil, fmt.Errorf("approval of %v: %w", a.Step, err)
	}
	return a, nil
}

// Encode returns the DER of approval and signatures together.
func (s *SignedApproval) Encode() ([]byte, error) {
	return encode(wireSigned{Format, s.Approval, toWireSignatures(s.Signatures)})
}

// DecodeSignedApproval reads the DER of a signed approval.
func DecodeSignedApproval(der []byte) (*SignedApproval, error) {
	document, sigs, err := decodeSigned(der, "signed approval")
	if err != nil {
		return nil, err
	}
	if _, err := DecodeApproval(document); err != nil {
		return nil, err
	}
	s := &SignedApproval{document, sigs}
	if err := canonical(der, "signed approval", s.Encode); err != nil {
		return nil, err
	}
	return s, nil
}

// SignedAdministrators is the list that a unit in imprint mode takes up: it
// is signed by as many of its own administrators as its new threshold asks;
// a list that keeps imprint mode, by none. The signatures cover the list and
// the unit's identity.
type SignedAdministrators struct {
	Administrators []byte
	Signatures     []Signature
}

type wireImprint struct {
	Unit           []byte
	Administrators []byte
}

func imprintDocument(unit Identity, list []byte) ([]byte, error) {
	return encode(wireImprint{unit[:], list})
}

// SignFor adds one administrator's signature for one unit.
func (s *SignedAdministrators) SignFor(unit Identity, by Signer) error {
	document, err := imprintDocument(unit, s.Administrators)
	if err != nil {
		return err
	}
	sig, err := sign(by, "imprint", document)
	if err != nil {
		return err
	}
	s.Signatures = withSignature(s.Signatures, sig)
	return nil
}

// VerifyFor returns the list if it is rightly signed for one unit.
func (s *SignedAdministrators) VerifyFor(unit Identity) (*Administrators, error) {
	admins, err := DecodeAdministrators(s.Administrators)
	if err != nil {
		return nil, err
	}
	if admins.Imprint() && len(s.Signatures) == 0 {
		return admins, nil
	}
	document, err := imprintDocument(unit, s.Administrators)
	if err != nil {
		return nil, err
	}
	if err := quorum(s.Signatures, admins, admins.Signature, "imprint", document); err != nil {
		return nil, fmt.Errorf("administrators of unit %v: %w", unit, err)
	}
	return admins, nil
}
