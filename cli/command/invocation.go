package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"tumbler/api/client"
	"tumbler/cli/workstation"
)

// Invocation is one command that runs: what it was called with, and where it reads and writes.
type Invocation struct {
	Context *urfave.Context
	Streams Streams
	JSON    bool
	Input   *bufio.Reader
}

// Action makes a command's action of a function over an invocation.
func Action(s Streams, do func(context.Context, *Invocation) error) urfave.ActionFunc {
	return func(c *urfave.Context) error {
		i := &Invocation{Context: c, Streams: s, Input: bufio.NewReader(s.In)}
		switch format := i.Text(FlagOutput, EnvOutput); format {
		case "", outputText:
		case OutputJSON:
			i.JSON = true
		default:
			return i.Usage("--output %s is not json or text", format)
		}
		return do(c.Context, i)
	}
}

// Usage is the error of a command that was called wrongly.
func (i *Invocation) Usage(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...), Command: CommandName(i.Context)}
}

// Given finds the context whose command was given a flag: the command itself, or one above it.
func (i *Invocation) Given(name string) *urfave.Context {
	for _, c := range i.Context.Lineage() {
		if c.IsSet(name) {
			return c
		}
	}
	return nil
}

// Text gives a flag's value, or else that of an environment variable (unless its name is empty).
func (i *Invocation) Text(name, env string) string {
	if c := i.Given(name); c != nil {
		return c.String(name)
	}
	if env != "" {
		return i.Streams.Env(env)
	}
	return ""
}

// List gives the values of a flag that may be repeated; each may hold several, separated by commas.
func (i *Invocation) List(name, env string) []string {
	var values []string
	if c := i.Given(name); c != nil {
		values = c.StringSlice(name)
	} else if env != "" {
		values = []string{i.Streams.Env(env)}
	}
	var list []string
	for _, v := range values {
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// Flag tells whether a flag without a value was given.
func (i *Invocation) Flag(name string) bool {
	c := i.Given(name)
	return c != nil && c.Bool(name)
}

// Number parses a flag as a whole number of a range; it was not given: 0, false.
func (i *Invocation) Number(name string, least, most uint64) (uint64, bool, error) {
	c := i.Given(name)
	if c == nil {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(c.String(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, true, i.Usage("--%s %s is not a number from %d to %d", name, c.String(name), least, most)
	}
	return n, true, nil
}

// Span parses a flag as a length of time above 0.
func (i *Invocation) Span(name string, fallback time.Duration) (time.Duration, error) {
	c := i.Given(name)
	if c == nil {
		return fallback, nil
	}
	d, err := time.ParseDuration(c.String(name))
	if err != nil || d <= 0 {
		return 0, i.Usage("--%s %s is not a span such as 90s, 10m or 1h", name, c.String(name))
	}
	return d, nil
}

// Arguments checks how many there are, by their names: "ID", or "[ID]" for one that may be left out.
func (i *Invocation) Arguments(names ...string) ([]string, error) {
	got := i.Context.Args().Slice()
	for n, name := range names {
		if n >= len(got) && !strings.HasPrefix(name, "[") {
			return nil, i.Usage("%s is missing", name)
		}
	}
	if len(got) > len(names) {
		return nil, i.Usage("%s is one argument too many", strconv.Quote(got[len(names)]))
	}
	return append(got, make([]string, len(names)-len(got))...), nil
}

func (i *Invocation) connection() client.Config {
	return client.Config{
		Addresses: i.List(flagAddress, EnvAddress),
		CAFile:    i.Text(flagCA, EnvCA),
		CertFile:  i.Text(flagCert, EnvCert),
		KeyFile:   i.Text(flagKey, EnvKey),
	}
}

// Admin gives a client of the administration interface; the caller closes it.
func (i *Invocation) Admin() (*client.Client, error) { return client.New(i.connection()) }

// KMS gives a client of the key interface; the caller closes it.
func (i *Invocation) KMS(ctx context.Context) (*client.KMS, error) {
	key, err := i.Secret("API key", EnvAPIKey, flagAPIKeyFile)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, &client.ConfigError{Field: "API key", Err: errors.New("not given: `tumbler kms apikey create` makes one")}
	}
	instance := i.Text(flagInstance, EnvInstance)
	connection := i.connection()
	if instance == "" && connection.CertFile != "" {
		admin, err := client.New(connection)
		if err != nil {
			return nil, err
		}
		defer admin.Close()
		context, err := admin.OrderContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking for the instance: %w", err)
		}
		instance = context.Instance
	}
	return client.NewKMS(client.KMSConfig{Config: connection, APIKey: key, Instance: instance})
}

// Folder opens the workstation folder.
func (i *Invocation) Folder() (*workstation.Folder, error) {
	factor := 0
	if text := i.Text(flagWorkFactor, EnvWorkFactor); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, i.Usage("%s %s is not a number", EnvWorkFactor, text)
		}
		factor = n
	}
	return workstation.Open(i.Text(flagFiles, workstation.Env), factor)
}

// Terminal tells whether a stream is one, and gives its file.
func Terminal(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// Administration runs a command that takes no arguments and talks to the administration interface.
func (i *Invocation) Administration(ctx context.Context, do func(*client.Client) error) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	admin, err := i.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	return do(admin)
}

// ByID is a command that does something, and no more, to what an ID names.
func ByID(do func(admin *client.Client, ctx context.Context, id string) (client.Done, error), says string) func(context.Context, *Invocation) error {
	return func(ctx context.Context, i *Invocation) error {
		args, err := i.Arguments("ID")
		if err != nil {
			return err
		}
		admin, err := i.Admin()
		if err != nil {
			return err
		}
		defer admin.Close()
		done, err := do(admin, ctx, args[0])
		if err != nil {
			return err
		}
		return i.Done(done, says)
	}
}
