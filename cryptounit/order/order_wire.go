package order

import (
	"fmt"
	"time"
)

// The wire structs are the DER forms: INTEGER, OCTET STRING, SEQUENCE and
// UTF8String only. Fields are never reordered or removed.

type wireUnit struct {
	Number   int64
	Role     int64
	Identity []byte
}

type wireBlob struct {
	Number int64
	Class  int64
	Digest []byte
}

type wireSubject struct {
	Order          []byte
	OrderNumber    int64
	Units          []wireUnit
	Pattern        []byte
	Administrators []byte
	Blobs          []wireBlob
	Archive        []byte
	Incarnation    int64
}

type wireOrder struct {
	Format         int64
	Kind           int64
	Cluster        []byte
	Incarnation    int64
	Instance       []byte
	Number         int64
	Current        []byte
	Units          []wireUnit
	Generator      int64
	Parts          int64
	Suite          int64
	Subject        wireSubject
	Administrators []byte
	Policy         int64
	Commit         int64
	Activate       int64
	Retire         int64
	NotAfter       int64 // seconds since 1970, UTC
}

// Encode returns the canonical DER, after Check.
func (o *Order) Encode() ([]byte, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	return encode(wireOrder{
		Format: Format, Kind: int64(o.Kind), Cluster: o.Cluster[:], Incarnation: int64(o.Incarnation),
		Instance: o.Instance[:], Number: int64(o.Number), Current: sparse(o.Current[:]),
		Units: toWireUnits(o.Units), Generator: int64(o.Generator), Parts: int64(o.Parts), Suite: int64(o.Suite),
		Subject: wireSubject{
			Order: sparse(o.Subject.Order[:]), OrderNumber: int64(o.Subject.OrderNumber),
			Units: toWireUnits(o.Subject.Units), Pattern: sparse(o.Subject.Pattern[:]),
			Administrators: append([]byte{}, o.Subject.Administrators...), Blobs: toWireBlobs(o.Subject.Blobs),
			Archive: sparse(o.Subject.Archive[:]), Incarnation: int64(o.Subject.Incarnation),
		},
		Administrators: o.Administrators[:], Policy: int64(o.Policy), Commit: int64(o.Commit),
		Activate: int64(o.Activate), Retire: int64(o.Retire), NotAfter: o.NotAfter.Unix(),
	})
}

// DecodeOrder reads the canonical DER of an order and checks its fields.
func DecodeOrder(der []byte) (*Order, error) {
	var w wireOrder
	if err := decode(der, &w, "order"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	o := &Order{
		Kind: Kind(r.enum(w.Kind, uint8(Cancel), "kind")), Incarnation: r.u64(w.Incarnation, "incarnation"),
		Number: r.u64(w.Number, "number"), Units: r.units(w.Units), Generator: r.u32(w.Generator, "generator"),
		Parts: r.u32(w.Parts, "parts"), Suite: Suite(r.enum(w.Suite, 255, "suite")),
		Policy: Policy(r.enum(w.Policy, 255, "policy")), Commit: Authority(r.enum(w.Commit, 255, "commit")),
		Activate: Authority(r.enum(w.Activate, 255, "activate")), Retire: Retirement(r.enum(w.Retire, 255, "retire")),
		NotAfter: time.Unix(w.NotAfter, 0).UTC(),
		Subject: Subject{
			OrderNumber: r.u64(w.Subject.OrderNumber, "subject order number"), Units: r.units(w.Subject.Units),
			Administrators: w.Subject.Administrators, Blobs: r.blobs(w.Subject.Blobs),
			Incarnation: r.u64(w.Subject.Incarnation, "subject incarnation"),
		},
	}
	r.fixed(o.Cluster[:], w.Cluster, "cluster")
	r.fixed(o.Instance[:], w.Instance, "instance")
	r.optional(o.Current[:], w.Current, "current pattern")
	r.fixed(o.Administrators[:], w.Administrators, "administrators")
	r.optional(o.Subject.Order[:], w.Subject.Order, "subject order")
	r.optional(o.Subject.Pattern[:], w.Subject.Pattern, "subject pattern")
	r.optional(o.Subject.Archive[:], w.Subject.Archive, "subject archive")
	if r.err != nil {
		return nil, fmt.Errorf("order: %w", r.err)
	}
	if err := canonical(der, "order", o.Encode); err != nil {
		return nil, err
	}
	return o, nil
}

func toWireUnits(units []UnitRef) []wireUnit {
	w := make([]wireUnit, len(units))
	for i, u := range units {
		w[i] = wireUnit{int64(u.Number), int64(u.Role), u.Identity[:]}
	}
	return w
}

func (r *reader) units(w []wireUnit) []UnitRef {
	var units []UnitRef
	for _, u := range w {
		ref := UnitRef{Number: r.u32(u.Number, "unit number"), Role: Role(r.enum(u.Role, uint8(Recovery), "unit role"))}
		r.fixed(ref.Identity[:], u.Identity, "unit identity")
		units = append(units, ref)
	}
	return units
}

func toWireBlobs(blobs []BlobName) []wireBlob {
	w := make([]wireBlob, len(blobs))
	for i, b := range blobs {
		w[i] = wireBlob{int64(b.Number), int64(b.Class), b.Digest[:]}
	}
	return w
}

func (r *reader) blobs(w []wireBlob) []BlobName {
	var blobs []BlobName
	for _, b := range w {
		blobs = append(blobs, r.blob(b))
	}
	return blobs
}

func (r *reader) blob(w wireBlob) BlobName {
	b := BlobName{Number: r.u64(w.Number, "blob number"), Class: Class(r.enum(w.Class, uint8(EP11), "blob class"))}
	r.fixed(b.Digest[:], w.Digest, "blob digest")
	return b
}
