package units

import (
	"context"
	"io"
	"reflect"
	"slices"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
)

// comparison is what `cryptounit-compare` shows.
type comparison struct {
	Instance string                 `json:"service_instance"`
	Units    []ceremony.UnitReading `json:"units"`
	Same     bool                   `json:"same"`
	// Different are the sections in which they differ; the reports of those that are unverified could not be checked.
	Different  []string `json:"different"`
	Unverified []uint32 `json:"unverified"`
}

// The control points of Trusted Key Entry. Units have none to set yet.
var controlPoints = [...]string{"XCP_CPB_ALG_EC_25519", "XCP_CPB_BTC", "XCP_CPB_ECDSA_OTHER"}

func compareUnits(ctx context.Context, i *invocation) error { return compared(showComparison)(ctx, i) }

// compared reads the selected units and shows them, or a part of what they say.
func compared(show func(io.Writer, comparison)) func(context.Context, *invocation) error {
	return func(ctx context.Context, i *invocation) error { return i.compare(ctx, show) }
}

func (i *invocation) compare(ctx context.Context, show func(io.Writer, comparison)) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		context, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		c := comparison{Instance: context.Instance, Units: []ceremony.UnitReading{}}
		readings, err := ceremony.ReadUnits(ctx, admin, folder, c.Instance)
		if err != nil {
			return err
		}
		for _, u := range readings {
			selected, err := folder.Selected(c.Instance, u.Number)
			if err != nil {
				return err
			}
			if selected {
				c.Units = append(c.Units, u)
			}
		}
		c.judge()
		return i.Result(c, func(w io.Writer) { show(w, c) })
	})
}

// The sections of a comparison.
const (
	sectionThresholds     = "SIGNATURE THRESHOLDS"
	sectionAdministrators = "CRYPTO UNIT ADMINISTRATORS"
	sectionNew            = "NEW MASTER KEY REGISTER"
	sectionCurrent        = "CURRENT MASTER KEY REGISTER"
)

// judge tells whether units agree on what is compared, and every report could be checked.
func (c *comparison) judge() {
	c.Different, c.Unverified = []string{}, []uint32{}
	for _, section := range []struct {
		name string
		of   func(ceremony.UnitReading) any
	}{
		{sectionThresholds, func(u ceremony.UnitReading) any {
			return [2]int{u.Administrators.SignatureThreshold, u.Administrators.RevocationThreshold}
		}},
		{sectionAdministrators, func(u ceremony.UnitReading) any { return u.Administrators.List }},
		{sectionNew, func(u ceremony.UnitReading) any { return u.Registers.New }},
		{sectionCurrent, func(u ceremony.UnitReading) any { return u.Registers.Current }},
	} {
		if slices.ContainsFunc(c.Units, func(u ceremony.UnitReading) bool { return !reflect.DeepEqual(section.of(u), section.of(c.Units[0])) }) {
			c.Different = append(c.Different, section.name)
		}
	}
	for _, u := range c.Units {
		if !u.Verified {
			c.Unverified = append(c.Unverified, u.Number)
		}
	}
	c.Same = len(c.Different) == 0 && len(c.Unverified) == 0
}

func showThresholds(w io.Writer, c comparison) {
	command.Line(w, "\n%s", sectionThresholds)
	t := command.NewTable("CRYPTO UNIT NUM", "SIGNATURE THRESHOLD", "REVOCATION THRESHOLD")
	imprint := false
	for _, u := range c.Units {
		t.Row(u.Label(), u.Administrators.SignatureThreshold, u.Administrators.RevocationThreshold)
		imprint = imprint || u.Administrators.ImprintMode()
	}
	t.Print(w)
	if imprint {
		command.Line(w, "\n==> Crypto units with a signature threshold of 0 are in IMPRINT MODE. <==")
	}
}

func showAdministrators(w io.Writer, c comparison) {
	command.Line(w, "\n%s", sectionAdministrators)
	t := command.NewTable("CRYPTO UNIT NUM", "ADMIN NAME", "SUBJECT KEY IDENTIFIER")
	for _, u := range c.Units {
		if len(u.Administrators.List) == 0 {
			t.Row(u.Label(), "-", "-")
		}
		for _, a := range u.Administrators.List {
			t.Row(u.Label(), a.Name, workstation.ShortSKI(a.SubjectKeyIdentifier)+"...")
		}
	}
	t.Print(w)
}

func showComparison(w io.Writer, c comparison) {
	showThresholds(w, c)
	showAdministrators(w, c)
	showRegisters(w, c)

	command.Line(w, "\nCONTROL POINTS")
	t := command.NewTable(append([]string{"CRYPTO UNIT NUM"}, controlPoints[:]...)...)
	for _, u := range c.Units {
		t.Row(u.Label(), "Not Set", "Not Set", "Not Set")
	}
	t.Print(w)
	showVerdict(w, c)
}

func showVerdict(w io.Writer, c comparison) {
	showRemarks(w, c)
	if len(c.Different) > 0 {
		command.Line(w, "\nThe crypto units differ in: %s", strings.Join(c.Different, ", "))
	}
	if c.Same {
		command.Line(w, "\n==> All crypto units are configured the same. <==")
	} else {
		command.Line(w, "\n==> WARNING: Crypto units are configured differently. <==")
	}
}

// showRegisters shows both registers of every unit.
func showRegisters(w io.Writer, c comparison) {
	for _, r := range []struct {
		head string
		of   func(client.Registers) client.Register
	}{
		{sectionNew, func(r client.Registers) client.Register { return r.New }},
		{sectionCurrent, func(r client.Registers) client.Register { return r.Current }},
	} {
		command.Line(w, "\n%s", r.head)
		t := command.NewTable("CRYPTO UNIT NUM", "STATUS", "VERIFICATION PATTERN")
		for _, u := range c.Units {
			first, second := command.PatternLines(r.of(u.Registers).Pattern)
			t.Row(u.Label(), command.Dash(r.of(u.Registers).State), first)
			t.Row("", "", second)
		}
		t.Print(w)
	}
}

// showRegistersAlone is what `cryptounit-mk` shows.
func showRegistersAlone(w io.Writer, c comparison) {
	showRegisters(w, c)
	showRemarks(w, c)
}

// showRemarks explains the mark of recovery units, and names units whose report cannot be trusted.
func showRemarks(w io.Writer, c comparison) {
	recovery := false
	for _, u := range c.Units {
		recovery = recovery || strings.HasSuffix(u.Label(), "*")
	}
	if recovery {
		command.Line(w, "\n* Indicates a recovery crypto unit used only to hold a backup master key value.")
	}
	for _, u := range c.Units {
		if u.Problem != "" {
			command.Line(w, "\n==> WARNING: Crypto unit %d: %s <==", u.Number, u.Problem)
		}
	}
}
