package auto

import (
	"slices"
	"strconv"

	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// initPlan is what `auto-init` installs.
type initPlan struct {
	signature, revocation int
	keys                  []signing.SignatureKey // one an administrator
}

// planInit asks for what the flags leave open: thresholds, and which signature keys the administrators have, some of them
// new. Nothing is made before everything was asked, but for new signature keys.
func (i *invocation) planInit(folder *workstation.Folder) (initPlan, error) {
	var plan initPlan
	var err error
	if plan.signature, err = i.threshold("signature-threshold", "Enter the signature threshold value (1 to 8, at least 2 for dual control):"); err != nil {
		return plan, err
	}
	if plan.revocation, err = i.threshold("revocation-threshold", "Enter the revocation signature threshold value (1 to 8, at least 2 for dual control):"); err != nil {
		return plan, err
	}
	count, err := i.threshold("administrators", "Enter the number of administrators to install (1 to 8):")
	if err != nil {
		return plan, err
	}
	if count < max(plan.signature, plan.revocation) {
		return plan, i.Usage("%d administrators cannot give %d signatures: lower the threshold, or install more", count, max(plan.signature, plan.revocation))
	}
	ring, err := i.Keyring(folder)
	if err != nil {
		return plan, err
	}
	existing, err := i.existingKeys(ring, count)
	if err != nil {
		return plan, err
	}
	names := i.List("name", "")
	if len(names) > 0 && len(existing)+len(names) != count {
		return plan, i.Usage("%d administrators are to be installed, and %d signature keys and %d new names were given", count, len(existing), len(names))
	}
	if len(existing) < count {
		if err := i.NoService(); err != nil {
			return plan, err
		}
	}
	place := 0
	for _, n := range existing {
		info, err := ring.Look(n, place)
		if err != nil {
			return plan, err
		}
		key, err := ring.Open(n, place, signing.IdentifiedBy(info))
		if err != nil {
			return plan, err
		}
		plan.keys = append(plan.keys, key)
		place++
	}
	for n := 0; len(plan.keys) < count; n++ {
		name := ""
		if n < len(names) {
			name = names[n]
		} else if name, err = i.Ask("name", "", "Enter an administrator name to be associated with the signature key:"); err != nil {
			return plan, err
		}
		key, err := i.newAdministrator(folder, name, place)
		if err != nil {
			return plan, err
		}
		plan.keys = append(plan.keys, key)
		place++
	}
	// By number, so that a second run with the same keys makes the same list.
	slices.SortFunc(plan.keys, func(a, b signing.SignatureKey) int { return a.Info().KeyNum - b.Info().KeyNum })
	keyNums := make([]int, len(plan.keys))
	for n, k := range plan.keys {
		keyNums[n] = k.Info().KeyNum
	}
	return plan, ring.Choose(keyNums)
}

// list gives the administrators' list.
func (p initPlan) list() (*order.Administrators, error) {
	list := &order.Administrators{Signature: uint32(p.signature), Revocation: uint32(p.revocation)}
	for _, key := range p.keys {
		list.List = append(list.List, key.Info().Administrator())
	}
	return list, list.Check()
}

func (i *invocation) threshold(flag, prompt string) (int, error) {
	answer, err := i.Ask(flag, "", prompt)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > order.MaxAdministrators {
		return 0, i.Usage("--%s %s is not a number from 1 to %d", flag, answer, order.MaxAdministrators)
	}
	return n, nil
}

// existingKeys gives the KEYNUMs of signature keys to use that there are already.
func (i *invocation) existingKeys(ring signing.Keyring, count int) ([]int, error) {
	all, err := ring.List()
	if err != nil {
		return nil, err
	}
	text := i.Text("keynum", "")
	if text == "" {
		if len(all) == 0 || len(i.List("name", "")) == count {
			return nil, nil
		}
		t := command.NewTable("KEYNUM", "DESCRIPTION", "SUBJECT KEY IDENTIFIER")
		for _, k := range all {
			t.Row(k.KeyNum, k.Name, signing.ShownSKI(k))
		}
		if !i.JSON {
			t.Print(i.Streams.Out)
		}
		if text, err = i.Ask("keynum", "", "Enter the KEYNUM values of existing signature keys to use, separated by spaces, or nothing to make new ones:"); err != nil || text == "" {
			return nil, err
		}
	}
	list, err := i.ParseKeyNums(text)
	if err == nil && len(list) > count {
		err = i.Usage("%d administrators are to be installed, and %d signature keys were given", count, len(list))
	}
	return list, err
}

func (i *invocation) newAdministrator(folder *workstation.Folder, name string, place int) (signing.SignatureKey, error) {
	if err := workstation.CheckName(name); err != nil {
		return nil, i.Usage("%v", err)
	}
	password, err := i.NewPassword(signing.SigKeyPasswords, place, "Enter a password to protect the signature key:", name)
	if err != nil {
		return nil, err
	}
	info, err := folder.AddSigKey(name, password.Text)
	if err != nil {
		return nil, err
	}
	if password.Generated {
		w := i.Streams.Out
		if i.JSON {
			w = i.Streams.Err
		}
		command.Line(w, "Signature key %d of %s was created.", info.KeyNum, name)
		password.Show(w)
	}
	return folder.OpenSigKey(info.KeyNum, password.Text)
}
