package order

import "fmt"

// Suite is how a key travels to a unit's importer key.
type Suite uint8

// The suites. The numbers are forever. Smart cards know no HPKE: for parts on cards there are the other two, which are not
// post-quantum, and which bind a part to its context by the custodian's signature alone.
const (
	// SuiteHPKE is HPKE base mode (RFC 9180) with ML-KEM-768 + X25519, HKDF-SHA256 and AES-256-GCM.
	SuiteHPKE Suite = 1
	// SuiteRSA is RSAES-OAEP (RFC 8017) with RSA-4096, SHA-1, MGF1 with SHA-1 and no label: CKM_RSA_PKCS_OAEP as cards have it.
	// The importer key is the modulus, the exponent is 65537.
	SuiteRSA Suite = 2
	// SuiteECDH is ECDH on P-521 with a key of the sender's for this one part, whose shared secret's last 32 bytes
	// (CKM_ECDH1_DERIVE with CKD_NULL) are an AES-256 key that wraps the part (RFC 3394 or RFC 5649). The importer key is a point,
	// uncompressed; what is sealed is the sender's point and the wrapped part.
	SuiteECDH Suite = 3
)

// String returns the word of JSON and of lists.
func (s Suite) String() string {
	switch s {
	case SuiteHPKE:
		return "hpke"
	case SuiteRSA:
		return "rsa-4096-oaep"
	case SuiteECDH:
		return "ecdh-p521-aes-kw"
	}
	return fmt.Sprintf("Suite(%d)", uint8(s))
}

// PostQuantum reports whether what is sealed stays sealed before a quantum computer.
func (s Suite) PostQuantum() bool { return s == SuiteHPKE }

func (s Suite) known() bool { return s >= SuiteHPKE && s <= SuiteECDH }

// ImporterKeySize is the size in bytes of a suite's public importer keys: of SuiteHPKE an ML-KEM-768 encapsulation key and an
// X25519 public key, of SuiteRSA a modulus, of SuiteECDH an uncompressed point; 0 for an unknown suite.
func (s Suite) ImporterKeySize() int {
	switch s {
	case SuiteHPKE:
		return 1184 + 32
	case SuiteRSA:
		return 512
	case SuiteECDH:
		return 133
	}
	return 0
}

// seals reports whether the sealed part of an envelope may have n bytes: of SuiteHPKE up to MaxSealed, of the others the size
// that a part of 32 bytes has.
func (s Suite) seals(n int) bool {
	switch s {
	case SuiteHPKE:
		return n > 0 && n <= MaxSealed
	case SuiteRSA:
		return n == 512
	case SuiteECDH:
		return n == 133+40
	}
	return false
}
