package kms

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

func keyCommands(s command.Streams) *urfave.Command {
	aad := &urfave.StringSliceFlag{Name: "aad", Usage: "additional authenticated `TEXT`; repeat it for more"}
	return &urfave.Command{
		Name:  "key",
		Usage: "keys of the instance",
		Subcommands: []*urfave.Command{
			{
				Name:  "create",
				Usage: "make a key, or import one",
				Description: "A root key never leaves the crypto units: it wraps and unwraps. A standard key can be read.\n\n" +
					"Examples:\n   tumbler kms key create --name orders --alias orders\n   tumbler kms key create --name legacy --import material.bin",
				Flags: slices.Concat([]urfave.Flag{command.TextFlag("name", "`NAME`, 2 to 90 characters"), command.TextFlag("description", "`TEXT`, 2 to 240 characters"),
					&urfave.StringSliceFlag{Name: "alias", Usage: "`ALIAS` of the key; repeat it for more, at most 5"},
					&urfave.BoolFlag{Name: "standard", Usage: "a standard key, which can be read; else a root key"},
					command.TextFlag("import", "`FILE` with the key's material: 16, 24 or 32 bytes for a root key; - is standard input")}, command.KmsFlags()),
				Action: kmsAction(s, keyCreate),
			},
			{
				Name:        "list",
				Usage:       "list keys",
				Description: "Example:\n   tumbler kms key list --search orders",
				Flags: slices.Concat([]urfave.Flag{command.TextFlag("search", "only keys whose name holds `TEXT`"), command.TextFlag("limit", "at most this `NUMBER`, 200 by default, 5000 at most"),
					command.TextFlag("offset", "leave out the first `NUMBER`"), &urfave.BoolFlag{Name: "all", Usage: "deleted keys too"}}, command.KmsFlags()),
				Action: kmsAction(s, keyList),
			},
			{
				Name:        "show",
				Usage:       "show a key; never its material",
				ArgsUsage:   "ID|ALIAS",
				Description: "Example:\n   tumbler kms key show orders",
				Flags:       command.KmsFlags(),
				Action:      kmsAction(s, keyShow),
			},
			{
				Name:        "delete",
				Usage:       "delete a key: what it wrapped cannot be unwrapped any more",
				ArgsUsage:   "ID|ALIAS",
				Description: "Its material stays, and is rotated like any other, until it is purged.\n\nExample:\n   tumbler kms key delete orders --yes",
				Flags:       slices.Concat([]urfave.Flag{command.YesFlag("the key is deleted"), &urfave.BoolFlag{Name: "force", Usage: "even if the key is registered as in use"}}, command.KmsFlags()),
				Action:      kmsAction(s, keyDelete),
			},
			restoreCommand(s, aad),
			{
				Name:  "wrap",
				Usage: "seal data under a root key; without data 32 random bytes are made",
				Description: "The answer holds the ciphertext, in base64.\n\n" +
					"Example:\n   tumbler kms key wrap orders --in data.key > data.key.wrapped",
				ArgsUsage: "ID|ALIAS",
				Flags: slices.Concat([]urfave.Flag{command.TextFlag("in", "`FILE` with the data; - is standard input"),
					&urfave.BoolFlag{Name: "random", Usage: "32 random bytes, which the answer holds with --output json, or which --plaintext-out takes"},
					command.TextFlag("plaintext-out", "write random bytes that were made to a new `FILE` (mode 0600)"), aad}, command.KmsFlags()),
				Action: kmsAction(s, keyWrap),
			},
			{
				Name:        "unwrap",
				Usage:       "open what wrap gave",
				ArgsUsage:   "ID|ALIAS",
				Description: "Example:\n   tumbler kms key unwrap orders --in data.key.wrapped --out data.key",
				Flags: slices.Concat([]urfave.Flag{command.TextFlag("in", "`FILE` with the ciphertext; else standard input"),
					command.TextFlag("out", "write the data to a new `FILE` (mode 0600); else standard output"), aad}, command.KmsFlags()),
				Action: kmsAction(s, keyUnwrap),
			},
		},
	}
}

// kmsAction makes an action that talks to the key interface.
func kmsAction(s command.Streams, do func(context.Context, *invocation, func() (*client.KMS, error)) error) urfave.ActionFunc {
	return action(s, func(ctx context.Context, i *invocation) error {
		return do(ctx, i, func() (*client.KMS, error) { return i.KMS(ctx) })
	})
}

func keyCreate(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	request := client.CreateKeyRequest{Name: i.Text("name", ""), Description: i.Text("description", ""), Aliases: i.List("alias", ""), Extractable: i.Flag("standard")}
	if request.Name == "" {
		return i.Usage("--name is missing")
	}
	if path := i.Text("import", ""); path != "" {
		material, err := i.readInput(path)
		if err != nil {
			return err
		}
		defer clear(material)
		request.Payload = material
	}
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	key, err := kms.Create(ctx, request)
	if err != nil {
		return err
	}
	key.Payload = nil
	return i.Done(key, "ID:    "+key.ID, "Name:  "+key.Name)
}

