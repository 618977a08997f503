// Package custody has crypto units in a process of its own, so that a test can
// play the workstations that send them key parts, and search what that process
// keeps: Serve is what the process does, Call and Answer are what is said.
package custody

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Serve opens units in a folder and serves net/rpc on standard input and output until that ends. At SIGUSR1 it collects
// its garbage and stops its process.
func Serve(dir string) error {
	go standStill()
	server := rpc.NewServer()
	units, err := open(dir)
	if err != nil {
		return err
	}
	if err := server.Register(units); err != nil {
		return err
	}
	server.ServeConn(pipe{os.Stdin, os.Stdout})
	return nil
}

type pipe struct {
	io.ReadCloser
	io.Writer
}

func standStill() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	for range asked {
		for range 2 { // as a node of the test builds does
			dropped, mark := make(chan struct{}), new([64]byte)
			runtime.AddCleanup(mark, func(dropped chan struct{}) { close(dropped) }, dropped)
			runtime.GC()
			<-dropped
		}
		runtime.GC()
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // a process may always stop itself
	}
}

// sealer seals file keys under a key of this process alone.
type sealer struct{ aead cipher.AEAD }

func newSealer() (sealer, error) {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

func (s sealer) Seal(plain []byte) ([]byte, error)  { return s.aead.Seal(nil, nil, plain, nil), nil }
func (s sealer) Open(sealed []byte) ([]byte, error) { return s.aead.Open(nil, nil, sealed, nil) }

// Units are the units' steps, by net/rpc's rules.
type Units struct{ units []*cryptounit.Unit }

// Count is how many units there are, numbered from 1.
const Count = 2

func open(dir string) (*Units, error) {
	sealer, err := newSealer()
	if err != nil {
		return nil, err
	}
	u := new(Units)
	for number := uint32(1); number <= Count; number++ {
		unit, err := cryptounit.Open(cryptounit.Config{
			Dir: filepath.Join(dir, fmt.Sprint(number)), Number: number, Role: order.Operational, Sealer: sealer,
		})
		if err != nil {
			return nil, err
		}
		u.units = append(u.units, unit)
	}
	return u, nil
}

// Call is what a unit is told.
type Call struct {
	Unit           uint32
	Administrators order.Administrators
	Signatures     []order.Signature
	Order          order.SignedOrder
	Evidence       order.Evidence
	Envelopes      []order.Envelope
}

// Answer is what it says.
type Answer struct {
	Identity  order.Identity
	Registers masterkey.Registers
	Statement *order.SignedStatement
}

func (u *Units) step(c Call, a *Answer, do func(*cryptounit.Unit) (*order.SignedStatement, error)) (err error) {
	if c.Unit == 0 || c.Unit > Count {
		return errors.New("there is no such unit")
	}
	unit := u.units[c.Unit-1]
	a.Statement, err = do(unit)
	status := unit.Status()
	a.Identity, a.Registers = status.Identity, status.Registers
	return err
}

func stated(s order.SignedStatement, err error) (*order.SignedStatement, error) { return &s, err }

// Status shows a unit.
func (u *Units) Status(c Call, a *Answer) error {
	return u.step(c, a, func(*cryptounit.Unit) (*order.SignedStatement, error) { return nil, nil })
}

// SetAdministrators ends imprint mode.
func (u *Units) SetAdministrators(c Call, a *Answer) error {
	return u.step(c, a, func(unit *cryptounit.Unit) (*order.SignedStatement, error) {
		return nil, unit.SetAdministrators(c.Administrators, c.Signatures)
	})
}

// Accept takes the order up.
func (u *Units) Accept(c Call, a *Answer) error {
	return u.step(c, a, func(unit *cryptounit.Unit) (*order.SignedStatement, error) { return stated(unit.Accept(c.Order)) })
}

// LoadParts takes key parts.
func (u *Units) LoadParts(c Call, a *Answer) error {
	return u.step(c, a, func(unit *cryptounit.Unit) (*order.SignedStatement, error) {
		s, _, err := unit.LoadParts(&c.Evidence, c.Envelopes)
		return s, err
	})
}

// Commit fixes what the parts made.
func (u *Units) Commit(c Call, a *Answer) error {
	return u.step(c, a, func(unit *cryptounit.Unit) (*order.SignedStatement, error) { return stated(unit.Commit(&c.Evidence)) })
}

// SetImmediate makes it the current master key.
func (u *Units) SetImmediate(c Call, a *Answer) error {
	return u.step(c, a, func(unit *cryptounit.Unit) (*order.SignedStatement, error) {
		return stated(unit.SetImmediate(&c.Evidence))
	})
}
