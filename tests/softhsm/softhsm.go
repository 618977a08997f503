// Package softhsm gives tests real smart cards in software: tokens of SoftHSM2, in a folder of the test.
package softhsm

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	return WithPIN(t, PIN, labels...)
}

// WithPIN is New with another PIN.
func WithPIN(t testing.TB, pin string, labels ...string) *Cards {
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
		c.util("--init-token", "--free", "--label", label, "--so-pin", "13572468", "--pin", pin)
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

// Hide takes a token out of its reader until it is put back.
func (c *Cards) Hide(label string) (back func()) {
	c.t.Helper()
	away := filepath.Join(filepath.Dir(c.Dir), "hidden")
	folder := c.folder(label)
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			c.t.Fatal(err)
		}
	}
	move(folder, away)
	return func() { move(away, folder) }
}

// Objects names the objects of a token, in no order: not by their labels, which are sealed where the object is private.
func (c *Cards) Objects(label string) []string {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.folder(label), "*-*.object"))
	if err != nil {
		c.t.Fatal(err)
	}
	return files
}

// Keep deletes all other objects of a token, as the card's own tools do.
func (c *Cards) Keep(label string, objects []string) {
	c.t.Helper()
	deleted := 0
	for _, file := range c.Objects(label) {
		if slices.Contains(objects, file) {
			continue
		}
		if err := os.Remove(file); err != nil {
			c.t.Fatal(err)
		}
		deleted++
	}
	if deleted == 0 {
		c.t.Fatalf("token %s has no other object", label)
	}
}

// folder is where SoftHSM2 keeps a token: the one that it would delete by that label.
func (c *Cards) folder(label string) string {
	c.t.Helper()
	folders, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "token.object"))
		if err == nil && bytes.Contains(text, []byte(label+" ")) {
			return folder
		}
	}
	c.t.Fatalf("there is no token %s", label)
	return ""
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
