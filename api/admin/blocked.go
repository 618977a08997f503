package admin

import (
	"encoding/hex"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// blockedBlobs are the blobs in question, with what a settle order has to name of them: as units stated, since this node's replica
// may differ in just those.
func (s *Server) blockedBlobs(v View, r fsm.Rotation, statements []*order.Statement) []client.BlockedBlob {
	epoch := v.Cluster().Epochs.Current
	out := make([]client.BlockedBlob, 0, len(r.Bad))
	for _, bad := range r.Bad {
		one := client.BlockedBlob{Number: bad.Number, Units: bad.Units}
		for _, said := range statements { // of a blob that was repaired in vain, the last
			if said.Kind == order.CannotOpen && said.Blob.Number == bad.Number {
				one.SHA256, one.Class = hex.EncodeToString(said.Blob.Digest[:]), said.Blob.Class.String()
			}
		}
		// One that cannot be read here is shown without its key: the rotation's status must not fail for it.
		if record, err := v.Blob(epoch, bad.Number); err == nil && s.b.KeyOf != nil {
			one.Key = s.b.KeyOf(record.Blob)
		}
		out = append(out, one)
	}
	return out
}
