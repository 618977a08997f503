package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

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

// signAndSubmit signs an order with as many administrators' keys as its kind asks for, and hands it in: it gives the order's
// digest. With --order FILE it writes the order to that file instead, to be signed on other workstations: "".
func (i *invocation) signAndSubmit(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, o order.Order) (string, error) {
	list, err := administrators(c)
	if err != nil {
		return "", err
	}
	if o.Administrators, err = list.Digest(); err != nil {
		return "", err
	}
	if path := i.text(flagOrder, ""); path != "" {
		if o.NotAfter, err = i.orderUntil(time.Now()); err != nil {
			return "", err
		}
		d, err := newOrderDocument(o, list)
		if err != nil {
			return "", err
		}
		return "", i.write(folder, path, d)
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

// approve signs an approval of a step of the order under way with as many administrators' keys as it asks for, and hands it in.
// With --order FILE it writes it to that file instead, to be signed on other workstations: false.
func (i *invocation) approve(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, approval order.Approval) (handedIn bool, err error) {
	signed, o, err := openOrder(c)
	if err != nil {
		return false, err
	}
	list, err := administrators(c)
	if err != nil {
		return false, err
	}
	d, err := newApprovalDocument(approval, signed, o, list)
	if err != nil {
		return false, err
	}
	written, err := i.signOrWrite(folder, d, nil)
	if err != nil || written {
		return false, err
	}
	der, err := d.approvals[0].signed.Encode()
	if err != nil {
		return false, err
	}
	_, err = admin.Approve(ctx, approval.Order.String(), der)
	return err == nil, err
}

// signOrWrite signs approvals with as many administrators' keys as they ask for, or with those given; with --order FILE it writes
// them to that file instead, to be signed on other workstations: true.
func (i *invocation) signOrWrite(folder *workstation.Folder, d *document, keys []signatureKey) (written bool, err error) {
	if path := i.text(flagOrder, ""); path != "" {
		return true, i.write(folder, path, d)
	}
	if keys == nil {
		need, err := d.need()
		if err != nil {
			return false, err
		}
		if keys, err = i.quorum(folder, publicKeys(d.list), need); err != nil {
			return false, err
		}
	}
	for _, key := range keys {
		if err := d.sign(key); err != nil {
			return false, err
		}
	}
	return false, nil
}

// write writes a document to a new file, with the signatures of keys that --keynum names.
func (i *invocation) write(folder *workstation.Folder, path string, d *document) error {
	if i.text("keynum", "") != "" {
		keys, err := i.keysToSign(folder, d)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := d.sign(key); err != nil {
				return err
			}
		}
	}
	file, err := reserve(path)
	if err != nil {
		return err
	}
	defer file.drop()
	der, err := d.encode()
	if err != nil {
		return err
	}
	missing, err := d.missing()
	if err != nil {
		return err
	}
	if err := file.keep(string(der)); err != nil {
		return err
	}
	return i.result(signedFile{path, d.digest(), missing}, func(w io.Writer) {
		line(w, "OK\nNothing was handed in: it is in %s, and waits for %s.", path, plural(missing, "signature"))
		if d.isOrder() {
			line(w, "It can be handed in until %s.", when(d.order.NotAfter))
		}
		if missing > 0 {
			line(w, "Next: `tumbler tke order sign %s` on other workstations, then `tumbler tke order submit %s`.", path, path)
		} else {
			line(w, "Next: `tumbler tke order submit %s`.", path)
		}
	})
}

const (
	flagOrder      = "order"
	flagOrderLife  = "order-life"
	fileOrderLife  = 24 * time.Hour
	mostOrderLife  = 30 * 24 * time.Hour
	leastOrderLife = time.Minute
)

// orderFileFlags are those of commands whose order or approval may be signed on other workstations.
func orderFileFlags() []urfave.Flag {
	return []urfave.Flag{
		text(flagOrder, "hand nothing in: write the order to a new `FILE`, signed by --keynum or by nobody yet, for `order sign` and `order submit`"),
		text(flagOrderLife, "`SPAN` in which an order that is written to a file may be handed in; 24h is the default, 720h the most"),
	}
}

// orderUntil is until when an order that is written to a file may be handed in.
func (i *invocation) orderUntil(now time.Time) (time.Time, error) {
	life, err := i.span(flagOrderLife, fileOrderLife)
	if err == nil && (life < leastOrderLife || life > mostOrderLife) {
		err = i.usage("--%s %s is not between 1m and 720h", flagOrderLife, life)
	}
	return now.Add(life).UTC().Truncate(time.Second), err
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

// signedApproval gives the DER.
func signedApproval(approval order.Approval, keys []signatureKey) ([]byte, error) {
	der, err := approval.Encode()
	if err != nil {
		return nil, err
	}
	signed := order.SignedApproval{Approval: der}
	for _, key := range keys {
		if err := signed.Sign(key); err != nil {
			return nil, err
		}
	}
	return signed.Encode()
}
