package workstation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tumbler/cryptounit/order"
)

// AdministratorsFile is where the folder keeps the administrators of an instance that this workstation itself installed:
// what a receipt is checked against. It is the DER of order.Administrators.
func (f *Folder) AdministratorsFile(instance order.ID) string {
	return filepath.Join(f.dir, "administrators-"+instance.String()+".der")
}

// KeepAdministrators remembers an instance's administrators.
func (f *Folder) KeepAdministrators(instance order.ID, list *order.Administrators) error {
	der, err := list.Encode()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(f.dir, ".administrators-*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(der)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), f.AdministratorsFile(instance))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(f.dir)
}

// ReplaceAdministrators remembers another list than before, and keeps the former one beside it under the number of the order
// that replaced it: receipts of earlier orders are checked against that.
func (f *Folder) ReplaceAdministrators(instance order.ID, list *order.Administrators, number uint64) error {
	current := f.AdministratorsFile(instance)
	former := strings.TrimSuffix(current, ".der") + fmt.Sprintf("-before-order-%d.der", number)
	if err := os.Link(current, former); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.KeepAdministrators(instance, list)
}

// ReadAdministrators reads a file as KeepAdministrators writes it.
func ReadAdministrators(path string) (*order.Administrators, error) {
	der, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no list of administrators in %s: name one that you trust with --administrators FILE", path)
	}
	if err != nil {
		return nil, err
	}
	list, err := order.DecodeAdministrators(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}
