package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/api/admin"
	"tumbler/cluster"
	"tumbler/converge"
	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/rewrap"
)

// What nodes ask of each other, beside Raft. The names are those of the calls on the wire.
const (
	callReport            = "unit-report"
	callSetAdministrators = "unit-set-administrators"
	callRegister          = "unit-register"
	callZeroize           = "unit-zeroize"
	callStays             = "unit-stays"
	callDigest            = "state-digest"
	callFound             = "rewrap-found"
	callFeatureLevel      = "feature-level"
	callDiffers           = "state-differs"
	callRoom              = "disk-room"
	callRooms             = "disk-rooms"
	callLoadPart          = "unit-load-part"
)

// calls answers other nodes for this node's unit, and reaches other nodes' units. This node's own unit is called the
// same way.
type calls struct {
	cluster *cluster.Cluster
	unit    *cryptounit.Unit
	speaker *converge.Speaker
	config  Config
	replica *replica
	log     hclog.Logger
	store   *fsm.Store
	disk    *disk
	planner *atomic.Pointer[rewrap.Planner]
	leaving *leaving
}

// setAdministratorsCall is the body of callSetAdministrators.
type setAdministratorsCall struct {
	Administrators []byte   `json:"administrators"`
	Signatures     [][]byte `json:"signatures"`
}

// handle registers the handlers.
func (c *calls) handle() {
	c.leaving = c.newLeaving()
	c.cluster.Handle(callReport, func(context.Context, uint32, []byte) ([]byte, error) { return c.report() })
	c.cluster.Handle(callStays, func(context.Context, uint32, []byte) ([]byte, error) { return c.leaving.stays() })
	c.cluster.Handle(callFeatureLevel, answerFeatureLevel)
	c.disk.handle(c.cluster)
	c.cluster.Handle(callSetAdministrators, c.setAdministrators)
	c.cluster.Handle(callZeroize, c.zeroize)
	c.cluster.Handle(callLoadPart, c.loadPart)
	c.cluster.Handle(callStanding, c.standing)
	c.cluster.Handle(callUnitFile, c.unitFile)
	c.cluster.Handle(callRegister, func(ctx context.Context, _ uint32, _ []byte) ([]byte, error) {
		if err := c.speaker.Register(ctx); err != nil {
			return nil, err
		}
		free, err := diskFree(c.config.DataDir)
		if err != nil {
			return nil, err
		}
		return binary.BigEndian.AppendUint64(nil, free-min(free, c.config.Disk.low())), nil
	})
	c.cluster.Handle(callDigest, func(ctx context.Context, _ uint32, body []byte) ([]byte, error) {
		if len(body) != 8 {
			return nil, fmt.Errorf("%s: the body has %d bytes, not 8", callDigest, len(body))
		}
		digest, err := c.store.DigestAt(ctx, binary.BigEndian.Uint64(body))
		return digest[:], err
	})
	c.cluster.Handle(callFound, func(_ context.Context, _ uint32, body []byte) ([]byte, error) {
		var finding rewrap.Finding
		if err := json.Unmarshal(body, &finding); err != nil {
			return nil, err
		}
		if planner := c.planner.Load(); planner != nil {
			planner.Note(finding)
		}
		return nil, nil
	})
}

// found tells the leader what a verifier found.
func (c *calls) found(ctx context.Context, finding rewrap.Finding) error {
	leader, known := c.cluster.Leader()
	if !known {
		return cluster.ErrNoLeader
	}
	body, err := json.Marshal(finding)
	if err != nil {
		return err
	}
	_, err = c.cluster.Call(ctx, leader, callFound, body)
	return err
}

func (c *calls) setAdministrators(ctx context.Context, _ uint32, body []byte) ([]byte, error) {
	var in setAdministratorsCall
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	list, err := order.DecodeAdministrators(in.Administrators)
	if err != nil {
		return nil, err
	}
	var signatures []order.Signature
	for _, der := range in.Signatures {
		s, err := order.DecodeSignature(der)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, *s)
	}
	if err := c.unit.SetAdministrators(*list, signatures); err != nil {
		return nil, err
	}
	return nil, c.speaker.Register(ctx)
}

