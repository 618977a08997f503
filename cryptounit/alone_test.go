package cryptounit

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// memoryFolder holds a unit's file in memory.
type memoryFolder map[string][]byte

func (m memoryFolder) Read(name string, most int) ([]byte, error) {
	content, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(content[:min(most, len(content))]), nil
}

func (m memoryFolder) Write(name string, content []byte) error {
	m[name] = bytes.Clone(content)
	return nil
}

func (m memoryFolder) Rename(from, to string) error {
	m[to] = m[from]
	delete(m, from)
	return nil
}

func (memoryFolder) Sync() error { return nil }

// loner is one administrator of three, of whom two must sign, who has every host in his hands: he shows any unit what he likes, and
// keeps what units say. Units 1 and 3 hold the master key. Unit 2 lost it, and all else: it is in imprint mode. The others, who mean
// to recover it, sign with him that it is, as whatever it says that it is.
type loner struct {
	*cast
	folders [3]memoryFolder
	key     masterkey.Pattern
	own     order.Administrators // he alone
	said    []order.SignedStatement
	sealed  []order.Envelope
	signed  map[order.Identity]map[string]order.SignedOrder // orders about unit 2, by its identity
	been    map[string]int                                  // how deep he has gone on from a state
	allowed map[order.Approval][2]order.SignedApproval      // what he signed alone, and twice: signing takes longest
}

func newLoner(t *testing.T) *loner {
	t.Helper()
	c := initialised(t, 2, 1)
	l := &loner{cast: c, key: c.pattern(1), own: listOf(t, 1, 1, 1), signed: map[order.Identity]map[string]order.SignedOrder{}, been: map[string]int{}, allowed: map[order.Approval][2]order.SignedApproval{}}
	for i := range c.configs {
		l.folders[i] = memoryFolder{stateName: mustRead(t, c.file(uint32(i+1)))}
		c.configs[i].Folder = l.folders[i]
		c.crash(uint32(i + 1))
	}
	s := c.unit(2).Status()
	wiped := c.approve(order.Approval{Step: order.StepZeroize, Unit: s.Identity, Generation: s.Generation}, 2)
	if err := c.unit(2).Zeroize(&wiped); err != nil {
		t.Fatal(err)
	}
	return l
}

// alone signs with his one key, twice if asked.
func (l *loner) alone(a order.Approval, twice bool) order.SignedApproval {
	signed, is := l.allowed[a]
	if !is {
		signed = [2]order.SignedApproval{l.approve(a, 1), l.approve(a, 1)}
		signed[1].Signatures = slices.Concat(signed[0].Signatures, signed[1].Signatures)
		l.allowed[a] = signed
	}
	if twice {
		return signed[1]
	}
	return signed[0]
}

// orders are those about unit 2 that go round: what the others signed with him, the same with his signature alone, and his own, for
// the instance's administrators and for himself as the only one.
func (l *loner) orders() map[string]order.SignedOrder {
	identity := l.unit(2).Status().Identity
	if l.signed[identity] == nil {
		known := map[string]order.SignedOrder{}
		for _, kind := range []order.Kind{order.Enrol, order.Recover} {
			subject := func(o *order.Order) {
				o.Current, o.Subject.Units = l.key, o.Units[1:2]
				if kind == order.Recover {
					o.Subject.Pattern = l.key
				}
			}
			mine := func(o *order.Order) {
				subject(o)
				digest, err := l.own.Digest()
				if err != nil {
					l.t.Fatal(err)
				}
				o.Administrators = digest
			}
			quorum := l.begin(kind, subject).evidence.Order
			known["quorum's "+kind.String()] = quorum
			known["quorum's "+kind.String()+", with one signature"] = order.SignedOrder{Order: quorum.Order, Signatures: quorum.Signatures[:1]}
			known["quorum's "+kind.String()+", with one signature twice"] = order.SignedOrder{Order: quorum.Order, Signatures: slices.Concat(quorum.Signatures[:1], quorum.Signatures[:1])}
			o := l.draft(kind)
			subject(o)
			known["own "+kind.String()] = l.sign(o, 1)
			o = l.draft(kind)
			mine(o)
			known["own "+kind.String()+" for himself"] = l.sign(o, 1)
		}
		l.signed[identity] = known
	}
	return l.signed[identity]
}

