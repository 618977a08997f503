//go:build !linux

package command

import (
	"errors"
	"os"
)

// hideEcho is not written for this system: a password that would show is not asked for.
func hideEcho(*os.File) (restore func() error, err error) {
	return nil, errors.New("a password cannot be hidden on this system: " + sigKeyPasswords.how())
}
