package leak

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// keys make two partitions, and so much log that snapshots are taken.
const keys = 1300

// rehearsal is a whole demo on a build with planted keys.
type rehearsal struct {
	*harness.Cluster
	t       *testing.T
	seed    string
	tags    string
	taps    string
	people  *custodians
	said    strings.Builder // what commands printed
	archive string          // a file
	held    *place          // memory in mid-rotation
	ended   *place          // memory at the end
	// What core dumps leave out: here the keys must be.
	excluded *place
}

// build makes a program with some tags, as released ones are made in all that the environment does not say otherwise.
func build(t *testing.T, tags, program string, env ...string) string {
	t.Helper()
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), filepath.Base(program))
	command := exec.Command("go", "build", "-tags", "hashicorpmetrics"+tags, "-o", binary, program)
	command.Dir = filepath.Dir(strings.TrimSpace(string(module)))
	command.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=runtimesecret", "GOFLAGS=-buildvcs=false -trimpath"), env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return binary
}

// rehearse runs the demo, and leaves every node standing still after a collection.
func rehearse(t *testing.T, seed, tags, binary string) *rehearsal {
	t.Helper()
	r := &rehearsal{
		t: t, seed: seed, tags: tags, taps: t.TempDir(),
		held: &place{name: "core dumps in mid-rotation"}, ended: &place{name: "core dumps"}, excluded: &place{name: "left out of core dumps"},
	}
	t.Setenv("TUMBLER_BINARY", binary)
	t.Setenv("TUMBLER_PLANTED", seed)
	t.Setenv("TUMBLER_TAPS", r.taps)
	r.people = newCustodians(t, tags)
	if tags == unsealedTags {
		plant := gossipPlant().halves(seed)
		t.Setenv("TUMBLER_GOSSIP_PLANT", hex.EncodeToString(plant[0]))
	}
	r.Cluster = harness.NewCluster(t, 3, 2, harness.Passwords(r.people.sigPassword, r.people.partPassword))
	many := r.MustCreateKeys(keys)
	standard := r.material(many)

	r.StartRotation("--policy", "online")
	for i := range 5 {
		if err := many.Add(fmt.Sprintf("while the master key is rotated, %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	former := r.WaitState(client.StateComplete).PatternBefore
	r.replace(3)
	r.run("tke", "retired", "destroy", former, "--yes")
	r.ceremony()
	r.cardCeremony()

	r.StartRotation("--hold")
	r.WaitState(client.StateRewrapped)
	r.archive = filepath.Join(r.Node(1).Dir, "archive") // of two master keys, retired ones, and every key under both
	r.run("cluster", "snapshot", "save", "--unit", "4", r.archive)
	r.look(r.held)
	r.Resume(r.All()...)
	r.WaitReady()
	r.run("tke", "rotation", "status")
	r.run("tke", "rotation", "cancel", "--keynum", "1", "--yes")
	r.WaitState(client.StateCancelled)

	many.MustOpenAll()
	r.commands(standard)
	r.look(r.ended)
	return r
}

// material makes and uses keys of every sort, and gives the id of a standard key that a unit made.
func (r *rehearsal) material(many *harness.Keys) string {
	r.t.Helper()
	ctx, kms := r.t.Context(), r.KMS()
	create := func(request client.CreateKeyRequest) client.Key {
		key, err := kms.Create(ctx, request)
		if err != nil {
			r.t.Fatal(err)
		}
		return key
	}
	standard := create(client.CreateKeyRequest{Name: "standard", Extractable: true})
	imported := create(client.CreateKeyRequest{Name: "imported", Payload: []byte("0123456789abcdef0123456789abcdef")})
	create(client.CreateKeyRequest{Name: "imported standard", Extractable: true, Payload: []byte("what its owner brought")})
	if _, err := kms.Get(ctx, standard.ID); err != nil {
		r.t.Fatal(err)
	}
	if _, err := kms.Wrap(ctx, imported.ID, nil); err != nil {
		r.t.Fatal(err)
	}
	published := r.Published(2)
	if err := published.Rotate(ctx, many.ID(0), ""); err != nil {
		r.t.Fatal(err)
	}
	if _, err := published.DeleteKey(ctx, imported.ID, 0); err != nil {
		r.t.Fatal(err)
	}
	r.run("cluster", "log", "dump") // while the log has all of this
	return standard.ID
}

// replace has a unit removed, and its node and unit replaced: the node is sent a snapshot, the unit the master key.
func (r *rehearsal) replace(number uint32) {
	r.t.Helper()
	unit := fmt.Sprint(number)
	r.run("tke", "unenrol", "--units", unit, "--yes")
	r.MustEndSaying(number, "was removed from its instance")
	r.Replace(number)
	r.Admit(number)
	r.WaitFor("unit "+unit+" to be enrolled, once it has registered", func() (bool, string) {
		out, err := r.Run("tke", "enrol", "--units", unit, "--yes")
		r.said.WriteString(out)
		return err == nil, out
	})
	r.run("tke", "auto-recover")
	r.WaitReady()
	if log := mustRead(r.t, r.Node(number).LogPath()); !bytes.Contains(log, []byte("Installed remote snapshot")) {
		r.t.Errorf("node %d was sent no snapshot", number)
	}
}

// commands runs what shows most of a cluster.
func (r *rehearsal) commands(standard string) {
	r.t.Helper()
	for _, args := range [][]string{
		{"tke", "cryptounits"}, {"tke", "retired", "list"}, {"tke", "cryptounit-compare"}, {"tke", "rotation", "history"}, {"cluster", "status"}, {"cluster", "members"},
		{"cluster", "digest"}, {"cluster", "log", "dump"}, {"kms", "key", "show", standard},
	} {
		r.run(args...)
	}
}

// run runs the program, and keeps what it prints.
func (r *rehearsal) run(args ...string) {
	r.t.Helper()
	r.said.WriteString(r.MustRun(args...))
}

// searcher looks for everything that is secret.
func (r *rehearsal) searcher(more ...pattern) *searcher {
	return newSearcher(slices.Concat(patterns(r.seed, keyKinds()), r.people.secrets, more))
}

// look has every node collect its garbage and stand still, and searches its memory. A node may use a key between its last
// collection and its stop: what is found is looked for again after another collection.
func (r *rehearsal) look(p *place) {
	r.t.Helper()
	s := r.searcher()
	for range 2 {
		r.StandStill(r.All()...)
		seen := &place{name: p.name}
		for _, n := range r.Nodes {
			if err := s.process(seen, r.excluded, fmt.Sprintf("node %d", n.Number), n.PID()); err != nil {
				r.t.Fatal(err)
			}
		}
		if *p = *seen; p.found == 0 || r.tags == unsealedTags {
			return
		}
		r.Resume(r.All()...)
	}
	r.StandStill(r.All()...)
}
