package fsm

import "encoding/binary"

// Key spaces of the store. A key is a space's byte and fixed-width big-endian fields; the bytes are in snapshots: they are
// forever.
const (
	spaceMeta      byte = 'm' // applied index
	spaceCluster   byte = 'c' // Cluster
	spaceUnit      byte = 'u' // number → Unit
	spaceOrder     byte = 'o' // digest → OrderRecord
	spaceRotation  byte = 'r' // order number → Rotation
	spaceStatement byte = 's' // digest, index of its entry → SignedStatement, DER
	spaceApproval  byte = 'p' // digest, index of its entry → SignedApproval, DER
	spaceEnvelope  byte = 'e' // digest, unit → Envelope, DER
	spaceKey       byte = 'k' // id → Key
	spaceAlias     byte = 'a' // alias → key id
	spaceBlob      byte = 'b' // epoch, number → blob
	spaceAside     byte = 'x' // number → blob that a quorum set aside
	spacePurge     byte = 'd' // key id → nothing
	spaceAPIKey    byte = 'i' // id → APIKeyRecord
	spaceToken     byte = 't' // id → TokenRecord
	spaceResult    byte = 'q' // entry index → request id, result
	spaceStanding  byte = 'w' // number of an order that units carry out by themselves → its digest
)

func space(s byte, fields ...[]byte) []byte {
	k := []byte{s}
	for _, f := range fields {
		k = append(k, f...)
	}
	return k
}

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// after is the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	k := append([]byte(nil), prefix...)
	for i := len(k) - 1; i >= 0; i-- {
		k[i]++
		if k[i] != 0 {
			return k[:i+1]
		}
	}
	return nil
}

var (
	keyApplied   = space(spaceMeta, []byte("applied"))
	keyForgotten = space(spaceMeta, []byte("forgotten"))
	keyCluster   = space(spaceCluster)
)

func blobKey(epoch, number uint64) []byte { return space(spaceBlob, u64(epoch), u64(number)) }
func epochKey(epoch uint64) []byte        { return space(spaceBlob, u64(epoch)) }