// evidence is an order with all that was ever said under it, for administrators as he likes.
func (l *loner) evidence(signed order.SignedOrder) *order.Evidence {
	list, err := l.list.Encode()
	if err != nil {
		l.t.Fatal(err)
	}
	e := &order.Evidence{Order: signed, Administrators: list}
	for _, s := range l.said {
		if said, err := s.Decode(); err == nil && said.Order == signed.Digest() {
			e.Statements = append(e.Statements, s)
		}
	}
	return e
}

func (l *loner) keep(s order.SignedStatement, err error) error {
	if err == nil {
		l.said = append(l.said, s)
	}
	return err
}

// acts are all that he can try in a state of the units, by name.
func (l *loner) acts() map[string]func() error {
	acts := map[string]func() error{}
	trueList, err := l.list.Encode()
	if err != nil {
		l.t.Fatal(err)
	}
	ownList, err := l.own.Encode()
	if err != nil {
		l.t.Fatal(err)
	}
	for n := uint32(1); n <= 3; n++ {
		u, s := l.unit(n), l.unit(n).Status()
		act := func(what string, do func() error) { acts[fmt.Sprintf("unit %d: %s", n, what)] = do }
		act("zeroize without a signature", func() error { return u.Zeroize(nil) })
		for _, twice := range []bool{false, true} {
			act(fmt.Sprintf("zeroize alone, signed twice: %v", twice), func() error {
				signed := l.alone(order.Approval{Step: order.StepZeroize, Unit: s.Identity, Generation: s.Generation}, twice)
				return u.Zeroize(&signed)
			})
			act(fmt.Sprintf("clear-current alone, signed twice: %v", twice), func() error {
				return u.ClearCurrent(l.alone(order.Approval{Step: order.StepClearCurrent, Unit: s.Identity, Generation: s.Generation}, twice))
			})
		}
		act("imprint with himself", func() error {
			signed := order.SignedAdministrators{Administrators: ownList}
			if err := signed.SignFor(s.Identity, administratorKeys()[0]); err != nil {
				return err
			}
			return u.SetAdministrators(l.own, signed.Signatures)
		})
		act("imprint with the others' list", func() error {
			return u.SetAdministrators(l.list, append(l.imprint(u, 1), l.imprint(u, 1)...))
		})
		act("administrators alone", func() error {
			o := l.draft(order.Administration)
			o.Current, o.Subject.Administrators = l.key, ownList
			return u.ChangeAdministrators(l.sign(o, 1))
		})
		for name, signed := range l.orders() {
			if strings.Contains(name, order.Enrol.String()) {
				act(name, func() error { return u.Enrol(signed, trueList) })
				act(name+", with his list", func() error { return u.Enrol(signed, ownList) })
				continue
			}
			act("accept "+name, func() error { return l.keep(u.Accept(signed)) })
			act("generate under "+name, func() error {
				said, envelopes, err := u.Generate(l.evidence(signed))
				if err == nil {
					l.sealed = append(l.sealed, envelopes...)
				}
				return l.keep(said, err)
			})
			act("load under "+name, func() error {
				err := fmt.Errorf("nothing was sealed")
				for _, e := range l.sealed {
					if err = l.keep(u.Load(l.evidence(signed), e)); err == nil {
						return nil
					}
				}
				return err
			})
			act("commit under "+name, func() error { return l.keep(u.Commit(l.evidence(signed))) })
			act("activate under "+name, func() error { return l.keep(u.Activate(l.evidence(signed))) })
		}
	}
	return acts
}

