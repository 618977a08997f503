package workstation

import (
	"slices"
)

const selectionFile = "selection.json"

// selection is what later commands work with.
type selection struct {
	SigKeys []int `json:"sigkeys"` // KEYNUMs of the current signature keys
	// ServiceKeys are the names of the current ones in a signing service, which takes the place of files.
	ServiceKeys []string            `json:"service_keys,omitempty"`
	Deselects   map[string][]uint32 `json:"deselects"` // units taken out of the selection, by instance; all others are in
}

func (f *Folder) selection() (selection, error) {
	s := selection{Deselects: map[string][]uint32{}}
	err := f.read(selectionFile, &s)
	return s, err
}

// SelectSigKeys makes signature keys the current ones, which sign from now on.
func (f *Folder) SelectSigKeys(keyNums []int) error {
	s, err := f.selection()
	if err != nil {
		return err
	}
	keyNums = slices.Clone(keyNums)
	slices.Sort(keyNums)
	s.SigKeys = slices.Compact(keyNums)
	return f.write(selectionFile, s)
}

// SelectedSigKeys gives the KEYNUMs of the current signature keys.
func (f *Folder) SelectedSigKeys() ([]int, error) {
	s, err := f.selection()
	return s.SigKeys, err
}

// SelectServiceKeys makes keys of a signing service, by their names there, the current ones.
func (f *Folder) SelectServiceKeys(names []string) error {
	s, err := f.selection()
	if err != nil {
		return err
	}
	s.ServiceKeys = names
	return f.write(selectionFile, s)
}

// SelectedServiceKeys gives the names of the current keys in a signing service; none were chosen: none.
func (f *Folder) SelectedServiceKeys() ([]string, error) {
	s, err := f.selection()
	return s.ServiceKeys, err
}

// Selected tells whether a crypto unit of an instance is selected. Every unit is until it is taken out.
func (f *Folder) Selected(instance string, number uint32) (bool, error) {
	s, err := f.selection()
	return !slices.Contains(s.Deselects[instance], number), err
}

// SelectUnit puts a crypto unit into the selection or takes it out.
func (f *Folder) SelectUnit(instance string, number uint32, in bool) error {
	s, err := f.selection()
	if err != nil {
		return err
	}
	out := slices.DeleteFunc(s.Deselects[instance], func(n uint32) bool { return n == number })
	if !in {
		out = append(out, number)
		slices.Sort(out)
	}
	s.Deselects[instance] = out
	return f.write(selectionFile, s)
}
