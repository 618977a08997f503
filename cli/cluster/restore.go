package cluster

import (
	"context"
	"fmt"
	"io"

	"tumbler/archive"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
	"tumbler/node"
)

func snapshotRestore(ctx context.Context, i *invocation) error {
	arguments, err := i.Arguments("FILE")
	if err != nil {
		return err
	}
	path := i.Text("config", "TUMBLER_CONFIG")
	if path == "" {
		return i.Usage("--config is missing")
	}
	sign, remember, err := i.restoreSigner(ctx)
	if err != nil {
		return err
	}
	config, err := node.LoadConfig(path)
	if err != nil {
		return err
	}
	if err := config.CheckFiles(); err != nil {
		return err
	}
	shown := &steps{i: i}
	defer shown.stop()
	var made restoredCluster
	var restore order.Order
	_, err = node.Restore(ctx, config, node.Restoring{
		Archive: arguments[0], UnitFile: i.Text("unit-file", ""), SealingKey: i.Text("sealing-key", ""), Progress: shown.show,
		Sign: func(r node.Restorable) (signed order.SignedOrder, err error) {
			shown.stop()
			if err := i.confirmRestore(r); err != nil {
				return signed, err
			}
			signed, err = sign(r)
			made, restore = restored(r, signed.Digest(), config.DataDir), r.Order
			return signed, err
		},
	})
	if err != nil {
		return err
	}
	if err := remember(&restore); err != nil {
		return fmt.Errorf("the cluster was restored, and this workstation does not know its crypto unit yet: %w", err)
	}
	return i.Result(made, func(w io.Writer) { showRestored(w, made, path) })
}

// restoredCluster is what `cluster snapshot restore` prints.
type restoredCluster struct {
	Archive     archive.Digest `json:"archive"`
	Cluster     string         `json:"cluster"`
	Instance    string         `json:"instance"`
	Incarnation uint64         `json:"incarnation"`
	Order       order.Digest   `json:"order"`
	Unit        uint32         `json:"unit"`
	Fingerprint order.Identity `json:"fingerprint"` // of its new identity
	Removed     []uint32       `json:"removed"`     // units of the former cluster
	Recover     bool           `json:"recover"`     // no key opens before `tumbler tke auto-recover`
	DataDir     string         `json:"data_dir"`
}

// restoreSigner gives how the order is signed, here or elsewhere, and what this workstation then remembers of the new unit: if it
// is signed elsewhere, the workstations do that.
func (i *invocation) restoreSigner(ctx context.Context) (sign func(node.Restorable) (order.SignedOrder, error), remember func(*order.Order) error, err error) {
	if path := i.Text("order", ""); path != "" {
		return func(r node.Restorable) (order.SignedOrder, error) { return i.awaitSigned(ctx, path, r) },
			func(*order.Order) error { return nil }, nil
	}
	folder, err := i.Folder()
	if err != nil {
		return nil, nil, err
	}
	return func(r node.Restorable) (order.SignedOrder, error) { return i.signRestore(folder, r) },
		func(restore *order.Order) error { return ceremony.Repin(folder, restore) }, nil
}

// confirmRestore shows what is restored, and asks.
func (i *invocation) confirmRestore(r node.Restorable) error {
	m, unit := r.Manifest, r.Order.Subject.Units[0]
	i.Say("The archive is of %s: %s of epoch %d of instance %s, at index %s.", command.When(m.Time()),
		command.Plural(m.Keys.SystemInternal+m.Keys.KMS+m.Keys.EP11, "key"), m.Epoch, m.Instance, command.Thousands(m.Index))
	i.Say("Crypto unit %d (%v) goes on alone, in incarnation %d; the former units (%s) are removed.", unit.Number, unit.Role,
		r.Order.Subject.Incarnation, command.Numbers(ceremony.NumbersOf(r.Order.Units)))
	yes, err := i.Confirm("What came after the archive is lost, and no node of the former cluster may run any more. Do you want to continue?")
	if err != nil || !yes {
		return command.Declined(err)
	}
	return nil
}

// signRestore has a quorum of the administrators whom the unit knows sign.
func (i *invocation) signRestore(folder *workstation.Folder, r node.Restorable) (order.SignedOrder, error) {
	none := order.SignedOrder{}
	need, err := r.Order.Threshold(&r.Administrators)
	if err != nil {
		return none, err
	}
	keys, err := i.Quorum(folder, ceremony.PublicKeys(&r.Administrators), int(need))
	if err != nil {
		return none, err
	}
	return ceremony.SignedOrder(r.Order, keys)
}

func restored(r node.Restorable, digest order.Digest, dataDir string) restoredCluster {
	unit := r.Order.Subject.Units[0]
	return restoredCluster{
		Archive: r.Digest, Cluster: r.Order.Cluster.String(), Instance: r.Order.Instance.String(), Incarnation: r.Order.Subject.Incarnation,
		Order: digest, Unit: unit.Number, Fingerprint: unit.Identity, Removed: ceremony.NumbersOf(r.Order.Units), Recover: r.Retired, DataDir: dataDir,
	}
}

func showRestored(w io.Writer, r restoredCluster, config string) {
	command.Line(w, "OK\n%s holds the only member of cluster %s, incarnation %d.", r.DataDir, r.Cluster, r.Incarnation)
	command.Line(w, "Fingerprint of crypto unit %d:   %s", r.Unit, r.Fingerprint)
	command.Line(w, "Next: start it (`tumbler node run --config %s`), and let another node join with an empty data_dir (`tumbler cluster token create`,", config)
	command.Line(w, "`tumbler cluster join`). Then `tumbler tke enrol` makes its crypto unit part of the instance, and `tumbler tke auto-recover` gives it the master key.")
	if r.Recover {
		command.Line(w, "The crypto unit has the master key of the archive as a retired one: no key opens until then.")
	}
	command.Line(w, "API keys and keys that were deleted after the archive are there again: delete them anew.")
}

// steps shows the steps of something long, one after the other.
type steps struct {
	i     *invocation
	step  string
	shown *command.Counter
}

func (s *steps) show(step string, done, total int64) {
	if step != s.step {
		s.stop()
		s.step, s.shown = step, s.i.Counter(step+" (MiB)", int((total+1<<20-1)>>20))
	}
	s.shown.Show(int(done >> 20))
}

func (s *steps) stop() {
	if s.shown != nil {
		s.shown.Stop()
	}
	s.step, s.shown = "", nil
}
