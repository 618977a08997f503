package admin

import (
	"encoding/hex"
	"fmt"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// readReport reads a unit's signed report, if the unit signed it.
func readReport(der []byte, u fsm.Unit) (*order.Statement, error) {
	signed, err := order.DecodeSignedStatement(der)
	if err != nil {
		return nil, fmt.Errorf("reading the report of unit %d: %w", u.Number, err)
	}
	statement, err := signed.Verify(order.Identity(u.Identity))
	if err != nil {
		return nil, err
	}
	if statement.Report == nil || statement.Unit != u.Number {
		return nil, fmt.Errorf("%w: what unit %d sent is not its report", order.ErrMalformed, u.Number)
	}
	return statement, nil
}

// reported fills in what a unit says of itself.
func reported(out *client.Unit, statement *order.Statement, current fsm.Pattern) error {
	report := statement.Report
	administrators, err := order.DecodeAdministrators(report.Administrators)
	if err != nil {
		return fmt.Errorf("reading the administrators of unit %d: %w", out.Number, err)
	}
	if out.Administrators, err = administratorsOf(administrators); err != nil {
		return err
	}
	r := report.Registers
	out.Registers = client.Registers{
		Current: client.Register{State: r.Current.String(), Pattern: hexText(r.CurrentPattern)},
		New:     client.Register{State: r.New.String(), Pattern: hexText(r.NewPattern)},
	}
	out.Stale = current != (fsm.Pattern{}) && masterkey.Pattern(current) != r.CurrentPattern && masterkey.Pattern(current) != r.NewPattern
	out.Generation, out.LastOrder, out.OpenOrder, out.Retired = statement.Generation, report.LastOrder, hexText(report.OpenOrder), int(report.Retired)
	return nil
}

func administratorsOf(list *order.Administrators) (client.Administrators, error) {
	out := client.Administrators{SignatureThreshold: int(list.Signature), RevocationThreshold: int(list.Revocation), List: []client.Administrator{}}
	for _, a := range list.List {
		ski, err := a.SKI()
		if err != nil {
			return out, err
		}
		out.List = append(out.List, client.Administrator{Name: a.Name, SubjectKeyIdentifier: hex.EncodeToString(ski[:]), PublicKey: a.Key})
	}
	return out, nil
}
