// Package softhsm gives tests real smart cards in software: tokens of SoftHSM2, in a folder of the test.
package softhsm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// PIN is that of every token.
const PIN = "739214"

// Cards are the tokens of one test.
type Cards struct {
	t testing.TB
	// Module is the path of the PKCS #11 library.
	Module string
	// Config is the file that SOFTHSM2_CONF names in this process, and must name in those that it starts.
	Config string
	// Dir holds a file for each object.
	Dir string
}

// New makes tokens with these labels, for the rest of the test.
func New(t testing.TB, labels ...string) *Cards {
	t.Helper()
	dir := t.TempDir()
	c := &Cards{t: t, Module: module(t), Config: filepath.Join(dir, "softhsm2.conf"), Dir: filepath.Join(dir, "tokens")}
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", c.Dir)
	if err := os.WriteFile(c.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", c.Config)
	for _, label := range labels {
		c.util("--init-token", "--free", "--label", label, "--so-pin", "13572468", "--pin", PIN)
	}
	return c
}

// Mechanisms leaves the tokens these mechanisms alone, by their names in the configuration of SoftHSM2 ("-,CKM_X": all but X). It
// holds for whoever loads the library afterwards.
func (c *Cards) Mechanisms(names string) {
	c.t.Helper()
	file, err := os.OpenFile(c.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(file, "slots.mechanisms = %s\n", names)
		err = firstOf(err, file.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// URI names a token.
func (c *Cards) URI(label string) string {
	return "pkcs11:token=" + label + "?module-path=" + c.Module
}

// Remove takes a token away for ever.
func (c *Cards) Remove(label string) {
	c.t.Helper()
	c.util("--delete-token", "--token", label)
}

func (c *Cards) util(args ...string) {
	c.t.Helper()
	command := exec.Command("softhsm2-util", args...)
	command.Env = append(os.Environ(), "SOFTHSM2_CONF="+c.Config)
	if out, err := command.CombinedOutput(); err != nil {
		c.t.Fatalf("softhsm2-util %q: %v\n%s\n(`make deps` installs SoftHSM2)", args, err, out)
	}
}

func module(t testing.TB) string {
	t.Helper()
	for _, pattern := range []string{
		"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
		"/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so",
	} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("there is no libsofthsm2.so: `make deps` installs SoftHSM2")
	return ""
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
