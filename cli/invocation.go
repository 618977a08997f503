package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"tumbler/api/client"
	"tumbler/cli/card"
	"tumbler/cli/workstation"
)

// invocation is one command that runs: what it was called with, and where it reads and writes.
type invocation struct {
	c    *urfave.Context
	s    Streams
	json bool
	in   *bufio.Reader
	// service holds the keys of a signing service, once they were asked for.
	service *serviceKeys
	readers card.Readers // of smart cards; nil until one is asked for
}

// action makes a command's action of a function over an invocation.
func action(s Streams, do func(context.Context, *invocation) error) urfave.ActionFunc {
	return func(c *urfave.Context) (err error) {
		i := &invocation{c: c, s: s, in: bufio.NewReader(s.In)}
		defer func() { err = errors.Join(err, i.close()) }()
		switch format := i.text(flagOutput, envOutput); format {
		case "", outputText:
		case outputJSON:
			i.json = true
		default:
			return i.usage("--output %s is not json or text", format)
		}
		return do(c.Context, i)
	}
}

func (i *invocation) usage(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...), Command: commandName(i.c)}
}

// given finds the context whose command was given a flag: the command itself, or one above it.
func (i *invocation) given(name string) *urfave.Context {
	for _, c := range i.c.Lineage() {
		if c.IsSet(name) {
			return c
		}
	}
	return nil
}

// text gives a flag's value, or else that of an environment variable (unless its name is empty).
func (i *invocation) text(name, env string) string {
	if c := i.given(name); c != nil {
		return c.String(name)
	}
	if env != "" {
		return i.s.Env(env)
	}
	return ""
}

// list gives the values of a flag that may be repeated; each may hold several, separated by commas.
func (i *invocation) list(name, env string) []string {
	var values []string
	if c := i.given(name); c != nil {
		values = c.StringSlice(name)
	} else if env != "" {
		values = []string{i.s.Env(env)}
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

func (i *invocation) flag(name string) bool {
	c := i.given(name)
	return c != nil && c.Bool(name)
}

// number parses a flag as a whole number of a range; it was not given: 0, false.
func (i *invocation) number(name string, least, most uint64) (uint64, bool, error) {
	c := i.given(name)
	if c == nil {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(c.String(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, true, i.usage("--%s %s is not a number from %d to %d", name, c.String(name), least, most)
	}
	return n, true, nil
}

func (i *invocation) span(name string, fallback time.Duration) (time.Duration, error) {
	c := i.given(name)
	if c == nil {
		return fallback, nil
	}
	d, err := time.ParseDuration(c.String(name))
	if err != nil || d <= 0 {
		return 0, i.usage("--%s %s is not a span such as 90s, 10m or 1h", name, c.String(name))
	}
	return d, nil
}

// arguments checks how many there are, by their names: "ID", or "[ID]" for one that may be left out.
func (i *invocation) arguments(names ...string) ([]string, error) {
	got := i.c.Args().Slice()
	for n, name := range names {
		if n >= len(got) && !strings.HasPrefix(name, "[") {
			return nil, i.usage("%s is missing", name)
		}
	}
	if len(got) > len(names) {
		return nil, i.usage("%s is one argument too many", quote(got[len(names)]))
	}
	return append(got, make([]string, len(names)-len(got))...), nil
}

func (i *invocation) connection() client.Config {
	return client.Config{
		Addresses: i.list(flagAddress, envAddress),
		CAFile:    i.text(flagCA, envCA),
		CertFile:  i.text(flagCert, envCert),
		KeyFile:   i.text(flagKey, envKey),
	}
}

// admin gives a client of the administration interface; the caller closes it.
func (i *invocation) admin() (*client.Client, error) { return client.New(i.connection()) }

// kms gives a client of the key interface; the caller closes it.
func (i *invocation) kms(ctx context.Context) (*client.KMS, error) {
	key, err := i.secret("API key", envAPIKey, flagAPIKeyFile)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, &client.ConfigError{Field: "API key", Err: errors.New("not given: `tumbler kms apikey create` makes one")}
	}
	instance := i.text(flagInstance, envInstance)
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

// folder opens the workstation folder.
func (i *invocation) folder() (*workstation.Folder, error) {
	factor := 0
	if text := i.text(flagWorkFactor, envWorkFactor); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, i.usage("%s %s is not a number", envWorkFactor, text)
		}
		factor = n
	}
	return workstation.Open(i.text(flagFiles, workstation.Env), factor)
}

// terminal tells whether a stream is one, and gives its file.
func terminal(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func quote(s string) string { return strconv.Quote(s) }

func join[T any](lists ...[]T) []T { return slices.Concat(lists...) }
