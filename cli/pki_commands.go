package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/pki"
)

func pkiCommands(s Streams) *urfave.Command {
	dir := text("dir", "`FOLDER` of the authority, and of what it issues; pki is the default")
	return &urfave.Command{
		Name:  "pki",
		Usage: "a certificate authority for development: its key lies unencrypted in a folder",
		Subcommands: []*urfave.Command{
			{
				Name:        "init",
				Usage:       "make the authority",
				Description: "Example:\n   tumbler pki init --dir pki",
				Flags:       join([]urfave.Flag{dir}, outputFlags()),
				Action:      action(s, pkiInit),
			},
			{
				Name:  "node",
				Usage: "issue a node's certificate",
				Description: "It names the node by its number, and localhost, 127.0.0.1, ::1 and every --host.\n\n" +
					"Example:\n   tumbler pki node --dir pki --number 1 --host node-1.example.com",
				Flags: join([]urfave.Flag{
					text("number", "`NUMBER` of the crypto unit, from 1"),
					&urfave.StringSliceFlag{Name: "host", Usage: "`NAME` or IP address under which others reach the node; repeat it for more"},
					dir,
				}, outputFlags()),
				Action: action(s, pkiNode),
			},
			{
				Name:        "client",
				Usage:       "issue an administrator's certificate, for the administration interface",
				Description: "Example:\n   tumbler pki client --dir pki --name alice",
				Flags:       join([]urfave.Flag{text("name", "`NAME` of the administrator: letters, digits, dots, dashes"), dir}, outputFlags()),
				Action:      action(s, pkiClient),
			},
		},
	}
}

func (i *invocation) pkiDir() string {
	if dir := i.text("dir", ""); dir != "" {
		return dir
	}
	return "pki"
}

func pkiInit(_ context.Context, i *invocation) error {
	if _, err := i.arguments(); err != nil {
		return err
	}
	dir := i.pkiDir()
	if _, err := pki.Create(dir); err != nil {
		return err
	}
	file := filepath.Join(dir, pki.CAFile)
	return i.done(map[string]string{"ca": file}, "A development CA was created: "+file)
}

func pkiNode(_ context.Context, i *invocation) error {
	if _, err := i.arguments(); err != nil {
		return err
	}
	number, ok, err := i.number("number", 1, 1<<32-1)
	if err != nil {
		return err
	}
	if !ok {
		return i.usage("--number is missing")
	}
	ca, err := pki.Open(i.pkiDir())
	if err != nil {
		return err
	}
	issued, err := ca.Node(i.pkiDir(), uint32(number), i.list("host", "")...)
	return i.issued(issued, err)
}

func pkiClient(_ context.Context, i *invocation) error {
	if _, err := i.arguments(); err != nil {
		return err
	}
	name := i.text("name", "")
	if name == "" {
		return i.usage("--name is missing")
	}
	ca, err := pki.Open(i.pkiDir())
	if err != nil {
		return err
	}
	issued, err := ca.Client(i.pkiDir(), name)
	return i.issued(issued, err)
}

func (i *invocation) issued(issued pki.Issued, err error) error {
	if err != nil {
		return err
	}
	return i.result(issued, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "OK\nA certificate for %s was issued:\n%s\n%s\n", issued.URI, issued.Cert, issued.Key)
	})
}