// Report has a unit sign a fresh report.
func (c *calls) Report(ctx context.Context, number uint32) ([]byte, error) {
	report, err := c.cluster.Call(ctx, number, callReport, nil)
	return report, across(err)
}

// SetAdministrators hands the first list to a unit in imprint mode.
func (c *calls) SetAdministrators(ctx context.Context, number uint32, administrators []byte, signatures [][]byte) error {
	body, err := json.Marshal(setAdministratorsCall{administrators, signatures})
	if err != nil {
		return err
	}
	_, err = c.cluster.Call(ctx, number, callSetAdministrators, body)
	return across(err)
}

// travelling are the refusals of units that a caller on another node must recognise: a call carries text.
func travelling() []error {
	return []error{
		cryptounit.ErrNotImprint, cryptounit.ErrImprint, order.ErrTooFewSignatures, order.ErrInvalidSignature, order.ErrUnauthorised,
		order.ErrThresholdZero, order.ErrThreshold, order.ErrRevocationThresholdZero, order.ErrRevocationThreshold, order.ErrTooManyAdministrators, order.ErrAdministratorExists,
		order.ErrMissing, order.ErrWrongKind, masterkey.ErrSameAsCurrent, masterkey.ErrNewNotEmpty,
		cryptounit.ErrPartSource, cryptounit.ErrPartWaits, cryptounit.ErrPartsDiffer, cryptounit.ErrPart, cryptounit.ErrEnvelope, cryptounit.ErrImporterKey, cryptounit.ErrNoOrder,
		converge.ErrNoPartsNow, admin.ErrLastHolder, admin.ErrNotAccepted,
	}
}

// unitRefusal is what a unit on another node has refused.
type unitRefusal struct {
	unit    uint32
	message string
	kind    error // whose text is in the message
}

func (r *unitRefusal) Error() string { return fmt.Sprintf("crypto unit %d: %s", r.unit, r.message) }
func (r *unitRefusal) Unwrap() error { return r.kind }

// across gives the error of a call its meaning on this side.
func across(err error) error {
	if errors.Is(err, cluster.ErrUnreachable) {
		return fmt.Errorf("%w: %w", admin.ErrUnitUnreachable, err)
	}
	var remote *cluster.RemoteError
	if !errors.As(err, &remote) {
		return err
	}
	for _, known := range travelling() {
		if strings.Contains(remote.Message, known.Error()) {
			return &unitRefusal{remote.Node, remote.Message, known}
		}
	}
	return err
}

// Refresh has units register again, and returns those whose disk has no room for a second epoch. Units that do not answer
// are admin.ErrUnitUnreachable: an order would be judged by what they were, and then wait for them.
func (c *calls) Refresh(ctx context.Context, units []uint32) (short []uint32, err error) {
	bytes, err := c.store.EpochBytes()
	if err != nil {
		return nil, err
	}
	need := roomFor(bytes)
	type answer struct {
		number uint32
		free   uint64
		err    error
	}
	answers := make(chan answer, len(units))
	for _, number := range units {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, refreshTime)
			defer cancel()
			body, err := c.cluster.Call(ctx, number, callRegister, nil)
			if err == nil && len(body) != 8 {
				err = fmt.Errorf("%s: an answer of %d bytes", callRegister, len(body))
			}
			a := answer{number: number, err: err}
			if err == nil {
				a.free = binary.BigEndian.Uint64(body)
			}
			answers <- a
		}()
	}
	for range units {
		switch a := <-answers; {
		case a.err != nil:
			err = errors.Join(err, fmt.Errorf("%w: crypto unit %d: %w", admin.ErrUnitUnreachable, a.number, a.err))
		case a.free < need:
			short = append(short, a.number)
		}
	}
	slices.Sort(short)
	return short, err
}

// refreshTime bounds how long a silent node holds an order up.
const refreshTime = 3 * time.Second

// roomFor is the disk that a rotation takes above the low mark, in bytes, where the present blobs take so many: twice that
// for the next epoch and the merging of its tables (measured: 1.6 times, log included), and the log until it is cut.
func roomFor(blobs uint64) uint64 { return 256<<20 + 2*blobs }

// fsmIndex is the body of callDigest.
func fsmIndex(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }
