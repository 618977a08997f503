package cryptounit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/cryptounit/order"
)

func (c *cast) file(n uint32) string { return filepath.Join(c.configs[n-1].Dir, stateName) }

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryWriteHasAFreshFileKeyAndAHigherGeneration(t *testing.T) {
	c := newCast(t, 1, 1)
	before, file := c.unit(1).Status().Generation, mustRead(t, c.file(1))
	s := c.begin(order.Init, nil).accept()
	after, next := c.unit(1).Status().Generation, mustRead(t, c.file(1))
	head := len(stateMagic) + 5
	if after != before+1 || bytes.Equal(file[head:head+32], next[head:head+32]) {
		t.Errorf("generation %d, then %d; file key %x, then %x", before, after, file[head:head+32], next[head:head+32])
	}
	// Stating again is a write of its own.
	s.accept()
	if again := c.unit(1).Status().Generation; again != after+1 {
		t.Errorf("generation %d, then %d", after, again)
	}
	report, err := c.unit(1).Report()
	if err != nil {
		t.Fatal(err)
	}
	said, err := report.Verify(c.unit(1).Status().Identity)
	if err != nil || said.Generation != after+1 {
		t.Errorf("the report is of generation %d, %v", said.Generation, err)
	}
}

// TestAFailedStepIsTakenAgain fails each durable step of the write of each step of an init in turn.
func TestAFailedStepIsTakenAgain(t *testing.T) {
	broken := errors.New("the disk is broken")
	for _, step := range []string{"write", "rename", "sync-dir"} {
		t.Run(step, func(t *testing.T) {
			c := newCast(t, 1, 1)
			fails := func(do func(*Unit) error) func(*Unit) error {
				return func(u *Unit) error {
					u.file.fail = func(at string) error {
						if at == step {
							return broken
						}
						return nil
					}
					before := u.Status()
					if err := do(u); !errors.Is(err, broken) {
						t.Fatalf("%v, want %v", err, broken)
					}
					u.file.fail = nil
					if after := u.Status(); after.Generation != before.Generation || after.Registers != before.Registers {
						t.Errorf("in memory it went on from %+v to %+v", before, after)
					}
					// Before the file is touched nothing has happened; later only a new start knows.
					if step == "write" {
						return nil
					}
					if _, err := u.Report(); !errors.Is(err, ErrClosed) {
						t.Errorf("it went on: %v", err)
					}
					c.crash(1)
					generation := c.unit(1).Status().Generation
					if renamed := step == "sync-dir"; renamed != (generation == before.Generation+1) {
						t.Errorf("generation %d, then %d", before.Generation, generation)
					}
					return nil
				}
			}
			s := c.begin(order.Init, nil)
			try := func(do func(*Unit) error) {
				t.Helper()
				if err := fails(do)(c.unit(1)); err != nil {
					t.Error(err)
				}
			}
			try(func(u *Unit) error { _, err := u.Accept(s.evidence.Order); return err })
			s.accept().generate()
			try(func(u *Unit) error { _, err := u.Load(&s.evidence, s.envelopes[1]); return err })
			s.load()
			try(func(u *Unit) error { _, err := u.Commit(&s.evidence); return err })
			s.commit()
			try(func(u *Unit) error { _, err := u.Activate(&s.evidence); return err })
			s.activate()
			if c.pattern(1) != c.pattern(2) || c.pattern(1).IsZero() {
				t.Errorf("%v and %v", c.pattern(1), c.pattern(2))
			}
		})
	}
}

func TestASealerThatFailsChangesNothing(t *testing.T) {
	c := newCast(t, 1, 1)
	s := c.begin(order.Init, nil)
	down := errors.New("the sealing service is down")
	c.sealer.fail = down
	c.refused(1, down, func(u *Unit) error { _, err := u.Accept(s.evidence.Order); return err })
	c.sealer.fail = nil
	s.accept()
}

// TestOnlyAFileKeyGoesToTheSealer: who seals for a unit learns no secret of it, and never the same key twice.
func TestOnlyAFileKeyGoesToTheSealer(t *testing.T) {
	c := newCast(t, 1, 1)
	seen := map[string]bool{}
	c.sealer.sees = func(b []byte) {
		if len(b) != xaesKeySize || seen[string(b)] {
			t.Errorf("the sealer is given %d bytes, again: %v", len(b), seen[string(b)])
		}
		seen[string(b)] = true
	}
	c.begin(order.Init, nil).accept().generate().load().commit().activate()
	for _, u := range c.units {
		if key := u.content.current.bytes; seen[string(key)] || seen[string(u.content.identity.bytes)] {
			t.Errorf("unit %d gave a secret of its own", u.Status().Number)
		}
	}
	if len(seen) == 0 {
		t.Error("nothing was sealed")
	}
}

