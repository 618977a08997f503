package cli

import (
	"context"
	"errors"
	"fmt"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// administrators reads the list that the cluster proposes. Its digest is in every order, and each unit compares that with
// its own list: a false one makes an order that no unit accepts.
func administrators(c client.OrderContext) (*order.Administrators, error) {
	if len(c.Administrators) == 0 {
		return nil, errors.New("the crypto units have no administrators yet: `tumbler tke auto-init` installs them")
	}
	list, err := order.DecodeAdministrators(c.Administrators)
	if err != nil {
		return nil, fmt.Errorf("the administrators that the cluster names: %w", err)
	}
	return list, nil
}

// publicKeys gives the keys of a list.
func publicKeys(list *order.Administrators) [][]byte {
	keys := make([][]byte, len(list.List))
	for n, a := range list.List {
		keys[n] = a.Key
	}
	return keys
}

// signAndSubmit signs an order with as many administrators' keys as its kind asks for, and hands it in.
func (i *invocation) signAndSubmit(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, o order.Order) (string, error) {
	list, err := administrators(c)
	if err != nil {
		return "", err
	}
	if o.Administrators, err = list.Digest(); err != nil {
		return "", err
	}
	need, err := o.Threshold(list)
	if err != nil {
		return "", err
	}
	keys, err := i.quorum(folder, publicKeys(list), int(need))
	if err != nil {
		return "", err
	}
	return i.submit(ctx, admin, o, keys)
}

// submit signs an order and hands it in. It gives the order's digest.
func (i *invocation) submit(ctx context.Context, admin *client.Client, o order.Order, keys []signatureKey) (string, error) {
	signed, err := signedOrder(o, keys)
	if err != nil {
		return "", err
	}
	encoded, err := signed.Encode()
	if err != nil {
		return "", err
	}
	answer, err := admin.SubmitOrder(ctx, encoded)
	if err != nil {
		return "", err
	}
	digest := signed.Digest().String()
	if answer.Digest != digest {
		return "", fmt.Errorf("the cluster accepted order %s, and %s was signed: look at `tumbler tke rotation status` with another node", short(answer.Digest), short(digest))
	}
	return digest, nil
}

func signedOrder(o order.Order, keys []signatureKey) (signed order.SignedOrder, err error) {
	if signed.Order, err = o.Encode(); err != nil {
		return signed, err
	}
	for _, key := range keys {
		if err := signed.Sign(key); err != nil {
			return signed, err
		}
	}
	return signed, nil
}

// openOrder gives the order under way, as its administrators signed it: what the node says of it must be what it is.
func openOrder(c client.OrderContext) (*order.SignedOrder, *order.Order, error) {
	if c.Open == nil {
		return nil, nil, errors.New("no order is under way: `tumbler tke rotation history` lists those that were")
	}
	signed, err := order.DecodeSignedOrder(c.Open.Order)
	if err != nil {
		return nil, nil, fmt.Errorf("the order under way: %w", err)
	}
	o, err := signed.Decode()
	if err != nil {
		return nil, nil, fmt.Errorf("the order under way: %w", err)
	}
	if signed.Digest().String() != c.Open.Digest || o.Number != c.Open.Number || o.Kind.String() != c.Open.Kind {
		return nil, nil, errors.New("the node does not say the truth about the order under way: nothing was signed; ask another node")
	}
	return signed, o, nil
}
