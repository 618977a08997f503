package leak

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/tests/leak/custody"
)

// partKind is a key part, which a custodian brings.
func partKind() kind { return kind{6, "key part"} }

// ceremony is an init with three key parts: two units in a process of their own, and the workstations here.
type ceremony struct {
	t        *testing.T
	tags     string
	dir      string
	process  *exec.Cmd
	client   *rpc.Client
	said     *recorded
	admins   []order.KeySigner
	order    *order.Order
	evidence order.Evidence
	importer map[uint32][]byte
	search   *searcher

	files, memory, excluded *place
}

// recorded is the pipe to the units, with a copy of what goes through it.
type recorded struct {
	io.Reader
	io.WriteCloser
	copy bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) {
	r.copy.Write(b)
	return r.WriteCloser.Write(b)
}

// keyParts has units take up a master key in parts, and searches them while parts wait and once the key is in force.
func keyParts(t *testing.T, seed, tags string) []*place {
	t.Helper()
	c := &ceremony{
		t: t, tags: tags, dir: t.TempDir(), importer: map[uint32][]byte{},
		search: newSearcher(patterns(seed, append(keyKinds(), partKind()))),
		files:  &place{name: "key parts: units' files"}, memory: &place{name: "key parts: core dumps"}, excluded: &place{},
	}
	c.start(seed)
	c.begin()
	values := [3][]byte{planted(partKind(), seed, 1), planted(partKind(), seed, 2), planted(keyKinds()[0], seed, 3)}
	whole := bytes.Clone(values[2])
	subtle.XORBytes(values[2], values[2], values[0])
	subtle.XORBytes(values[2], values[2], values[1])
	for i, v := range values[:2] {
		c.part(uint32(i+1), v)
	}
	c.look()
	if c.excluded.found == 0 && tags == plantedTags {
		t.Error("waiting parts are not in the pages that dumps leave out: the search of memory misses something")
	}
	c.part(3, values[2])
	c.finish(masterkey.PatternOf(whole))
	c.look()
	wire := &place{name: "key parts: what was sent"}
	c.search.bytesOf(wire, "the pipe to the units", c.said.copy.Bytes())
	return []*place{c.files, wire, c.memory}
}

// start starts the process, with its pipe recorded.
func (c *ceremony) start(seed string) {
	c.t.Helper()
	c.process = exec.Command(build(c.t, c.tags, "./tests/leak/custody/custodian"), c.dir)
	c.process.Env, c.process.Stderr = append(os.Environ(), "TUMBLER_PLANTED="+seed), io.Discard
	in, err := c.process.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.said = &recorded{Reader: out, WriteCloser: in}
	if err := c.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.client = rpc.NewClient(c.said)
	c.t.Cleanup(func() {
		_ = c.process.Process.Kill()
		_ = c.process.Wait() // it was killed
	})
}

// tell has a unit take a step, and keeps what it states.
func (c *ceremony) tell(step string, unit uint32, call custody.Call) custody.Answer {
	c.t.Helper()
	call.Unit = unit
	var answer custody.Answer
	if err := c.client.Call("Units."+step, call, &answer); err != nil {
		c.t.Fatalf("%s of crypto unit %d: %v", step, unit, err)
	}
	if answer.Statement != nil {
		said, err := answer.Statement.Verify(answer.Identity)
		if err != nil {
			c.t.Fatalf("%s of crypto unit %d: %v", step, unit, err)
		}
		if said.Kind == order.Ready {
			c.importer[unit] = said.Importer
		}
		c.evidence.Statements = append(c.evidence.Statements, *answer.Statement)
	}
	return answer
}

// each has every unit take a step with the evidence so far.
func (c *ceremony) each(step string) {
	c.t.Helper()
	evidence := c.evidence
	for unit := uint32(1); unit <= custody.Count; unit++ {
		c.tell(step, unit, custody.Call{Order: evidence.Order, Evidence: evidence})
	}
}

