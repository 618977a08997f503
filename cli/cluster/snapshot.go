package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/archive"
	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
)

func snapshotCommands(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "snapshot",
		Usage: "keep the whole cluster in one file, and make it again from one",
		Subcommands: []*urfave.Command{
			{
				Name:      "save",
				Usage:     "write an archive of the state, and of a crypto unit's sealed file, to a new FILE",
				ArgsUsage: "FILE",
				Description: "With --unit the archive is all that a restore needs, but for the sealing key of that unit's node: keep that elsewhere. It\n" +
					"is a recovery unit, where there are any. Without --unit the archive holds names, metadata and wrapped keys, and a restore\n" +
					"needs the file of a unit that holds the master key as its current or as a retired key.\n\n" +
					"Example:\n   tumbler cluster snapshot save --unit 4 /backup/$(date +%F).tumbler",
				Flags:  command.AdminFlags(command.TextFlag("unit", "CRYPTO UNIT `NUM` whose sealed file goes into the archive")),
				Action: action(s, snapshotSave),
			},
			{
				Name:      "show",
				Usage:     "check every byte of an archive, and show what it holds and what a restore needs",
				ArgsUsage: "FILE",
				Description: "It talks to no node, and needs no key.\n\n" +
					"Example:\n   tumbler cluster snapshot show 2026-11-28.tumbler",
				Flags:  command.OutputFlags(),
				Action: action(s, snapshotShow),
			},
			{
				Name:      "restore",
				Usage:     "make a new cluster of one node from an archive, in that node's empty data_dir",
				ArgsUsage: "FILE",
				Description: "For a cluster that is lost. It runs on the machine of the new node, which is not started yet and is to have the number and\n" +
					"role of the unit whose file is restored; it talks to no node. A quorum of the administrators whom that unit knows signs.\n" +
					"The new cluster has another incarnation, and the unit another identity: the nodes of the former cluster are no part of it,\n" +
					"and must not run any more. Other nodes then join with an empty data_dir, as new ones do.\n\n" +
					"Examples:\n   tumbler cluster snapshot restore 2026-11-28.tumbler --config node.yaml --sealing-key kept/node-4-sealing.key\n" +
					"   tumbler cluster snapshot restore 2026-01-01.tumbler --config node.yaml --unit-file 2026-11-28.tumbler",
				Flags: slices.Concat([]urfave.Flag{
					command.TextFlag("config", "configuration `FILE` of the new node [$TUMBLER_CONFIG]"),
					command.TextFlag("unit-file", "take the crypto unit's sealed file from this `FILE`, unit.sealed or a later archive, rather than from the archive: it may hold the state's master key as a retired one"),
					command.TextFlag("sealing-key", "`FILE` with the key that sealed the crypto unit's file; else a line of sealing.key_file"),
					command.TextFlag("order", "write the order to this new `FILE`, to be signed on other machines (`tke order sign`), and wait for FILE.signed"),
					command.YesFlag("the former cluster is lost, and what came after the archive with it"),
				}, signing.KeyFlags(), command.OutputFlags(), command.FolderFlags()),
				Action: action(s, snapshotRestore),
			},
		},
	}
}

// savedArchive is what save prints.
type savedArchive struct {
	File     string           `json:"file"`
	Digest   archive.Digest   `json:"digest"`
	Size     int64            `json:"size"`
	Manifest archive.Manifest `json:"manifest"`
}

func snapshotSave(ctx context.Context, i *invocation) error {
	arguments, err := i.Arguments("FILE")
	if err != nil {
		return err
	}
	unit, _, err := i.Number("unit", 1, 1<<32-1)
	if err != nil {
		return err
	}
	path := arguments[0]
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s exists already, and is left as it is: name another file", path))
	}
	admin, err := i.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".unfinished-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // unless it has its name by then
	saved, err := i.saveArchive(ctx, admin, file, uint32(unit))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	saved.File = path
	return i.Result(saved, func(w io.Writer) { showSaved(w, saved) })
}

