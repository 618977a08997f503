package cli

import (
	"bytes"
	"fmt"
	"slices"

	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// signatureKey is an administrator's signature key that may be used: it signs wherever its private key is, in this process
// or outside it.
type signatureKey interface {
	order.Signer
	// Info says which key it is. Public is the key that it names.
	Info() workstation.SigKeyInfo
}

// quorum opens as many signature keys as a step needs: those that --keynum names, or else the current ones, or else those
// asked for. Each must be an administrator's (a public key of the list).
func (i *invocation) quorum(folder *workstation.Folder, administrators [][]byte, need int) ([]signatureKey, error) {
	ring, err := i.keyring(folder)
	if err != nil {
		return nil, err
	}
	chosen, explicit, err := i.chosenKeys(ring)
	if err != nil {
		return nil, err
	}
	var signing []workstation.SigKeyInfo
	for place, n := range chosen {
		if len(signing) == need && !explicit { // to look at one more may ask for its token
			break
		}
		info, err := ring.look(n, place)
		if err != nil {
			return nil, err
		}
		known := slices.ContainsFunc(administrators, func(a []byte) bool { return bytes.Equal(a, info.PublicKey) })
		if known {
			signing = append(signing, info)
		} else if explicit {
			return nil, refused(returnUnauthorised, 0, "KEYNUM %d, %s, is not an administrator of the crypto units: choose others with --keynum", n, info)
		}
	}
	if len(signing) < need {
		return nil, refused(returnTooFew, 0, "%s needed, and %s of administrators here: choose more signature keys with --keynum or `tumbler tke sigkey-sel`",
			are(need, "signature"), are(len(signing), "chosen signature key"))
	}
	keys := make([]signatureKey, need)
	for place, info := range signing[:need] {
		if keys[place], err = ring.open(info.KeyNum, place, identifiedBy(info)); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// chosenKeys gives KEYNUMs, and whether they were named for this command.
func (i *invocation) chosenKeys(ring keyring) ([]int, bool, error) {
	if text := i.text("keynum", ""); text != "" {
		list, err := i.parseKeyNums(text)
		return list, true, err
	}
	selected, err := ring.current()
	if err != nil || len(selected) > 0 {
		return selected, false, err
	}
	answer, err := i.ask("keynum", "", "Enter the KEYNUM values of the signature keys to sign with, separated by spaces:")
	if err != nil {
		return nil, false, err
	}
	list, err := i.parseKeyNums(answer)
	return list, true, err
}

// identifiedBy is how a key's password is asked for.
func identifiedBy(info workstation.SigKeyInfo) string {
	return "Enter the password for the signature key identified by:\n" + info.String()
}

func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}
