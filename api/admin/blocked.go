package admin

import (
	"crypto/sha256"
	"encoding/hex"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// blockedBlobs are the blobs in question, with what a settle order has to name of them.
func (s *Server) blockedBlobs(v View, r fsm.Rotation) []client.BlockedBlob {
	epoch := v.Cluster().Epochs.Current
	out := make([]client.BlockedBlob, 0, len(r.Bad))
	for _, bad := range r.Bad {
		one := client.BlockedBlob{Number: bad.Number, Units: bad.Units}
		// One that cannot be read here is shown by its number alone: the rotation's status must not fail for it.
		if record, err := v.Blob(epoch, bad.Number); err == nil {
			sum := sha256.Sum256(record.Blob)
			one.SHA256, one.Class = hex.EncodeToString(sum[:]), order.Class(record.Class).String()
			if s.b.KeyOf != nil {
				one.Key = s.b.KeyOf(record.Blob)
			}
		}
		out = append(out, one)
	}
	return out
}
