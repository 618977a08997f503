package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Ask gives a flag's value, or else an environment variable's, or else asks for it. prompt is what Trusted Key Entry asks;
// a line "> " follows where the reference shows one.
func (i *Invocation) Ask(flag, env, prompt string) (string, error) {
	if c := i.Given(flag); c != nil {
		return strings.TrimSpace(c.String(flag)), nil
	}
	if env != "" && i.Streams.Env(env) != "" {
		return strings.TrimSpace(i.Streams.Env(env)), nil
	}
	i.prompt(prompt)
	answer, err := i.readLine()
	if errors.Is(err, io.EOF) {
		return "", i.Usage("no answer to %s: give --%s", strconv.Quote(prompt), flag)
	}
	return answer, err
}

// prompt writes a question and the line that the answer stands on. With --output json it goes to standard error, so that
// standard output stays JSON.
func (i *Invocation) prompt(text string) {
	w := i.Streams.Out
	if i.JSON {
		w = i.Streams.Err
	}
	_, _ = fmt.Fprintf(w, "%s\n> ", text)
}

func (i *Invocation) readLine() (string, error) {
	answer, err := i.await(func() (string, error) { return i.Input.ReadString('\n') })
	if err != nil && (!errors.Is(err, io.EOF) || answer == "") {
		return "", err
	}
	return strings.TrimSpace(answer), nil
}

// await reads an answer unless a signal comes first: signals end a command by its context, and a read does not look at that.
func (i *Invocation) await(read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-i.Context.Context.Done():
		return "", fmt.Errorf("%w at a question: nothing was signed", ErrInterrupted)
	}
}

// Password asks for a password without showing it. how says what to give instead of an answer.
func (i *Invocation) Password(prompt, how string) (string, error) {
	restore := func() error { return nil }
	if f, ok := Terminal(i.Streams.In); ok {
		var err error
		if restore, err = hideEcho(f); err != nil {
			return "", err
		}
	}
	i.prompt(prompt)
	answer, err := i.await(func() (string, error) { return i.Input.ReadString('\n') })
	err = errors.Join(err, restore())
	i.endPrompt()
	if err != nil && answer == "" {
		if errors.Is(err, io.EOF) {
			return "", i.Usage("no answer to %s: %s", strconv.Quote(prompt), how)
		}
		return "", err
	}
	return strings.TrimRight(answer, "\r\n"), nil
}

func (i *Invocation) endPrompt() {
	w := i.Streams.Out
	if i.JSON {
		w = i.Streams.Err
	}
	_, _ = fmt.Fprintln(w)
}

// Confirm asks a yes-or-no question; the answer is no unless it is y or yes. --yes answers it.
func (i *Invocation) Confirm(question string) (bool, error) {
	if i.Flag(flagYes) {
		return true, nil
	}
	w := i.Streams.Out
	if i.JSON {
		w = i.Streams.Err
	}
	_, _ = fmt.Fprintf(w, "%s\nAnswer [y/N]:\n> ", question)
	answer, err := i.readLine()
	if errors.Is(err, io.EOF) {
		return false, i.Usage("no answer to %s: give --%s", strconv.Quote(question), flagYes)
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", err
}

// Secret gives a secret from an environment variable or from the file that a flag names: never from a flag itself, which
// every process on the machine could read. There is none: "".
func (i *Invocation) Secret(what, env, fileFlag string) (string, error) {
	if path := i.Text(fileFlag, ""); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		return strings.TrimSpace(string(data)), nil
	}
	return i.Streams.Env(env), nil
}

// secretLines gives the lines of the file that a flag names: several passwords.
func (i *Invocation) secretLines(fileFlag string) ([]string, error) {
	path := i.Text(fileFlag, "")
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", fileFlag, err)
	}
	return strings.Split(strings.TrimRight(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n"), "\n"), nil
}
