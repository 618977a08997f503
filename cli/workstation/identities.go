package workstation

import (
	"encoding/hex"
	"fmt"
	"slices"
)

const identitiesFile = "identities.json"

// identities are Ed25519 public keys (hex) of crypto units, by instance and number.
type identities struct {
	Instances map[string]map[uint32]string `json:"instances"`
}

// IdentityChangedError refuses a unit whose identity is not the one that the folder remembers.
type IdentityChangedError struct {
	Instance    string
	Number      uint32
	Pinned, Got string // hex
	File        string
}

func (e *IdentityChangedError) Error() string {
	return fmt.Sprintf("crypto unit %d shows identity %s, and this workstation knows it as %s: nothing was signed. "+
		"If the unit was zeroized or replaced on purpose, compare its fingerprint with the one that its operator reads from it, "+
		"then write it in the place of the former one in %s and run the command again. Otherwise somebody may stand in its place", e.Number, e.Got, e.Pinned, e.File)
}

// CheckIdentities refuses units of an instance whose identity differs from the one remembered. known tells which are
// remembered.
func (f *Folder) CheckIdentities(instance string, units map[uint32][]byte) (known map[uint32]bool, err error) {
	all, err := f.identities()
	if err != nil {
		return nil, err
	}
	known = map[uint32]bool{}
	for _, number := range sorted(units) {
		pinned, ok := all.Instances[instance][number]
		if !ok {
			continue
		}
		if got := hex.EncodeToString(units[number]); got != pinned {
			return nil, &IdentityChangedError{instance, number, pinned, got, f.dir + "/" + identitiesFile}
		}
		known[number] = true
	}
	return known, nil
}

// PinIdentities remembers identities of units. One that is remembered otherwise is refused, and nothing is written.
func (f *Folder) PinIdentities(instance string, units map[uint32][]byte) error {
	known, err := f.CheckIdentities(instance, units)
	if err != nil || len(known) == len(units) {
		return err
	}
	all, err := f.identities()
	if err != nil {
		return err
	}
	if all.Instances[instance] == nil {
		all.Instances[instance] = map[uint32]string{}
	}
	for number, identity := range units {
		all.Instances[instance][number] = hex.EncodeToString(identity)
	}
	return f.write(identitiesFile, all)
}

// ForgetIdentities forgets units that an order removed: the next unit with such a number is another one.
func (f *Folder) ForgetIdentities(instance string, numbers []uint32) error {
	all, err := f.identities()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		delete(all.Instances[instance], n)
	}
	return f.write(identitiesFile, all)
}

func (f *Folder) identities() (identities, error) {
	all := identities{Instances: map[string]map[uint32]string{}}
	err := f.read(identitiesFile, &all)
	return all, err
}

func sorted(units map[uint32][]byte) []uint32 {
	numbers := make([]uint32, 0, len(units))
	for n := range units {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}
