package cluster

import (
	"context"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

func tokenCommands(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "token",
		Usage: "one-time tokens with which nodes join",
		Subcommands: []*urfave.Command{
			{
				Name:        "create",
				Usage:       "make a token; its secret is shown this once only",
				Description: "Example:\n   tumbler cluster token create --ttl 10m --unit 4",
				Flags:       command.AdminFlags(command.TextFlag("ttl", "how long it can be used, a `SPAN` such as 10m; 1h is the default"), command.TextFlag("unit", "`NUMBER` of the only unit that may use it; else any")),
				Action:      action(s, tokenCreate),
			},
			{
				Name:        "list",
				Usage:       "list tokens",
				Description: "Example:\n   tumbler cluster token list",
				Flags:       command.AdminFlags(),
				Action:      action(s, tokenList),
			},
			{
				Name:        "revoke",
				Usage:       "make a token useless",
				ArgsUsage:   "ID",
				Description: "Example:\n   tumbler cluster token revoke 5d4c2a1e",
				Flags:       command.AdminFlags(),
				Action:      command.Action(s, command.ByID((*client.Client).RevokeToken, "The token was revoked.")),
			},
		},
	}
}

func tokenCreate(ctx context.Context, i *invocation) error {
	ttl, err := i.Span("ttl", 0)
	if err != nil {
		return err
	}
	unit, _, err := i.Number("unit", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		token, err := admin.CreateToken(ctx, client.CreateTokenRequest{Unit: uint32(unit), TTLSeconds: int64(ttl / time.Second)})
		if err != nil {
			return err
		}
		return i.Done(token, "Token:    "+token.Secret, "ID:       "+token.ID, "Expires:  "+command.When(token.ExpiresAt))
	})
}

func tokenList(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		tokens, err := admin.Tokens(ctx)
		if err != nil {
			return err
		}
		return i.Result(tokens, func(w io.Writer) {
			t := command.NewTable("ID", "STATE", "FOR", "EXPIRES", "USED BY")
			for _, k := range tokens.Tokens {
				t.Row(k.ID, k.State, tokenUnit(k.Unit), command.When(k.ExpiresAt), tokenUnit(k.UsedBy))
			}
			t.Print(w)
		})
	})
}

func tokenUnit(number uint32) string {
	if number == 0 {
		return "-"
	}
	return "node " + command.Thousands(uint64(number))
}
