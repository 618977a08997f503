package cli

import (
	"context"
	"errors"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
)

func tokenCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "token",
		Usage: "one-time tokens with which nodes join",
		Subcommands: []*urfave.Command{
			{
				Name:        "create",
				Usage:       "make a token; its secret is shown this once only",
				Description: "Example:\n   tumbler cluster token create --ttl 10m --unit 4",
				Flags:       adminFlags(text("ttl", "how long it can be used, a `SPAN` such as 10m; 1h is the default"), text("unit", "`NUMBER` of the only unit that may use it; else any")),
				Action:      action(s, tokenCreate),
			},
			{
				Name:        "list",
				Usage:       "list tokens",
				Description: "Example:\n   tumbler cluster token list",
				Flags:       adminFlags(),
				Action:      action(s, tokenList),
			},
			{
				Name:        "revoke",
				Usage:       "make a token useless",
				ArgsUsage:   "ID",
				Description: "Example:\n   tumbler cluster token revoke 5d4c2a1e",
				Flags:       adminFlags(),
				Action:      action(s, byID((*client.Client).RevokeToken, "The token was revoked.")),
			},
		},
	}
}

func tokenCreate(ctx context.Context, i *invocation) error {
	ttl, err := i.span("ttl", 0)
	if err != nil {
		return err
	}
	unit, _, err := i.number("unit", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		token, err := admin.CreateToken(ctx, client.CreateTokenRequest{Unit: uint32(unit), TTLSeconds: int64(ttl / time.Second)})
		if err != nil {
			return err
		}
		return i.done(token, "Token:    "+token.Secret, "ID:       "+token.ID, "Expires:  "+when(token.ExpiresAt))
	})
}

func tokenList(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		tokens, err := admin.Tokens(ctx)
		if err != nil {
			return err
		}
		return i.result(tokens, func(w io.Writer) {
			t := newTable("ID", "STATE", "FOR", "EXPIRES", "USED BY")
			for _, k := range tokens.Tokens {
				t.row(k.ID, k.State, tokenUnit(k.Unit), when(k.ExpiresAt), tokenUnit(k.UsedBy))
			}
			t.print(w)
		})
	})
}

func tokenUnit(number uint32) string {
	if number == 0 {
		return "-"
	}
	return "node " + thousands(uint64(number))
}

// byID is a command that does something, and no more, to what an ID names.
func byID(do func(admin *client.Client, ctx context.Context, id string) (client.Done, error), says string) func(context.Context, *invocation) error {
	return func(ctx context.Context, i *invocation) error {
		args, err := i.arguments("ID")
		if err != nil {
			return err
		}
		admin, err := i.admin()
		if err != nil {
			return err
		}
		defer admin.Close()
		done, err := do(admin, ctx, args[0])
		if err != nil {
			return err
		}
		return i.done(done, says)
	}
}

// errDeclined ends a command whose question was answered with no.
var errDeclined = errors.New("nothing was done: the question was not answered with y")

func declined(err error) error {
	if err != nil {
		return err
	}
	return errDeclined
}
