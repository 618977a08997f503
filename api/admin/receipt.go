package admin

import (
	"context"

	"tumbler/api/client"
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
		evidence, err := receipt.Evidence(rotation)
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
