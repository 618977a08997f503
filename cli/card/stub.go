//go:build !cgo

package card

// New refuses: the program was built without cgo.
func New(Asker) (Readers, error) {
	return nil, refuse(ErrNotBuilt, "their libraries are in C; `make cards` builds bin/tumbler-cards, which has it, where there is a C compiler")
}
