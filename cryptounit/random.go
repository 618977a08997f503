package cryptounit

import "crypto/rand"

// made is what the unit draws random bytes for. Nonces and file keys, which are no keys of anyone, are not drawn here.
type made uint8

const (
	madeMasterKey   made = iota + 1
	madeKey              // material that never leaves: root, MAC and key-encryption keys
	madePayload          // of a standard key, which its owner may read
	madeIdentity         // Ed25519 seed
	madeImporterKey      // HPKE seed
)

// madeOf is what the material of a use is.
func madeOf(use Use) made {
	if use == UseStandard {
		return madePayload
	}
	return madeKey
}

// randomBytes is the generator of released builds.
func randomBytes(b []byte) { rand.Read(b) } // never fails
