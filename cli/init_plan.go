package cli

import (
	"strconv"

	"tumbler/cli/workstation"
)

// most is how many administrators a unit takes, and the highest threshold.
const most = 8

// initPlan is what `auto-init` installs.
type initPlan struct {
	signature, revocation int
	keys                  []*workstation.SigKey // one an administrator
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
		return plan, i.usage("%d administrators cannot give %d signatures: lower the threshold, or install more", count, max(plan.signature, plan.revocation))
	}
	existing, err := i.existingKeys(folder, count)
	if err != nil {
		return plan, err
	}
	names := i.list("name", "")
	if len(names) > 0 && len(existing)+len(names) != count {
		return plan, i.usage("%d administrators are to be installed, and %d signature keys and %d new names were given", count, len(existing), len(names))
	}
	place := 0
	for _, n := range existing {
		info, err := folder.SigKey(n)
		if err != nil {
			return plan, err
		}
		key, err := i.openSigKey(folder, n, place, "Enter the password for the signature key identified by:\n"+info.String())
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
		} else if name, err = i.ask("name", "", "Enter an administrator name to be associated with the signature key:"); err != nil {
			return plan, err
		}
		key, err := i.newAdministrator(folder, name, place)
		if err != nil {
			return plan, err
		}
		plan.keys = append(plan.keys, key)
		place++
	}
	keyNums := make([]int, len(plan.keys))
	for n, k := range plan.keys {
		keyNums[n] = k.KeyNum
	}
	return plan, folder.SelectSigKeys(keyNums)
}

func (i *invocation) threshold(flag, prompt string) (int, error) {
	answer, err := i.ask(flag, "", prompt)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > most {
		return 0, i.usage("--%s %s is not a number from 1 to %d", flag, answer, most)
	}
	return n, nil
}

// existingKeys gives the KEYNUMs of signature keys to use that there are already.
func (i *invocation) existingKeys(folder *workstation.Folder, count int) ([]int, error) {
	all, err := folder.SigKeys()
	if err != nil {
		return nil, err
	}
	text := i.text("keynum", "")
	if text == "" {
		if len(all) == 0 || len(i.list("name", "")) == count {
			return nil, nil
		}
		t := newTable("KEYNUM", "DESCRIPTION", "SUBJECT KEY IDENTIFIER")
		for _, k := range all {
			t.row(k.KeyNum, k.Name, workstation.ShortSKI(k.SubjectKeyIdentifier)+"...")
		}
		if !i.json {
			t.print(i.s.Out)
		}
		if text, err = i.ask("keynum", "", "Enter the KEYNUM values of existing signature keys to use, separated by spaces, or nothing to make new ones:"); err != nil || text == "" {
			return nil, err
		}
	}
	list, err := i.parseKeyNums(text)
	if err == nil && len(list) > count {
		err = i.usage("%d administrators are to be installed, and %d signature keys were given", count, len(list))
	}
	return list, err
}

func (i *invocation) newAdministrator(folder *workstation.Folder, name string, place int) (*workstation.SigKey, error) {
	if err := workstation.CheckName(name); err != nil {
		return nil, i.usage("%v", err)
	}
	password, err := i.newPassword(place, "Enter a password to protect the signature key:")
	if err != nil {
		return nil, err
	}
	info, err := folder.AddSigKey(name, password)
	if err != nil {
		return nil, err
	}
	return folder.OpenSigKey(info.KeyNum, password)
}