func TestAFileThatCannotBeUsedIsNamedAndKept(t *testing.T) {
	c := initialised(t, 1, 1)
	c.unit(1).Close()
	good := mustRead(t, c.file(1))
	for name, change := range map[string]struct {
		file []byte
		says string
	}{
		"empty":            {nil, "not the file of a crypto unit"},
		"of something":     {[]byte("no such file at all, really"), "not the file of a crypto unit"},
		"newer":            {append([]byte(stateMagic+"\x02"), good[len(stateMagic)+1:]...), "format 2"},
		"cut in its head":  {good[:len(stateMagic)+7], "cut off"},
		"cut":              {good[:len(good)-1], "changed or damaged"},
		"longer":           {append(bytes.Clone(good), 0), "changed or damaged"},
		"of another unit":  {mustRead(t, c.file(2)), "is of crypto unit 2"},
		"sealed elsewhere": {resealed(t, good), "changed or damaged"},
	} {
		t.Run(name, func(t *testing.T) { c.unusable(1, change.file, change.says) })
	}
	t.Run("with a flipped bit", func(t *testing.T) {
		for i := 0; i < len(good); i += 1 + len(good)/97 {
			bad := bytes.Clone(good)
			bad[i] ^= 4
			c.unusable(1, bad, "")
		}
	})
	if err := os.WriteFile(c.file(1), good, 0o600); err != nil {
		t.Fatal(err)
	}
	c.open(1)
	if c.pattern(1) != c.pattern(2) {
		t.Error("the good file lost its key")
	}
}

// resealed has another file key at its head.
func resealed(t *testing.T, good []byte) []byte {
	t.Helper()
	bad := bytes.Clone(good)
	copy(bad[len(stateMagic)+5:], make([]byte, 32))
	return bad
}

func (c *cast) unusable(n uint32, file []byte, says string) {
	c.t.Helper()
	if err := os.WriteFile(c.file(n), file, 0o600); err != nil {
		c.t.Fatal(err)
	}
	u, err := Open(c.configs[n-1])
	if err == nil {
		u.Close()
	}
	if !errors.Is(err, ErrStateFile) || !strings.Contains(fmt.Sprint(err), says) || !strings.Contains(fmt.Sprint(err), c.file(n)) {
		c.t.Errorf("%v does not say %q", err, says)
	}
	if got := mustRead(c.t, c.file(n)); !bytes.Equal(got, file) {
		c.t.Error("opening changed the file")
	}
}

func TestAHalfWrittenFileBesideTheGoodOneIsNothing(t *testing.T) {
	c := newCast(t, 1, 0)
	if err := os.WriteFile(c.file(1)+".tmp", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.crash(1)
	if len(c.unit(1).Status().Administrators.List) == 0 {
		t.Error("the unit was lost")
	}
}

func TestAnotherNumberOrRoleIsRefused(t *testing.T) {
	c := newCast(t, 1, 0)
	c.unit(1).Close()
	for _, change := range []func(*Config){
		func(f *Config) { f.Number = 2 },
		func(f *Config) { f.Role = order.Recovery },
	} {
		config := c.configs[0]
		change(&config)
		if _, err := Open(config); !errors.Is(err, ErrStateFile) {
			t.Errorf("%v", err)
		}
	}
	for _, bad := range []Config{{}, {Number: 1, Role: order.Operational}, {Number: 1, Role: 9, Sealer: c.sealer}, {Role: order.Operational, Sealer: c.sealer}} {
		bad.Dir = t.TempDir()
		if u, err := Open(bad); err == nil {
			u.Close()
			t.Errorf("%+v opened", bad)
		}
	}
}

// FuzzStateFile: whatever opens is written again as the same content.
func FuzzStateFile(f *testing.F) {
	c := initialised(f, 1, 1)
	c.committed()
	sealer := &testSealer{}
	for _, u := range c.units {
		plain, err := u.content.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
		f.Add(plain[:len(plain)-3])
		file := stateFile{dir: f.TempDir(), sealer: sealer}
		sealed, err := file.seal(plain)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file := stateFile{sealer: sealer}
		if _, err := file.open(b); err != nil && !errors.Is(err, ErrStateFile) {
			t.Fatalf("%v is no ErrStateFile", err)
		}
		content, err := unmarshalContent(bytes.Clone(b)) // which it erases as it reads
		if err != nil {
			return
		}
		again, err := content.marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is written again as %x, %v", b, again, err)
		}
		for _, s := range content.secrets() {
			s.free()
		}
	})
}
