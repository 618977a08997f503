package order

import (
	"fmt"

	"tumbler/cryptounit/masterkey"
)

type wireReport struct {
	Role           int64
	Instance       []byte
	Current        int64
	CurrentPattern []byte
	New            int64
	NewPattern     []byte
	Administrators []byte
	LastOrder      int64
	OpenOrder      []byte
	Retired        int64
}

type wireEnvelopeName struct {
	Unit   int64
	Digest []byte
}

type wireVerification struct {
	Partition int64
	Pass      int64
	Last      int64
	Counts    []int64
}

// The optional parts are sequences of none or one.
type wireStatement struct {
	Format       int64
	Kind         int64
	Cluster      []byte
	Incarnation  int64
	Order        []byte
	Unit         int64
	Generation   int64
	Report       []wireReport
	Importer     []byte
	Pattern      []byte
	Envelopes    []wireEnvelopeName
	Verification []wireVerification
	Blob         []wireBlob
}

// Encode returns the canonical DER, after Check.
func (s *Statement) Encode() ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	w := wireStatement{
		Format: Format, Kind: int64(s.Kind), Cluster: sparse(s.Cluster[:]), Incarnation: int64(s.Incarnation),
		Order: sparse(s.Order[:]), Unit: int64(s.Unit), Generation: int64(s.Generation),
		Importer: append([]byte{}, s.Importer...), Pattern: sparse(s.Pattern[:]),
	}
	if r := s.Report; r != nil {
		w.Report = []wireReport{{
			int64(r.Role), sparse(r.Instance[:]), int64(r.Registers.Current), sparse(r.Registers.CurrentPattern[:]),
			int64(r.Registers.New), sparse(r.Registers.NewPattern[:]), append([]byte{}, r.Administrators...),
			int64(r.LastOrder), sparse(r.OpenOrder[:]), int64(r.Retired),
		}}
	}
	for i := range s.Envelopes {
		w.Envelopes = append(w.Envelopes, wireEnvelopeName{int64(s.Envelopes[i].Unit), s.Envelopes[i].Digest[:]})
	}
	if v := s.Verification; v != nil {
		w.Verification = []wireVerification{{
			int64(v.Partition), int64(v.Pass), int64(v.Last), []int64{int64(v.Counts[0]), int64(v.Counts[1]), int64(v.Counts[2])},
		}}
	}
	if s.Blob != nil {
		w.Blob = toWireBlobs([]BlobName{*s.Blob})
	}
	return encode(w)
}

// DecodeStatement reads the canonical DER of a statement, unverified.
func DecodeStatement(der []byte) (*Statement, error) {
	var w wireStatement
	if err := decode(der, &w, "statement"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	s := &Statement{
		Kind: StatementKind(r.enum(w.Kind, uint8(CannotOpen), "kind")), Incarnation: r.u64(w.Incarnation, "incarnation"),
		Unit: r.u32(w.Unit, "unit"), Generation: r.u64(w.Generation, "generation"),
	}
	if len(w.Importer) > 0 {
		s.Importer = w.Importer
	}
	r.optional(s.Cluster[:], w.Cluster, "cluster")
	r.optional(s.Order[:], w.Order, "order")
	r.optional(s.Pattern[:], w.Pattern, "pattern")
	s.Report = r.report(w.Report)
	for _, e := range w.Envelopes {
		name := EnvelopeName{Unit: r.u32(e.Unit, "envelope unit")}
		r.fixed(name.Digest[:], e.Digest, "envelope digest")
		s.Envelopes = append(s.Envelopes, name)
	}
	s.Verification = r.verification(w.Verification)
	if len(w.Blob) > 1 {
		r.fail("blob", "more than one")
	} else if len(w.Blob) == 1 {
		blob := r.blob(w.Blob[0])
		s.Blob = &blob
	}
	if r.err != nil {
		return nil, fmt.Errorf("statement: %w", r.err)
	}
	if err := canonical(der, "statement", s.Encode); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *reader) report(w []wireReport) *Report {
	if len(w) == 0 {
		return nil
	}
	if len(w) > 1 {
		r.fail("report", "more than one")
	}
	report := &Report{
		Role: Role(r.enum(w[0].Role, uint8(Recovery), "role")), Administrators: w[0].Administrators,
		LastOrder: r.u64(w[0].LastOrder, "last order"), Retired: r.u32(w[0].Retired, "retired keys"),
		Registers: masterkey.Registers{
			Current: masterkey.CurrentState(r.enum(w[0].Current, 255, "current register")),
			New:     masterkey.NewState(r.enum(w[0].New, 255, "new register")),
		},
	}
	r.optional(report.Instance[:], w[0].Instance, "instance")
	r.optional(report.Registers.CurrentPattern[:], w[0].CurrentPattern, "current pattern")
	r.optional(report.Registers.NewPattern[:], w[0].NewPattern, "new pattern")
	r.optional(report.OpenOrder[:], w[0].OpenOrder, "open order")
	return report
}

func (r *reader) verification(w []wireVerification) *Verification {
	if len(w) == 0 {
		return nil
	}
	if len(w) > 1 || len(w[0].Counts) != len(Counts{}) {
		r.fail("verification", "more than one, or not a count for each class")
		return nil
	}
	v := &Verification{
		Partition: r.u32(w[0].Partition, "partition"), Pass: r.u32(w[0].Pass, "pass"), Last: r.u64(w[0].Last, "last number"),
	}
	for i, n := range w[0].Counts {
		v.Counts[i] = r.u64(n, "count")
	}
	return v
}

type wireSignedStatement struct {
	Format    int64
	Statement []byte
	Identity  []byte
	Signature []byte
}

// Encode returns the DER of statement and signature together.
func (s *SignedStatement) Encode() ([]byte, error) {
	return encode(wireSignedStatement{Format, s.Statement, s.Identity[:], s.Signature[:]})
}

// DecodeSignedStatement reads the DER of a signed statement, unverified.
func DecodeSignedStatement(der []byte) (*SignedStatement, error) {
	var w wireSignedStatement
	if err := decode(der, &w, "signed statement"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	s := &SignedStatement{Statement: w.Statement}
	r.fixed(s.Identity[:], w.Identity, "identity")
	r.fixed(s.Signature[:], w.Signature, "signature")
	if r.err != nil {
		return nil, fmt.Errorf("signed statement: %w", r.err)
	}
	if _, err := s.Decode(); err != nil {
		return nil, err
	}
	if err := canonical(der, "signed statement", s.Encode); err != nil {
		return nil, err
	}
	return s, nil
}
