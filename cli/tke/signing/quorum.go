package signing

import (
	"bytes"
	"fmt"
	"slices"

	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// SignatureKey is an administrator's signature key that may be used: it signs wherever its private key is, in this process
// or outside it.
type SignatureKey interface {
	order.Signer
	// Info says which key it is. Public is the key that it names.
	Info() workstation.SigKeyInfo
}

// Quorum opens as many signature keys as a step needs: those that --keynum names, or else the current ones, or else those
// asked for. Each must be an administrator's (a public key of the list).
func (i *Session) Quorum(folder *workstation.Folder, administrators [][]byte, need int) ([]SignatureKey, error) {
	ring, err := i.Keyring(folder)
	if err != nil {
		return nil, err
	}
	chosen, explicit, err := i.ChosenKeys(ring)
	if err != nil {
		return nil, err
	}
	var signing []workstation.SigKeyInfo
	for place, n := range chosen {
		if len(signing) == need && !explicit { // to look at one more may ask for its token
			break
		}
		info, err := ring.Look(n, place)
		if err != nil {
			return nil, err
		}
		known := slices.ContainsFunc(administrators, func(a []byte) bool { return bytes.Equal(a, info.PublicKey) })
		if known {
			signing = append(signing, info)
		} else if explicit {
			return nil, command.Refused(command.ReturnUnauthorised, 0, "KEYNUM %d, %s, is not an administrator of the crypto units: choose others with --keynum", n, info)
		}
	}
	if len(signing) < need {
		return nil, command.Refused(command.ReturnTooFew, 0, "%s needed, and %s of administrators here: choose more signature keys with --keynum or `tumbler tke sigkey-sel`",
			are(need, "signature"), are(len(signing), "chosen signature key"))
	}
	keys := make([]SignatureKey, need)
	for place, info := range signing[:need] {
		if keys[place], err = ring.Open(info.KeyNum, place, IdentifiedBy(info)); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// ChosenKeys gives KEYNUMs, in the order in which they were named, and whether they were named for this command.
func (i *Session) ChosenKeys(ring Keyring) ([]int, bool, error) {
	if text := i.Text("keynum", ""); text != "" {
		list, err := i.KeyNumList(text)
		return list, true, err
	}
	selected, err := ring.Current()
	if err != nil || len(selected) > 0 {
		return selected, false, err
	}
	answer, err := i.Ask("keynum", "", "Enter the KEYNUM values of the signature keys to sign with, separated by spaces:")
	if err != nil {
		return nil, false, err
	}
	list, err := i.KeyNumList(answer)
	return list, true, err
}

// IdentifiedBy is how a key's password is asked for.
func IdentifiedBy(info workstation.SigKeyInfo) string {
	return "Enter the password for the signature key identified by:\n" + info.String()
}

func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}
