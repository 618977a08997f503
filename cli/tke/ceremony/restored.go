package ceremony

import (
	"slices"

	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// SignedEnding is that of the file with the signatures of an order which another machine waits for: it is put beside the order.
const SignedEnding = ".signed"

// Repin forgets the units that a restore order removes, and remembers the one that it makes.
func Repin(folder *workstation.Folder, restore *order.Order) error {
	made := restore.Subject.Units[0]
	forgotten := NumbersOf(restore.Units)
	if !slices.Contains(forgotten, made.Number) {
		forgotten = append(forgotten, made.Number)
	}
	instance := restore.Instance.String()
	if err := folder.ForgetIdentities(instance, forgotten); err != nil {
		return err
	}
	return folder.PinIdentities(instance, map[uint32][]byte{made.Number: made.Identity[:]})
}
