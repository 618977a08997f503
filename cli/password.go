package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
)

// passwordSource is where the passwords of one kind of sealed file come from if nobody is asked: a line each of the file that a
// flag names, and an environment variable, which with _<KEYNUM> behind its name is for one file alone.
type passwordSource struct{ env, flag string }

// how says what to give instead of an answer.
func (s passwordSource) how() string {
	return fmt.Sprintf("set %s (or %s_<KEYNUM>), or give --%s FILE", s.env, s.env, s.flag)
}

// chosenPassword is the password of a new file. It prints as nothing.
type chosenPassword struct {
	text      string
	generated bool
}

// Format prints a password that somebody has, in every format.
func (p chosenPassword) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// toShow gives a password that was generated, which is shown once.
func (p chosenPassword) toShow() string {
	if !p.generated {
		return ""
	}
	return p.text
}

func (p chosenPassword) show(w io.Writer) {
	if p.generated {
		line(w, "Its password, which is shown this once and kept nowhere:\n%s", p.text)
	}
}

const flagGenerate = "generate-password"

func generateFlag(what string) urfave.Flag {
	return &urfave.BoolFlag{Name: flagGenerate, Usage: "draw the password that protects " + what + ", and show it once"}
}

// newPassword gives the password for a new file of which the known words can be guessed: drawn if --generate-password says so,
// from the place in the password file, from the environment, or asked for twice.
func (i *invocation) newPassword(from passwordSource, place int, prompt string, known ...string) (chosenPassword, error) {
	if i.flag(flagGenerate) {
		return chosenPassword{workstation.GeneratePassword(), true}, nil
	}
	password, given, err := i.givenPassword(from, 0, place)
	if err == nil && !given {
		password, err = i.passwordTwice(prompt, from.how())
	}
	if err == nil {
		err = workstation.CheckPassword(password, known...)
	}
	return chosenPassword{password, false}, err
}

// passwordTwice asks for a password and for the same again.
func (i *invocation) passwordTwice(prompt, how string) (string, error) {
	password, err := i.password(prompt, how)
	if err != nil {
		return "", err
	}
	again, err := i.password("Re-enter the password to confirm:", how)
	if err == nil && again != password {
		err = errors.New("the two passwords differ: run the command again")
	}
	return password, err
}

// givenPassword gives a password that needs no prompt: the file's own variable, its line of the password file, or the
// variable for all files.
func (i *invocation) givenPassword(from passwordSource, keyNum, place int) (string, bool, error) {
	if keyNum > 0 {
		if p := i.s.Env(from.env + "_" + strconv.Itoa(keyNum)); p != "" {
			return p, true, nil
		}
	}
	lines, err := i.secretLines(from.flag)
	if err != nil {
		return "", false, err
	}
	if lines != nil {
		if place >= len(lines) {
			return "", false, i.usage("--%s holds %d passwords, and a further one is needed: a line each, in the order of the KEYNUMs", from.flag, len(lines))
		}
		return lines[place], true, nil
	}
	p := i.s.Env(from.env)
	return p, p != "", nil
}

// passwordOf gives the password of an existing file: one that is given, or else asked for.
func (i *invocation) passwordOf(from passwordSource, keyNum, place int, prompt string) (string, error) {
	password, given, err := i.givenPassword(from, keyNum, place)
	if err == nil && !given {
		password, err = i.password(prompt, from.how())
	}
	return password, err
}
