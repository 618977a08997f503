package admin

import (
	"context"
	"fmt"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

func (s *Server) receipt(ctx context.Context, r request) (client.Receipt, error) {
	digest, err := digestOf(r)
	if err != nil {
		return client.Receipt{}, err
	}
	out := client.Receipt{Digest: hexText(digest)}
	err = s.read(ctx, func(v View) error {
		rotation, err := rotationOf(v, digest)
		if err != nil {
			return err
		}
		receipt, err := v.Receipt(digest)
		if err != nil {
			return err
		}
		evidence, err := Evidence(rotation, receipt)
		if err != nil {
			return err
		}
		out.State = rotation.State.String()
		out.Receipt, err = evidence.Encode()
		return err
	})
	return out, err
}

// rotationOf finds a rotation, open or past, by its order.
func rotationOf(v View, digest fsm.Digest) (fsm.Rotation, error) {
	history, err := v.Rotations()
	if err != nil {
		return fsm.Rotation{}, err
	}
	for _, rotation := range history {
		if rotation.Order == digest {
			return rotation, nil
		}
	}
	return fsm.Rotation{}, fsm.ErrOrderUnknown
}

// Evidence puts together what the state keeps of a rotation: what units demand, and the receipt.
func Evidence(rotation fsm.Rotation, receipt fsm.Receipt) (*order.Evidence, error) {
	signed, err := order.DecodeSignedOrder(receipt.Order)
	if err != nil {
		return nil, fmt.Errorf("the rotation's order: %w", err)
	}
	out := &order.Evidence{Order: *signed, Administrators: receipt.Administrators, Last: rotation.Rewrap.N}
	for i, der := range receipt.Statements {
		statement, err := order.DecodeSignedStatement(der)
		if err != nil {
			return nil, fmt.Errorf("statement %d of the rotation: %w", i+1, err)
		}
		out.Statements = append(out.Statements, *statement)
	}
	for i, der := range receipt.Approvals {
		approval, err := order.DecodeSignedApproval(der)
		if err != nil {
			return nil, fmt.Errorf("approval %d of the rotation: %w", i+1, err)
		}
		out.Approvals = append(out.Approvals, *approval)
	}
	// The state's census goes down with what is set aside; the evidence has the one of the start.
	census := rotation.Rewrap.Census
	out.Census = order.Counts{census.System, census.KMS, census.EP11}
	for i, der := range receipt.Settles {
		settle, err := order.DecodeSignedOrder(der)
		if err != nil {
			return nil, fmt.Errorf("settle order %d of the rotation: %w", i+1, err)
		}
		settled, err := settle.Decode()
		if err != nil {
			return nil, fmt.Errorf("settle order %d of the rotation: %w", i+1, err)
		}
		for _, blob := range settled.Subject.Blobs {
			out.Census = out.Census.Count(blob.Class, 1)
		}
		out.Settles = append(out.Settles, *settle)
	}
	if len(receipt.Cancel) > 0 {
		if out.Cancel, err = order.DecodeSignedOrder(receipt.Cancel); err != nil {
			return nil, fmt.Errorf("the rotation's cancel: %w", err)
		}
	}
	return out, nil
}