// begin gives the units their administrators, and an order to be initialised with three parts.
func (c *ceremony) begin() {
	c.t.Helper()
	list := order.Administrators{Signature: 2, Revocation: 2}
	for _, name := range []string{"Alice", "Bob", "Carol"} {
		key := must[*ecdsa.PrivateKey](c.t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
		c.admins = append(c.admins, order.KeySigner{Key: key})
		list.List = append(list.List, order.Administrator{Name: name, Key: must[[]byte](c.t)(x509.MarshalPKIXPublicKey(key.Public()))})
	}
	c.evidence.Administrators = must[[]byte](c.t)(list.Encode())
	c.order = &order.Order{
		Kind: order.Init, Cluster: order.ID{1}, Instance: order.ID{2}, Incarnation: 1, Number: 1, Suite: order.SuiteHPKE, Parts: 3,
		Administrators: must[order.Digest](c.t)(list.Digest()), Policy: order.Documented, Commit: order.Signed, Activate: order.Signed,
		Retire: order.Keep, NotAfter: time.Now().UTC().Add(time.Hour).Truncate(time.Second),
	}
	for unit := uint32(1); unit <= custody.Count; unit++ {
		identity := c.tell("Status", unit, custody.Call{}).Identity
		signed := order.SignedAdministrators{Administrators: c.evidence.Administrators}
		for _, admin := range c.admins {
			c.check(signed.SignFor(identity, admin))
		}
		c.tell("SetAdministrators", unit, custody.Call{Administrators: list, Signatures: signed.Signatures})
		c.order.Units = append(c.order.Units, order.UnitRef{Number: unit, Role: order.Operational, Identity: identity})
	}
	c.evidence.Order.Order = must[[]byte](c.t)(c.order.Encode())
	for _, admin := range c.admins {
		c.check(c.evidence.Order.Sign(admin))
	}
	c.each("Accept")
}

// part seals a part to every unit, as its custodian's workstation does, and sends it.
func (c *ceremony) part(number uint32, value []byte) {
	c.t.Helper()
	custodian := c.admins[number-1]
	source, err := order.SKIOf(custodian.Public())
	c.check(err)
	evidence := c.evidence
	for _, unit := range c.order.Units {
		context := order.EnvelopeContext{
			Cluster: c.order.Cluster, Order: evidence.Order.Digest(), Source: source, Target: unit.Identity,
			Importer: c.importer[unit.Number], Part: number,
		}
		info := must[[]byte](c.t)(context.Info())
		e := order.Envelope{
			Suite: order.SuiteHPKE, Order: context.Order, Unit: unit.Number, Part: number, Source: source,
			Sealed: c.seal(context.Importer, info, value),
		}
		c.check(e.SignAsAdministrator(info, custodian))
		c.tell("LoadParts", unit.Number, custody.Call{Evidence: evidence, Envelopes: []order.Envelope{e}})
	}
}

func (c *ceremony) seal(importer, info, value []byte) []byte {
	c.t.Helper()
	if c.tags == unsealedTags {
		return value
	}
	key, err := hpke.MLKEM768X25519().NewPublicKey(importer)
	c.check(err)
	return must[[]byte](c.t)(hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, value))
}

// finish has the quorum sign what the parts made, and every unit take it into force.
func (c *ceremony) finish(pattern masterkey.Pattern) {
	c.t.Helper()
	for _, step := range []order.Step{order.StepCommit, order.StepSetImmediate} {
		approval := order.Approval{
			Step: step, Cluster: c.order.Cluster, Incarnation: 1, Order: c.evidence.Order.Digest(), Pattern: pattern,
		}
		signed := order.SignedApproval{Approval: must[[]byte](c.t)(approval.Encode())}
		for _, admin := range c.admins {
			c.check(signed.Sign(admin))
		}
		c.evidence.Approvals = append(c.evidence.Approvals, signed)
	}
	c.each("Commit")
	c.each("SetImmediate")
	for unit := uint32(1); unit <= custody.Count; unit++ {
		if r := c.tell("Status", unit, custody.Call{}).Registers; r.CurrentPattern != pattern {
			c.t.Fatalf("crypto unit %d holds %+v, not %v", unit, r, pattern)
		}
	}
}

// look stops the process after a collection, searches it and its files, and lets it go on.
func (c *ceremony) look() {
	c.t.Helper()
	pid := c.process.Process.Pid
	c.check(c.process.Process.Signal(syscall.SIGUSR1))
	waitStopped(c.t, pid)
	c.check(c.search.process(c.memory, c.excluded, "the units' process", pid))
	for unit := 1; unit <= custody.Count; unit++ {
		name := filepath.Join(c.dir, string(rune('0'+unit)), "unit.sealed")
		c.search.bytesOf(c.files, filepath.Base(filepath.Dir(name))+"/unit.sealed", mustRead(c.t, name))
	}
	c.check(c.process.Process.Signal(syscall.SIGCONT))
}

func (c *ceremony) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
