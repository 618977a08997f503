package kms

import (
	"context"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

func restoreCommand(s command.Streams, aad urfave.Flag) *urfave.Command {
	return &urfave.Command{
		Name:      "restore",
		Usage:     "take a deletion back, or give a key whose material was set aside its material again",
		ArgsUsage: "ID|ALIAS",
		Description: "A deleted key can be restored from 30 seconds to 30 days after its deletion.\n\n" +
			"With --import: a key that answers with KEY_MATERIAL_SET_ASIDE_ERR gets the same material again, from where it was imported\n" +
			"from. What it wrapped unwraps then. For a root key give with --ciphertext something that it wrapped, and the --aad of that:\n" +
			"a crypto unit tries the material on it before anything is changed. If the key has several versions, that names the one.\n" +
			"Nothing was wrapped with a standard key that its material could be tried on: be sure that it is the same.\n\n" +
			"Examples:\n   tumbler kms key restore orders\n" +
			"   tumbler kms key restore legacy --import material.bin --ciphertext data.key.wrapped",
		Flags: slices.Concat([]urfave.Flag{command.TextFlag("import", "`FILE` with the key's material, as it was; - is standard input"),
			command.TextFlag("ciphertext", "`FILE` with what a wrap under the key gave; - is standard input"), aad}, command.KmsFlags()),
		Action: kmsAction(s, keyRestore),
	}
}

func keyRestore(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	args, err := i.Arguments("ID|ALIAS")
	if err != nil {
		return err
	}
	material, wrapped := i.Text("import", ""), i.Text("ciphertext", "")
	switch {
	case material == "" && (wrapped != "" || i.aad() != nil):
		return i.Usage("--ciphertext goes with --import, and --aad with both")
	case material == "-" && wrapped == "-":
		return i.Usage("--import and --ciphertext cannot come both from standard input")
	}
	payload, ciphertext, err := i.material(material, wrapped)
	if err != nil {
		return err
	}
	defer clear(payload)
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	if material == "" {
		key, err := kms.Restore(ctx, args[0])
		if err != nil {
			return err
		}
		return i.Done(key, "The key was restored.")
	}
	key, err := kms.RestoreMaterial(ctx, args[0], payload, ciphertext, i.aad()...)
	if err != nil {
		return err
	}
	return i.Done(key, "The key has its material again.")
}

// material reads a key's material and something that it wrapped, each from its file if there is one.
func (i *invocation) material(path, wrapped string) (payload []byte, ciphertext string, err error) {
	if path != "" {
		if payload, err = i.readInput(path); err != nil {
			return nil, "", err
		}
		if len(payload) == 0 {
			return nil, "", i.Usage("--import %s is empty", path)
		}
	}
	if wrapped != "" {
		read, err := i.readInput(wrapped)
		if err != nil {
			return nil, "", err
		}
		ciphertext = strings.TrimSpace(string(read))
	}
	return payload, ciphertext, nil
}
