package cryptounit

import (
	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// newImporter makes an importer key for an open order. Its secret is 32 bytes, whatever the suite: the seed of an HPKE or P-521
// key, and the key under which an RSA private key, which has no seed, lies sealed among the words. So it is erased as a
// whole with those 32 bytes.
func newImporter(suite order.Suite, open *openOrder) (seed *secret, err error) {
	inSecret(func() {
		b := make([]byte, secretSize)
		defer erase(b)
		random(madeImporterKey, b)
		if err = makeImporter(suite, open, b); err == nil {
			seed, err = secretOf(b)
		}
	})
	return seed, err
}

func makeImporter(suite order.Suite, open *openOrder, seed []byte) error {
	switch suite {
	case order.SuiteHPKE:
		key, err := importer.KEM().NewPrivateKey(seed)
		if err != nil {
			return err
		}
		open.Importer = key.PublicKey().Bytes()
		return nil
	case order.SuiteRSA:
		private, public, err := importer.NewRSA()
		if err != nil {
			return err
		}
		defer erase(private)
		open.Importer = public
		open.Private, err = sealXAES(seed, private, open.Digest[:])
		return err
	case order.SuiteECDH:
		private, public, err := importer.ECDHFromSeed(seed)
		erase(private)
		open.Importer = public
		return err
	}
	return refuse(ErrImporterKey, "suite %v is unknown", suite)
}

// openEnvelope opens what was sealed to the importer key, by the order's suite and no other.
func (c *content) openEnvelope(suite order.Suite, e *order.Envelope, info []byte) ([]byte, error) {
	if e.Suite != suite {
		return nil, refuse(ErrEnvelope, "it is of suite %v, the order is of %v", e.Suite, suite)
	}
	value, err := c.openSealed(suite, e.Sealed, info)
	if err != nil || len(value) != masterkey.Size {
		erase(value)
		return nil, refuse(ErrEnvelope, "%v", err)
	}
	return value, nil
}

func (c *content) openSealed(suite order.Suite, sealed, info []byte) ([]byte, error) {
	seed := c.importer.bytes
	switch suite {
	case order.SuiteHPKE:
		key, err := importer.KEM().NewPrivateKey(seed)
		if err != nil {
			return nil, err
		}
		return openHPKE(key, info, sealed)
	case order.SuiteRSA:
		private, err := openXAES(seed, c.Open.Private, c.Open.Digest[:])
		if err != nil {
			return nil, err
		}
		defer erase(private)
		return openRSA(private, sealed)
	case order.SuiteECDH:
		private, _, err := importer.ECDHFromSeed(seed)
		if err != nil {
			return nil, err
		}
		defer erase(private)
		return openECDH(private, sealed)
	}
	return nil, refuse(ErrImporterKey, "suite %v is unknown", suite)
}
