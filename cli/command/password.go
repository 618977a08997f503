package command

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
)

// PasswordSource is where the passwords of one kind of sealed file come from if nobody is asked: a line each of the file that a
// flag names, and an environment variable, which with _<KEYNUM> behind its name is for one file alone.
type PasswordSource struct{ Env, Flag string }

// How says what to give instead of an answer.
func (s PasswordSource) How() string {
	return fmt.Sprintf("set %s (or %s_<KEYNUM>), or give --%s FILE", s.Env, s.Env, s.Flag)
}

// ChosenPassword is the password of a new file. It prints as nothing.
type ChosenPassword struct {
	Text      string
	Generated bool
}

// Format prints a password that somebody has, in every format.
func (p ChosenPassword) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// ToShow gives a password that was generated, which is shown once.
func (p ChosenPassword) ToShow() string {
	if !p.Generated {
		return ""
	}
	return p.Text
}

// Show says the password, if it was generated here: nobody else knows it.
func (p ChosenPassword) Show(w io.Writer) {
	if p.Generated {
		Line(w, "Its password, which is shown this once and kept nowhere:\n%s", p.Text)
	}
}

const flagGenerate = "generate-password"

// GenerateFlag has a password generated.
func GenerateFlag(what string) urfave.Flag {
	return &urfave.BoolFlag{Name: flagGenerate, Usage: "draw the password that protects " + what + ", and show it once"}
}

// NewPassword gives the password for a new file of which the known words can be guessed: drawn if --generate-password says so,
// from the place in the password file, from the environment, or asked for twice.
func (i *Invocation) NewPassword(from PasswordSource, place int, prompt string, known ...string) (ChosenPassword, error) {
	if i.Flag(flagGenerate) {
		return ChosenPassword{workstation.GeneratePassword(), true}, nil
	}
	password, given, err := i.GivenPassword(from, 0, place)
	if err == nil && !given {
		password, err = i.passwordTwice(prompt, from.How())
	}
	if err == nil {
		err = workstation.CheckPassword(password, known...)
	}
	return ChosenPassword{password, false}, err
}

// passwordTwice asks for a password and for the same again.
func (i *Invocation) passwordTwice(prompt, how string) (string, error) {
	password, err := i.Password(prompt, how)
	if err != nil {
		return "", err
	}
	again, err := i.Password("Re-enter the password to confirm:", how)
	if err == nil && again != password {
		err = errors.New("the two passwords differ: run the command again")
	}
	return password, err
}

// GivenPassword gives a password that needs no prompt: the file's own variable, its line of the password file, or the
// variable for all files.
func (i *Invocation) GivenPassword(from PasswordSource, keyNum, place int) (string, bool, error) {
	if keyNum > 0 {
		if p := i.Streams.Env(from.Env + "_" + strconv.Itoa(keyNum)); p != "" {
			return p, true, nil
		}
	}
	lines, err := i.secretLines(from.Flag)
	if err != nil {
		return "", false, err
	}
	if lines != nil {
		if place >= len(lines) {
			return "", false, i.Usage("--%s holds %d passwords, and a further one is needed: a line each, in the order of the KEYNUMs", from.Flag, len(lines))
		}
		return lines[place], true, nil
	}
	p := i.Streams.Env(from.Env)
	return p, p != "", nil
}

// PasswordOf gives the password of an existing file: one that is given, or else asked for.
func (i *Invocation) PasswordOf(from PasswordSource, keyNum, place int, prompt string) (string, error) {
	password, given, err := i.GivenPassword(from, keyNum, place)
	if err == nil && !given {
		password, err = i.Password(prompt, from.How())
	}
	return password, err
}
