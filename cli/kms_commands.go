package cli

import (
	"context"
	"io"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
)

func kmsCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:        "kms",
		Usage:       "use keys",
		Subcommands: []*urfave.Command{apiKeyCommands(s), keyCommands(s), importCommand(s)},
	}
}

func apiKeyCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "apikey",
		Usage: "secrets with which programs get tokens for the key interface",
		Subcommands: []*urfave.Command{
			{
				Name:  "create",
				Usage: "make an API key; its secret is shown this once only",
				Description: "Roles: Reader lists keys; Writer also makes, wraps and unwraps; Manager also deletes.\n\n" +
					"Example:\n   tumbler kms apikey create --role Writer --name backup --secret-out backup.key",
				Flags: adminFlags(text("role", "`ROLE` Manager, Writer or Reader"), text("name", "`NAME`, 2 to 90 characters"),
					text("secret-out", "write the secret to a new `FILE` (mode 0600) rather than show it")),
				Action: action(s, apiKeyCreate),
			},
			{
				Name:        "list",
				Usage:       "list API keys, without their secrets",
				Description: "Example:\n   tumbler kms apikey list",
				Flags:       adminFlags(),
				Action:      action(s, apiKeyList),
			},
			{
				Name:        "delete",
				Usage:       "take an API key away; tokens that it gave end at once",
				ArgsUsage:   "ID",
				Description: "Example:\n   tumbler kms apikey delete 5d4c2a1e",
				Flags:       adminFlags(),
				Action:      action(s, byID((*client.Client).DeleteAPIKey, "The API key was deleted.")),
			},
		},
	}
}

func apiKeyCreate(ctx context.Context, i *invocation) error {
	name, role := i.text("name", ""), i.text("role", "")
	switch {
	case name == "":
		return i.usage("--name is missing")
	case role != client.RoleManager && role != client.RoleWriter && role != client.RoleReader:
		return i.usage("--role %s is not Manager, Writer or Reader", role)
	}
	return administration(ctx, i, func(admin *client.Client) error {
		request := client.CreateAPIKeyRequest{Name: name, Role: role}
		out := i.text("secret-out", "")
		if out == "" {
			made, err := admin.CreateAPIKey(ctx, request)
			if err != nil {
				return err
			}
			return i.done(made, "API key:  "+made.Secret, "ID:       "+made.ID, "Role:     "+made.Role)
		}
		file, err := reserve(out)
		if err != nil {
			return err
		}
		defer file.drop()
		made, err := admin.CreateAPIKey(ctx, request)
		if err != nil {
			return err
		}
		if err := file.keep(made.Secret + "\n"); err != nil {
			return err
		}
		return i.done(made.APIKey, "ID:       "+made.ID, "Role:     "+made.Role, "The secret is in "+out)
	})
}

func apiKeyList(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		keys, err := admin.APIKeys(ctx)
		if err != nil {
			return err
		}
		return i.result(keys, func(w io.Writer) {
			t := newTable("ID", "NAME", "ROLE", "CREATED", "BY")
			for _, k := range keys.APIKeys {
				t.row(k.ID, k.Name, k.Role, when(k.CreatedAt), dash(k.CreatedBy))
			}
			t.print(w)
		})
	})
}
