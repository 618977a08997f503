package node

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/pki"
)

// PKICommand is `tumbler pki`.
func PKICommand(s command.Streams) *urfave.Command {
	dir := command.TextFlag("dir", "`FOLDER` of the authority, and of what it issues; pki is the default")
	return &urfave.Command{
		Name:  "pki",
		Usage: "a certificate authority for development: its key lies unencrypted in a folder",
		Subcommands: []*urfave.Command{
			{
				Name:        "init",
				Usage:       "make the authority",
				Description: "Example:\n   tumbler pki init --dir pki",
				Flags:       slices.Concat([]urfave.Flag{dir}, command.OutputFlags()),
				Action:      action(s, pkiInit),
			},
			{
				Name:  "node",
				Usage: "issue a node's certificate",
				Description: "It names the node by its number, and localhost, 127.0.0.1, ::1 and every --host.\n\n" +
					"Example:\n   tumbler pki node --dir pki --number 1 --host node-1.example.com",
				Flags: slices.Concat([]urfave.Flag{
					command.TextFlag("number", "`NUMBER` of the crypto unit, from 1"),
					&urfave.StringSliceFlag{Name: "host", Usage: "`NAME` or IP address under which others reach the node; repeat it for more"},
					dir,
				}, command.OutputFlags()),
				Action: action(s, pkiNode),
			},
			{
				Name:        "client",
				Usage:       "issue an administrator's certificate, for the administration interface",
				Description: "Example:\n   tumbler pki client --dir pki --name alice",
				Flags:       slices.Concat([]urfave.Flag{command.TextFlag("name", "`NAME` of the administrator: letters, digits, dots, dashes"), dir}, command.OutputFlags()),
				Action:      action(s, pkiClient),
			},
		},
	}
}

func (i *invocation) pkiDir() string {
	if dir := i.Text("dir", ""); dir != "" {
		return dir
	}
	return "pki"
}

func pkiInit(_ context.Context, i *invocation) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	dir := i.pkiDir()
	if _, err := pki.Create(dir); err != nil {
		return err
	}
	file := filepath.Join(dir, pki.CAFile)
	return i.Done(map[string]string{"ca": file}, "A development CA was created: "+file)
}

func pkiNode(_ context.Context, i *invocation) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	number, ok, err := i.Number("number", 1, 1<<32-1)
	if err != nil {
		return err
	}
	if !ok {
		return i.Usage("--number is missing")
	}
	ca, err := pki.Open(i.pkiDir())
	if err != nil {
		return err
	}
	issued, err := ca.Node(i.pkiDir(), uint32(number), i.List("host", "")...)
	return i.issued(issued, err)
}

func pkiClient(_ context.Context, i *invocation) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	name := i.Text("name", "")
	if name == "" {
		return i.Usage("--name is missing")
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
	return i.Result(issued, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "OK\nA certificate for %s was issued:\n%s\n%s\n", issued.URI, issued.Cert, issued.Key)
	})
}