// gained is what he must never have: a unit that obeys him alone and holds the master key or is sent it, or one of the others
// without the key or with other administrators.
func (l *loner) gained() string {
	for _, n := range []uint32{1, 2, 3} {
		s := l.unit(n).Status()
		his := s.Administrators.Imprint() || len(s.Administrators.List) != len(l.list.List) || s.Administrators.Signature != l.list.Signature
		holds := s.Registers.CurrentPattern == l.key || s.Registers.NewPattern == l.key
		switch {
		case his && holds:
			return fmt.Sprintf("crypto unit %d holds the master key and obeys %d of %d", n, s.Administrators.Signature, len(s.Administrators.List))
		case n != 2 && (his || s.Registers.CurrentPattern != l.key):
			return fmt.Sprintf("crypto unit %d holds %v and obeys %d of %d", n, s.Registers, s.Administrators.Signature, len(s.Administrators.List))
		case n == 2 && his && len(l.sealed) > 0:
			return "the master key is sealed to crypto unit 2, which obeys him alone"
		}
	}
	return ""
}

// lonerDepth is how many acts that change something he takes in a row.
const lonerDepth = 4

// try takes every act in the present state, and goes on from each that led to a state where he has not been.
func (l *loner) try(path []string, depth int) (tried int) {
	files, said, sealed := l.files(), slices.Clip(l.said), slices.Clip(l.sealed)
	l.been[l.state()] = max(depth, l.been[l.state()])
	acts := l.acts()
	for _, name := range slices.Sorted(maps.Keys(acts)) {
		err := acts[name]()
		tried++
		now := append(slices.Clip(path), name)
		if gained := l.gained(); gained != "" {
			l.t.Fatalf("%s\nby: %s", gained, strings.Join(now, "\n    "))
		}
		if err != nil {
			continue
		}
		if depth > 1 && l.been[l.state()] < depth-1 {
			tried += l.try(now, depth-1)
		}
		l.putBack(files)
		l.said, l.sealed = said, sealed
		acts = l.acts()
	}
	return tried
}

// state is what the units are, whatever their generations; of a unit that is blank one identity is like another.
func (l *loner) state() string {
	var b strings.Builder
	for _, u := range l.units {
		s := u.Status()
		s.Generation = 0
		if s.Cluster.IsZero() && s.Administrators.Imprint() {
			s.Identity = order.Identity{}
		}
		fmt.Fprintf(&b, "%+v\n", s)
	}
	fmt.Fprint(&b, len(l.sealed))
	return b.String()
}

func (l *loner) files() (files [3][]byte) {
	for i := range files {
		files[i] = l.folders[i][stateName]
	}
	return files
}

// putBack brings the units to what they were, as another run of the same story.
func (l *loner) putBack(files [3][]byte) {
	l.t.Helper()
	for i, file := range files {
		if bytes.Equal(l.folders[i][stateName], file) {
			continue
		}
		l.folders[i][stateName] = file
		l.crash(uint32(i + 1))
	}
}

// TestOneAdministratorAloneStallsAndTakesNothingOver: zeroize, imprint, enrol and recover, in any order, with his signature alone or
// with the others' on what they mean to recover. And when a quorum takes the unit back, it is recovered.
func TestOneAdministratorAloneStallsAndTakesNothingOver(t *testing.T) {
	l := newLoner(t)
	tried := l.try(nil, lonerDepth)
	t.Logf("he tried %d acts", tried)
	if tried < 1000 {
		t.Errorf("he tried %d acts: the search is blind", tried)
	}
	if t.Failed() {
		return
	}
	if err := l.acts()["unit 2: imprint with himself"](); err != nil {
		t.Fatal(err)
	}
	s := l.unit(2).Status()
	signed := l.alone(order.Approval{Step: order.StepZeroize, Unit: s.Identity, Generation: s.Generation}, false)
	if err := l.unit(2).Zeroize(&signed); err != nil { // it obeys him, until he lets go of it
		t.Fatal(err)
	}
	for _, name := range []string{
		"unit 2: quorum's enrol", "unit 2: accept quorum's recover", "unit 3: accept quorum's recover", "unit 3: generate under quorum's recover",
		"unit 2: load under quorum's recover", "unit 2: commit under quorum's recover", "unit 2: activate under quorum's recover",
	} {
		if err := l.acts()[name](); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if now := l.unit(2).Status(); now.Registers.CurrentPattern != l.key || now.Administrators.Signature != l.list.Signature {
		t.Errorf("recovered by a quorum, crypto unit 2 holds %v and obeys %d", now.Registers, now.Administrators.Signature)
	}
}
