package ceremony

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// VerifiedReport checks that a unit signed its report with an identity, and reads it.
func VerifiedReport(u client.Unit, identity order.Identity) (*order.Report, error) {
	statement, err := VerifiedStatement(u, identity)
	if err != nil {
		return nil, err
	}
	return statement.Report, nil
}

// VerifiedStatement is verifiedReport with the unit's generation beside it.
func VerifiedStatement(u client.Unit, identity order.Identity) (*order.Statement, error) {
	if len(u.Report) == 0 {
		why := u.Error
		if why == "" {
			why = "its node gave none"
		}
		return nil, fmt.Errorf("there is no signed report (%s)", why)
	}
	signed, err := order.DecodeSignedStatement(u.Report)
	if err != nil {
		return nil, fmt.Errorf("its report: %w", err)
	}
	statement, err := signed.Verify(identity)
	if err != nil {
		return nil, fmt.Errorf("its report: %w", err)
	}
	if statement.Kind != order.ReportOnly || statement.Report == nil || statement.Unit != u.Number {
		return nil, fmt.Errorf("its report is a statement %v of unit %d", statement.Kind, statement.Unit)
	}
	return statement, nil
}

// InitReports reads and checks the report of every unit that an init order names: its current register must be empty.
func InitReports(ctx context.Context, admin *client.Client, o order.Order) (map[uint32]*order.Report, error) {
	units, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	shown := map[uint32]client.Unit{}
	for _, u := range units.Units {
		shown[u.Number] = u
	}
	reports := map[uint32]*order.Report{}
	for _, ref := range o.Units {
		r, err := VerifiedReport(shown[ref.Number], ref.Identity)
		if err != nil {
			return nil, fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		}
		switch {
		case r.Role != ref.Role:
			return nil, fmt.Errorf("crypto unit %d reports role %v, and the cluster says %v: give its node's configuration the role that it began with", ref.Number, r.Role, ref.Role)
		case r.Registers != masterkey.Empty():
			return nil, fmt.Errorf("crypto unit %d holds a master key already: zeroize it, or take it out of the instance", ref.Number)
		}
		reports[ref.Number] = r
	}
	return reports, nil
}

// ReadUnits reads the report of every unit. Identities are those that this workstation knows; a unit that it does not know
// is checked against the identity that it shows, and that is said.
func ReadUnits(ctx context.Context, admin *client.Client, folder *workstation.Folder, instance string) ([]UnitReading, error) {
	units, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	readings := make([]UnitReading, len(units.Units))
	for n, u := range units.Units {
		readings[n] = readUnit(folder, instance, u)
	}
	return readings, nil
}

func readUnit(folder *workstation.Folder, instance string, u client.Unit) UnitReading {
	reading := UnitReading{Number: u.Number, Type: strings.ToUpper(u.Role), Identity: u.Identity, Administrators: u.Administrators, Registers: u.Registers}
	raw, err := hex.DecodeString(u.Identity)
	if err != nil || len(raw) != len(order.Identity{}) {
		reading.Problem = "its identity cannot be read"
		return reading
	}
	known, err := folder.CheckIdentities(instance, map[uint32][]byte{u.Number: raw})
	if err != nil {
		reading.Problem = err.Error()
		return reading
	}
	report, err := VerifiedReport(u, order.Identity(raw))
	if err != nil {
		reading.Problem = err.Error()
		return reading
	}
	if err := reading.take(report); err != nil {
		reading.Problem = err.Error()
		return reading
	}
	reading.Verified = known[u.Number]
	if !reading.Verified {
		reading.Problem = "this workstation does not know its identity yet: auto-init, or any order, shows its fingerprint and remembers it"
	}
	return reading
}

// take replaces what the node says by what the unit signed.
func (u *UnitReading) take(r *order.Report) error {
	u.Type = strings.ToUpper(r.Role.String())
	u.Registers = shownRegisters(r.Registers)
	u.Administrators = client.Administrators{List: []client.Administrator{}}
	if len(r.Administrators) == 0 {
		return nil
	}
	list, err := order.DecodeAdministrators(r.Administrators)
	if err != nil {
		return err
	}
	u.Administrators.SignatureThreshold, u.Administrators.RevocationThreshold = int(list.Signature), int(list.Revocation)
	for _, a := range list.List {
		ski, err := a.SKI()
		if err != nil {
			return err
		}
		u.Administrators.List = append(u.Administrators.List, client.Administrator{Name: a.Name, SubjectKeyIdentifier: ski.String(), PublicKey: a.Key})
	}
	return nil
}

func shownRegisters(r masterkey.Registers) client.Registers {
	return client.Registers{
		Current: client.Register{State: r.Current.String(), Pattern: PatternText(r.CurrentPattern)},
		New:     client.Register{State: r.New.String(), Pattern: PatternText(r.NewPattern)},
	}
}

// UnitReading is what a unit's signed report says. Its report was checked against the identity that this workstation knows,
// or Problem says why not.
type UnitReading struct {
	Number         uint32                `json:"number"`
	Type           string                `json:"type"`
	Identity       string                `json:"identity"`
	Administrators client.Administrators `json:"administrators"`
	Registers      client.Registers      `json:"registers"`
	Verified       bool                  `json:"verified"`
	Problem        string                `json:"problem,omitempty"`
}

// Label is the number as tables show it: a recovery unit's has a mark.
func (u UnitReading) Label() string {
	if u.Type == "RECOVERY" {
		return fmt.Sprintf("%d*", u.Number)
	}
	return fmt.Sprint(u.Number)
}

// UnitOf finds a unit by its number; one that is not there has an error that says so.
func UnitOf(units client.Units, number uint32) client.Unit {
	for _, u := range units.Units {
		if u.Number == number {
			return u
		}
	}
	return client.Unit{Number: number, Error: "it has not registered"}
}

// identityOf reads the identity that a node says a unit has.
func identityOf(u client.Unit) (order.Identity, error) {
	raw, err := hex.DecodeString(u.Identity)
	if err != nil || len(raw) != len(order.Identity{}) {
		return order.Identity{}, fmt.Errorf("crypto unit %d: its identity cannot be read", u.Number)
	}
	return order.Identity(raw), nil
}

// ReportsOf reads the report that each unit of an order signed; a unit that does not answer has none.
func ReportsOf(ctx context.Context, admin *client.Client, o order.Order) (map[uint32]*order.Report, error) {
	units, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	all := map[uint32]*order.Report{}
	for _, ref := range o.Units {
		u := UnitOf(units, ref.Number)
		if len(u.Report) == 0 {
			continue
		}
		r, err := VerifiedReport(u, ref.Identity)
		if err != nil {
			return nil, fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		}
		all[ref.Number] = r
	}
	return all, nil
}

// Installation is what a unit shows of the administrators that are to be installed.
type Installation int

const (
	imprint Installation = iota // none yet
	Installed
	Others
)

// AdministratorsOf compares the administrators that a unit reports with a list (DER).
func AdministratorsOf(r *order.Report, der []byte) (Installation, error) {
	if bytes.Equal(r.Administrators, der) {
		return Installed, nil
	}
	if len(r.Administrators) == 0 {
		return imprint, nil
	}
	list, err := order.DecodeAdministrators(r.Administrators)
	if err != nil {
		return Others, err
	}
	if list.Imprint() {
		return imprint, nil
	}
	return Others, nil
}
