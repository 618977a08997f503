package kms

import (
	"context"
	"io"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

// Command is `tumbler kms`.
func Command(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:        "kms",
		Usage:       "use keys",
		Subcommands: []*urfave.Command{apiKeyCommands(s), keyCommands(s), importCommand(s)},
	}
}

func apiKeyCommands(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "apikey",
		Usage: "secrets with which programs get tokens for the key interface",
		Subcommands: []*urfave.Command{
			{
				Name:  "create",
				Usage: "make an API key; its secret is shown this once only",
				Description: "Roles: Reader lists keys; Writer also makes, wraps and unwraps; Manager also deletes.\n\n" +
					"Example:\n   tumbler kms apikey create --role Writer --name backup --secret-out backup.key",
				Flags: command.AdminFlags(command.TextFlag("role", "`ROLE` Manager, Writer or Reader"), command.TextFlag("name", "`NAME`, 2 to 90 characters"),
					command.TextFlag("secret-out", "write the secret to a new `FILE` (mode 0600) rather than show it")),
				Action: action(s, apiKeyCreate),
			},
			{
				Name:        "list",
				Usage:       "list API keys, without their secrets",
				Description: "Example:\n   tumbler kms apikey list",
				Flags:       command.AdminFlags(),
				Action:      action(s, apiKeyList),
			},
			{
				Name:        "delete",
				Usage:       "take an API key away; tokens that it gave end at once",
				ArgsUsage:   "ID",
				Description: "Example:\n   tumbler kms apikey delete 5d4c2a1e",
				Flags:       command.AdminFlags(),
				Action:      command.Action(s, command.ByID((*client.Client).DeleteAPIKey, "The API key was deleted.")),
			},
		},
	}
}

func apiKeyCreate(ctx context.Context, i *invocation) error {
	name, role := i.Text("name", ""), i.Text("role", "")
	switch {
	case name == "":
		return i.Usage("--name is missing")
	case role != client.RoleManager && role != client.RoleWriter && role != client.RoleReader:
		return i.Usage("--role %s is not Manager, Writer or Reader", role)
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		request := client.CreateAPIKeyRequest{Name: name, Role: role}
		out := i.Text("secret-out", "")
		if out == "" {
			made, err := admin.CreateAPIKey(ctx, request)
			if err != nil {
				return err
			}
			return i.Done(made, "API key:  "+made.Secret, "ID:       "+made.ID, "Role:     "+made.Role)
		}
		file, err := command.ReserveFile(out)
		if err != nil {
			return err
		}
		defer file.Drop()
		made, err := admin.CreateAPIKey(ctx, request)
		if err != nil {
			return err
		}
		if err := file.Keep(made.Secret + "\n"); err != nil {
			return err
		}
		return i.Done(made.APIKey, "ID:       "+made.ID, "Role:     "+made.Role, "The secret is in "+out)
	})
}

func apiKeyList(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		keys, err := admin.APIKeys(ctx)
		if err != nil {
			return err
		}
		return i.Result(keys, func(w io.Writer) {
			t := command.NewTable("ID", "NAME", "ROLE", "CREATED", "BY")
			for _, k := range keys.APIKeys {
				t.Row(k.ID, k.Name, k.Role, command.When(k.CreatedAt), command.Dash(k.CreatedBy))
			}
			t.Print(w)
		})
	})
}
