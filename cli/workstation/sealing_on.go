//go:build !(plantedkeys && unsealed)

package workstation

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/order"
)

// What the leak test takes away, to see what its search finds then: sealing_off.go.

// seal makes an age file with one scrypt recipient.
func (f *Folder) seal(secret []byte, password string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(password)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(f.workFactor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(secret); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

func unseal(sealed []byte, password string) ([]byte, error) {
	if password == "" {
		return nil, ErrWrongPassword
	}
	identity, err := age.NewScryptIdentity(password)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(MostWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrWrongPassword
	}
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w: restore it from a backup", err)
	}
	secret, err := io.ReadAll(io.LimitReader(r, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w: restore it from a backup", err)
	}
	return secret, nil
}

// sealPart seals a part to an importer key.
func sealPart(suite order.Suite, importerKey, info, part []byte) ([]byte, error) {
	return importer.Seal(suite, importerKey, info, part)
}