func keyList(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	limit, _, err := i.Number("limit", 1, 5000)
	if err != nil {
		return err
	}
	offset, _, err := i.Number("offset", 0, 1<<31)
	if err != nil {
		return err
	}
	options := client.ListOptions{Limit: int(limit), Offset: int(offset), Search: i.Text("search", "")}
	if i.Flag("all") {
		options.States = []int{client.KeyPreActive, client.KeyActive, client.KeySuspended, client.KeyDeactivated, client.KeyDestroyed}
	}
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	keys, err := kms.List(ctx, options)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = []client.Key{}
	}
	return i.Result(map[string]any{"keys": keys}, func(w io.Writer) {
		t := command.NewTable("ID", "NAME", "TYPE", "STATE", "CREATED")
		for _, k := range keys {
			created := "-"
			if k.CreationDate != nil {
				created = command.When(*k.CreationDate)
			}
			t.Row(k.ID, k.Name, keyType(k), keyState(k.State), created)
		}
		t.Print(w)
	})
}

func keyShow(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	args, err := i.Arguments("ID|ALIAS")
	if err != nil {
		return err
	}
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	k, err := kms.Metadata(ctx, args[0])
	if err != nil {
		return err
	}
	return i.Result(k, func(w io.Writer) {
		command.Line(w, "ID:           %s\nName:         %s\nType:         %s\nState:        %s", k.ID, k.Name, keyType(k), keyState(k.State))
		command.Line(w, "Description:  %s\nAliases:      %s\nKey ring:     %s", command.Dash(k.Description), command.Dash(strings.Join(k.Aliases, ", ")), command.Dash(k.KeyRingID))
		if k.KeyVersion != nil {
			command.Line(w, "Version:      %s", k.KeyVersion.ID)
		}
		if k.CreationDate != nil {
			command.Line(w, "Created:      %s by %s", command.When(*k.CreationDate), command.Dash(k.CreatedBy))
		}
		if k.DeletionDate != nil {
			command.Line(w, "Deleted:      %s", command.When(*k.DeletionDate))
		}
	})
}

func keyDelete(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	args, err := i.Arguments("ID|ALIAS")
	if err != nil {
		return err
	}
	yes, err := i.Confirm("What key " + args[0] + " wrapped cannot be unwrapped any more. Do you want to continue?")
	if err != nil || !yes {
		return command.Declined(err)
	}
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	key, err := kms.Delete(ctx, args[0], i.Flag("force"))
	if err != nil {
		return err
	}
	return i.Done(key, "The key was deleted.")
}

func keyWrap(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	args, err := i.Arguments("ID|ALIAS")
	if err != nil {
		return err
	}
	in, random, out := i.Text("in", ""), i.Flag("random"), i.Text("plaintext-out", "")
	switch {
	case (in != "") == random:
		return i.Usage("give the data with --in FILE, or --random")
	case out != "" && !random:
		return i.Usage("--plaintext-out goes with --random")
	case random && out == "" && !i.JSON:
		return i.Usage("--random needs --plaintext-out FILE or --output json, or what was made would be lost")
	}
	var data []byte
	if in != "" {
		if data, err = i.readInput(in); err != nil {
			return err
		}
		defer clear(data)
		if len(data) == 0 {
			return i.Usage("--in %s is empty", in)
		}
	}
	file := &command.SecretFile{Kept: true}
	if out != "" {
		if file, err = command.ReserveFile(out); err != nil {
			return err
		}
	}
	defer file.Drop()
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	wrapped, err := kms.Wrap(ctx, args[0], data, i.aad()...)
	if err != nil {
		return err
	}
	if out != "" {
		if err := file.Keep(string(wrapped.Plaintext)); err != nil {
			return err
		}
		wrapped.Plaintext = nil
	}
	return i.Result(wrapped, func(w io.Writer) { command.Line(w, "%s", wrapped.Ciphertext) })
}

func keyUnwrap(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	args, err := i.Arguments("ID|ALIAS")
	if err != nil {
		return err
	}
	in := i.Text("in", "")
	if in == "" {
		in = "-"
	}
	ciphertext, err := i.readInput(in)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(ciphertext))
	if _, err := base64.StdEncoding.DecodeString(text); err != nil || text == "" {
		return i.Usage("--in %s is not the base64 that wrap gave", in)
	}
	file := &command.SecretFile{Kept: true}
	out := i.Text("out", "")
	if out != "" {
		if file, err = command.ReserveFile(out); err != nil {
			return err
		}
	}
	defer file.Drop()
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	opened, err := kms.Unwrap(ctx, args[0], text, i.aad()...)
	if err != nil {
		return err
	}
	defer clear(opened.Plaintext)
	if out != "" {
		if err := file.Keep(string(opened.Plaintext)); err != nil {
			return err
		}
		opened.Plaintext = nil
		return i.Done(opened)
	}
	return i.Result(opened, func(w io.Writer) { _, _ = w.Write(opened.Plaintext) })
}

// aad gives additional authenticated data: as it was typed, commas and all.
func (i *invocation) aad() []string {
	if c := i.Given("aad"); c != nil {
		return c.StringSlice("aad")
	}
	return nil
}

// maxInput bounds what is read of a file: more than any key or wrapped data has.
const maxInput = 1 << 20

func (i *invocation) readInput(path string) ([]byte, error) {
	var r io.Reader = i.Input
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		r = file
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("%s is longer than %s bytes", path, command.Thousands(maxInput))
	}
	return data, err
}

func keyType(k client.Key) string {
	if k.Extractable {
		return "standard"
	}
	return "root"
}

func keyState(state int) string {
	switch state {
	case client.KeyPreActive:
		return "pre-active"
	case client.KeyActive:
		return "active"
	case client.KeySuspended:
		return "suspended"
	case client.KeyDeactivated:
		return "deactivated"
	case client.KeyDestroyed:
		return "destroyed"
	}
	return fmt.Sprint(state)
}
