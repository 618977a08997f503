package importer

import (
	"crypto/hpke"

	"tumbler/cryptounit/order"
)

// KEM is the key encapsulation of order.SuiteHPKE.
func KEM() hpke.KEM { return hpke.MLKEM768X25519() }

// Seal seals a part to an importer key, as order.Envelope carries it; info is that of its context.
func Seal(suite order.Suite, public, info, part []byte) ([]byte, error) {
	if len(public) != suite.ImporterKeySize() {
		return nil, refuse(ErrPublicKey, "%d bytes, of suite %v", len(public), suite)
	}
	switch suite {
	case order.SuiteHPKE:
		key, err := KEM().NewPublicKey(public)
		if err != nil {
			return nil, refuse(ErrPublicKey, "%v", err)
		}
		return hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, part)
	case order.SuiteRSA:
		return sealRSA(public, part)
	case order.SuiteECDH:
		return sealECDH(public, part)
	}
	return nil, refuse(ErrPublicKey, "suite %v is unknown", suite)
}
