package admin

import (
	"context"
	"encoding/hex"
	"fmt"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// loadPart hands a key part to its unit. Nothing of it goes through the state or the log: what the unit replies goes to the
// custodian alone.
func (s *Server) loadPart(ctx context.Context, r request, in client.LoadPartRequest) (client.LoadedPart, error) {
	none := client.LoadedPart{}
	number, err := pathNumber(r)
	if err != nil {
		return none, err
	}
	digest, err := hex.DecodeString(in.Order)
	if err != nil || len(digest) != len(fsm.Digest{}) {
		return none, invalid("%q is not an order's digest: want 64 hex digits", in.Order)
	}
	envelope, err := order.DecodeEnvelope(in.Envelope)
	if err != nil {
		return none, fmt.Errorf("reading the envelope: %w", err)
	}
	if envelope.Part == 0 || envelope.Unit != number || envelope.Order != order.Digest(digest) {
		return none, invalid("the envelope holds part %d for crypto unit %d of order %v", envelope.Part, envelope.Unit, envelope.Order)
	}
	if _, err := s.unit(ctx, number); err != nil {
		return none, err
	}
	if err := s.takesParts(fsm.Digest(digest)); err != nil {
		return none, err
	}
	reply, loaded, err := s.b.Units.LoadPart(ctx, number, in.Envelope)
	return client.LoadedPart{Reply: reply, Loaded: loaded}, err
}

// takesParts refuses what no unit would take a part of.
func (s *Server) takesParts(digest fsm.Digest) error {
	return s.peek(func(v View) error {
		rotation, some := v.Rotation()
		switch {
		case !some || rotation.Order != digest:
			return fsm.ErrOrderUnknown
		case !rotation.State.Open() || rotation.State == fsm.StateCancelling:
			return fsm.ErrOrderNotOpen
		case rotation.Plan.Generator != 0:
			return invalid("the key of order %d comes from crypto unit %d, and not in parts", rotation.Number, rotation.Plan.Generator)
		case rotation.State == fsm.StatePreparing:
			return &client.Error{Code: codeNotLoading, Message: fmt.Sprintf("order %d is %v: not every unit has made its importer key yet", rotation.Number, rotation.State),
				Hint: "wait until `tumbler tke rotation status` shows loading, then run the same command again"}
		}
		return nil
	})
}