// saveArchive writes an archive to a file, and reads it again: what does not hold what it says is none.
func (i *invocation) saveArchive(ctx context.Context, admin *client.Client, file *os.File, unit uint32) (savedArchive, error) {
	none := savedArchive{}
	stream, err := admin.Snapshot(ctx, unit)
	if err != nil {
		return none, err
	}
	defer stream.Close()
	shown := i.transfer("Saving", stream.Size)
	_, err = io.Copy(io.MultiWriter(file, shown), stream)
	shown.Stop()
	if err != nil {
		return none, fmt.Errorf("the archive broke off, and nothing was kept: run the command again: %w", err)
	}
	if err := file.Sync(); err != nil {
		return none, err
	}
	a, err := archive.Open(file.Name())
	if err != nil {
		return none, fmt.Errorf("what %s sent: %w", stream.Address, err)
	}
	defer func() { _ = a.Close() }() // it was only read
	if err := a.Verify(nil); err != nil {
		return none, fmt.Errorf("what %s sent: %w", stream.Address, err)
	}
	if u := a.Manifest.Unit; unit != 0 && (u == nil || u.Number != unit) {
		return none, fmt.Errorf("what %s sent does not hold the file of crypto unit %d: ask another node (--address)", stream.Address, unit)
	}
	return savedArchive{Digest: a.Digest, Size: stream.Size, Manifest: a.Manifest}, nil
}

func snapshotShow(ctx context.Context, i *invocation) error {
	arguments, err := i.Arguments("FILE")
	if err != nil {
		return err
	}
	a, err := archive.Open(arguments[0])
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }() // it was only read
	shown := i.transfer("Checking", a.Manifest.State.Size)
	err = a.Verify(func(done int64) error {
		shown.Show(int(done >> 20))
		return ctx.Err()
	})
	shown.Stop()
	if err != nil {
		return fmt.Errorf("%s: %w", arguments[0], err)
	}
	size, err := a.Manifest.Size()
	if err != nil {
		return err
	}
	saved := savedArchive{File: arguments[0], Digest: a.Digest, Size: size, Manifest: a.Manifest}
	return i.Result(saved, func(w io.Writer) {
		m := a.Manifest
		showSaved(w, saved)
		command.Line(w, "Made:     %s by release %s\nCluster:  %s, incarnation %d\nInstance: %s", command.When(m.Time()), m.Release, m.Cluster, m.Incarnation, m.Instance)
		if u := m.Unit; u != nil {
			command.Line(w, "Unit:     %d (%s), with %s", u.Number, u.Role, command.Plural(len(u.Retired), "retired key"))
		}
	})
}

func showSaved(w io.Writer, s savedArchive) {
	m := s.Manifest
	command.Line(w, "OK\n%s holds the state at index %s: %s of epoch %d, under the master key %s", s.File, command.Thousands(m.Index),
		command.Plural(m.Keys.SystemInternal+m.Keys.KMS+m.Keys.EP11, "key"), m.Epoch, m.Patterns[0])
	command.Line(w, "Digest:   %s\nSize:     %s", s.Digest, command.Mebibytes(uint64(s.Size+1<<20-1)))
	if m.Unit != nil {
		command.Line(w, "It holds the sealed file of crypto unit %d, which opens with the sealing key of that node alone: keep that in another place.", m.Unit.Number)
		return
	}
	command.Line(w, "It holds no crypto unit's file: to restore it takes one that holds that master key, and its sealing key (--unit puts one in).")
}

// transfer shows how far a stream of known size is.
type transfer struct {
	*command.Counter
	done int64
}

func (i *invocation) transfer(what string, size int64) *transfer {
	return &transfer{Counter: i.Counter(what+" (MiB)", int((size+1<<20-1)>>20))}
}

func (t *transfer) Write(b []byte) (int, error) {
	t.done += int64(len(b))
	t.Show(int(t.done >> 20))
	return len(b), nil
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
