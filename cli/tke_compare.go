package cli

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/workstation"
)

// unitReading is what a unit's signed report says. Its report was checked against the identity that this workstation knows,
// or Problem says why not.
type unitReading struct {
	Number         uint32                `json:"number"`
	Type           string                `json:"type"`
	Identity       string                `json:"identity"`
	Administrators client.Administrators `json:"administrators"`
	Registers      client.Registers      `json:"registers"`
	Verified       bool                  `json:"verified"`
	Problem        string                `json:"problem,omitempty"`
}

func (u unitReading) label() string {
	if u.Type == "RECOVERY" {
		return fmt.Sprintf("%d*", u.Number)
	}
	return fmt.Sprint(u.Number)
}

// comparison is what `cryptounit-compare` shows.
type comparison struct {
	Instance string        `json:"service_instance"`
	Units    []unitReading `json:"units"`
	Same     bool          `json:"same"`
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
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		context, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		c := comparison{Instance: context.Instance, Units: []unitReading{}}
		readings, err := readUnits(ctx, admin, folder, c.Instance)
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
		return i.result(c, func(w io.Writer) { show(w, c) })
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
		of   func(unitReading) any
	}{
		{sectionThresholds, func(u unitReading) any {
			return [2]int{u.Administrators.SignatureThreshold, u.Administrators.RevocationThreshold}
		}},
		{sectionAdministrators, func(u unitReading) any { return u.Administrators.List }},
		{sectionNew, func(u unitReading) any { return u.Registers.New }},
		{sectionCurrent, func(u unitReading) any { return u.Registers.Current }},
	} {
		if slices.ContainsFunc(c.Units, func(u unitReading) bool { return !reflect.DeepEqual(section.of(u), section.of(c.Units[0])) }) {
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
	line(w, "\n%s", sectionThresholds)
	t := newTable("CRYPTO UNIT NUM", "SIGNATURE THRESHOLD", "REVOCATION THRESHOLD")
	imprint := false
	for _, u := range c.Units {
		t.row(u.label(), u.Administrators.SignatureThreshold, u.Administrators.RevocationThreshold)
		imprint = imprint || u.Administrators.ImprintMode()
	}
	t.print(w)
	if imprint {
		line(w, "\n==> Crypto units with a signature threshold of 0 are in IMPRINT MODE. <==")
	}
}

func showAdministrators(w io.Writer, c comparison) {
	line(w, "\n%s", sectionAdministrators)
	t := newTable("CRYPTO UNIT NUM", "ADMIN NAME", "SUBJECT KEY IDENTIFIER")
	for _, u := range c.Units {
		if len(u.Administrators.List) == 0 {
			t.row(u.label(), "-", "-")
		}
		for _, a := range u.Administrators.List {
			t.row(u.label(), a.Name, workstation.ShortSKI(a.SubjectKeyIdentifier)+"...")
		}
	}
	t.print(w)
}

func showComparison(w io.Writer, c comparison) {
	showThresholds(w, c)
	showAdministrators(w, c)
	showRegisters(w, c)

	line(w, "\nCONTROL POINTS")
	t := newTable(append([]string{"CRYPTO UNIT NUM"}, controlPoints[:]...)...)
	for _, u := range c.Units {
		t.row(u.label(), "Not Set", "Not Set", "Not Set")
	}
	t.print(w)
	showVerdict(w, c)
}

func showVerdict(w io.Writer, c comparison) {
	showRemarks(w, c)
	if len(c.Different) > 0 {
		line(w, "\nThe crypto units differ in: %s", strings.Join(c.Different, ", "))
	}
	if c.Same {
		line(w, "\n==> All crypto units are configured the same. <==")
	} else {
		line(w, "\n==> WARNING: Crypto units are configured differently. <==")
	}
}
