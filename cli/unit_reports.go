package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// verifiedReport checks that a unit signed its report with an identity, and reads it.
func verifiedReport(u client.Unit, identity order.Identity) (*order.Report, error) {
	statement, err := verifiedStatement(u, identity)
	if err != nil {
		return nil, err
	}
	return statement.Report, nil
}

// verifiedStatement is verifiedReport with the unit's generation beside it.
func verifiedStatement(u client.Unit, identity order.Identity) (*order.Statement, error) {
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

// initReports reads and checks the report of every unit that an init order names: its current register must be empty.
func initReports(ctx context.Context, admin *client.Client, o order.Order) (map[uint32]*order.Report, error) {
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
		r, err := verifiedReport(shown[ref.Number], ref.Identity)
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

// readUnits reads the report of every unit. Identities are those that this workstation knows; a unit that it does not know
// is checked against the identity that it shows, and that is said.
func readUnits(ctx context.Context, admin *client.Client, folder *workstation.Folder, instance string) ([]unitReading, error) {
	units, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	readings := make([]unitReading, len(units.Units))
	for n, u := range units.Units {
		readings[n] = readUnit(folder, instance, u)
	}
	return readings, nil
}

func readUnit(folder *workstation.Folder, instance string, u client.Unit) unitReading {
	reading := unitReading{Number: u.Number, Type: strings.ToUpper(u.Role), Identity: u.Identity, Administrators: u.Administrators, Registers: u.Registers}
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
	report, err := verifiedReport(u, order.Identity(raw))
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
func (u *unitReading) take(r *order.Report) error {
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
		Current: client.Register{State: r.Current.String(), Pattern: patternText(r.CurrentPattern)},
		New:     client.Register{State: r.New.String(), Pattern: patternText(r.NewPattern)},
	}
}
