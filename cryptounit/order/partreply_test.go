package order_test

import (
	"errors"
	"testing"

	"tumbler/cryptounit/order"
)

// TestAPartReplyIsOfItsUnit: nobody else's word, and no other word of that
// unit's, tells a custodian that a part went in.
func TestAPartReplyIsOfItsUnit(t *testing.T) {
	said := newPartReply(t)
	signed := signedPartReply(t, said)
	got, err := signed.Verify(identity(3))
	if err != nil || emptyAsNil(got) != emptyAsNil(said) {
		t.Fatalf("%+v, %v", got, err)
	}
	other := *said
	other.Pattern = keyA
	statement := signedStatement(t, newStatement(t, order.Loaded, 3))
	for name, forged := range map[string]*order.SignedPartReply{
		"of another unit":  must(order.SignPartReply(said, identity(3), signAs(2)))(t),
		"in its name":      must(order.SignPartReply(said, identity(2), signAs(2)))(t),
		"another pattern":  {Reply: must(other.Encode())(t), Identity: signed.Identity, Signature: signed.Signature},
		"another document": {Reply: signed.Reply, Identity: signed.Identity, Signature: statement.Signature},
	} {
		if _, err := forged.Verify(identity(3)); !errors.Is(err, order.ErrStatementSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := signed.Verify(identity(2)); !errors.Is(err, order.ErrStatementSignature) {
		t.Errorf("as another unit's: %v", err)
	}
	bare := order.SignedStatement{Statement: statement.Statement, Identity: signed.Identity, Signature: signed.Signature}
	if _, err := bare.Verify(identity(3)); !errors.Is(err, order.ErrStatementSignature) {
		t.Errorf("a statement with a reply's signature: %v", err)
	}
}
