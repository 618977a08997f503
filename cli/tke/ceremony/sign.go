package ceremony

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/document"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// Administrators reads the list that the cluster proposes. Its digest is in every order, and each unit compares that with
// its own list: a false one makes an order that no unit accepts.
func Administrators(c client.OrderContext) (*order.Administrators, error) {
	if len(c.Administrators) == 0 {
		return nil, errors.New("the crypto units have no administrators yet: `tumbler tke auto-init` installs them")
	}
	list, err := order.DecodeAdministrators(c.Administrators)
	if err != nil {
		return nil, fmt.Errorf("the administrators that the cluster names: %w", err)
	}
	return list, nil
}

// PublicKeys gives the keys of a list.
func PublicKeys(list *order.Administrators) [][]byte {
	keys := make([][]byte, len(list.List))
	for n, a := range list.List {
		keys[n] = a.Key
	}
	return keys
}

// SignAndSubmit signs an order with as many administrators' keys as its kind asks for, and hands it in: it gives the order's
// digest. With --order FILE it writes the order to that file instead, to be signed on other workstations: "".
func (i *Ceremony) SignAndSubmit(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, o order.Order) (string, error) {
	list, err := Administrators(c)
	if err != nil {
		return "", err
	}
	if o.Administrators, err = list.Digest(); err != nil {
		return "", err
	}
	if path := i.Text(FlagOrder, ""); path != "" {
		if o.NotAfter, err = i.OrderUntil(time.Now()); err != nil {
			return "", err
		}
		d, err := document.NewOrder(o, list)
		if err != nil {
			return "", err
		}
		return "", i.Write(folder, path, d)
	}
	need, err := o.Threshold(list)
	if err != nil {
		return "", err
	}
	keys, err := i.Quorum(folder, PublicKeys(list), int(need))
	if err != nil {
		return "", err
	}
	return i.Submit(ctx, admin, o, keys)
}

// Submit signs an order and hands it in. It gives the order's digest.
func (i *Ceremony) Submit(ctx context.Context, admin *client.Client, o order.Order, keys []signing.SignatureKey) (string, error) {
	signed, err := SignedOrder(o, keys)
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
		return "", fmt.Errorf("the cluster accepted order %s, and %s was signed: look at `tumbler tke rotation status` with another node", ShortDigest(answer.Digest), ShortDigest(digest))
	}
	return digest, nil
}

// Approve signs an approval of a step of the order under way with as many administrators' keys as it asks for, and hands it in.
// With --order FILE it writes it to that file instead, to be signed on other workstations: false.
func (i *Ceremony) Approve(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, approval order.Approval) (handedIn bool, err error) {
	signed, o, err := OpenOrder(c)
	if err != nil {
		return false, err
	}
	list, err := Administrators(c)
	if err != nil {
		return false, err
	}
	d, err := document.NewApproval(approval, signed, o, list)
	if err != nil {
		return false, err
	}
	written, err := i.SignOrWrite(folder, d, nil)
	if err != nil || written {
		return false, err
	}
	der, err := d.Approvals[0].Signed.Encode()
	if err != nil {
		return false, err
	}
	_, err = admin.Approve(ctx, approval.Order.String(), der)
	return err == nil, err
}

// SignOrWrite signs approvals with as many administrators' keys as they ask for, or with those given; with --order FILE it writes
// them to that file instead, to be signed on other workstations: true.
func (i *Ceremony) SignOrWrite(folder *workstation.Folder, d *document.Document, keys []signing.SignatureKey) (written bool, err error) {
	if path := i.Text(FlagOrder, ""); path != "" {
		return true, i.Write(folder, path, d)
	}
	if keys == nil {
		need, err := d.Need()
		if err != nil {
			return false, err
		}
		if keys, err = i.Quorum(folder, PublicKeys(d.List), need); err != nil {
			return false, err
		}
	}
	for _, key := range keys {
		if err := d.Sign(key); err != nil {
			return false, err
		}
	}
	return false, nil
}

// Write writes a document to a new file, with the signatures of keys that --keynum names.
func (i *Ceremony) Write(folder *workstation.Folder, path string, d *document.Document) error {
	if i.Text("keynum", "") != "" {
		keys, err := i.KeysToSign(folder, d)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := d.Sign(key); err != nil {
				return err
			}
		}
	}
	file, err := command.ReserveFile(path)
	if err != nil {
		return err
	}
	defer file.Drop()
	der, err := d.Encode()
	if err != nil {
		return err
	}
	missing, err := d.Missing()
	if err != nil {
		return err
	}
	if err := file.Keep(string(der)); err != nil {
		return err
	}
	return i.Result(SignedFile{path, d.Digest(), missing}, func(w io.Writer) {
		command.Line(w, "OK\nNothing was handed in: it is in %s, and waits for %s.", path, command.Plural(missing, "signature"))
		if d.IsOrder() {
			command.Line(w, "It can be handed in until %s.", command.When(d.Order.NotAfter))
		}
		if missing > 0 {
			command.Line(w, "Next: `tumbler tke order sign %s` on other workstations, then `tumbler tke order submit %s`.", path, path)
		} else {
			command.Line(w, "Next: `tumbler tke order submit %s`.", path)
		}
	})
}

const (
	FlagOrder      = "order"
	flagOrderLife  = "order-life"
	fileOrderLife  = 24 * time.Hour
	mostOrderLife  = 30 * 24 * time.Hour
	leastOrderLife = time.Minute
)

// orderFileFlags are those of commands whose order or approval may be signed on other workstations.
func orderFileFlags() []urfave.Flag {
	return []urfave.Flag{
		command.TextFlag(FlagOrder, "hand nothing in: write the order to a new `FILE`, signed by --keynum or by nobody yet, for `order sign` and `order submit`"),
		command.TextFlag(flagOrderLife, "`SPAN` in which an order that is written to a file may be handed in; 24h is the default, 720h the most"),
	}
}

// OrderUntil is until when an order that is written to a file may be handed in.
func (i *Ceremony) OrderUntil(now time.Time) (time.Time, error) {
	life, err := i.Span(flagOrderLife, fileOrderLife)
	if err == nil && (life < leastOrderLife || life > mostOrderLife) {
		err = i.Usage("--%s %s is not between 1m and 720h", flagOrderLife, life)
	}
	return now.Add(life).UTC().Truncate(time.Second), err
}

// SignedOrder signs an order with keys.
func SignedOrder(o order.Order, keys []signing.SignatureKey) (signed order.SignedOrder, err error) {
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

// OpenOrder gives the order under way, as its administrators signed it: what the node says of it must be what it is.
func OpenOrder(c client.OrderContext) (*order.SignedOrder, *order.Order, error) {
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

// SignedApproval gives the DER.
func SignedApproval(approval order.Approval, keys []signing.SignatureKey) ([]byte, error) {
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

// OrderFlags are those of commands whose signatures may be made on other workstations.
func OrderFlags(more ...urfave.Flag) []urfave.Flag {
	return signing.SignFlags(slices.Concat(more, orderFileFlags())...)
}

// KeysToSign opens the chosen signature keys of administrators on the list who have not signed yet, as many as are missing.
func (i *Ceremony) KeysToSign(folder *workstation.Folder, d *document.Document) ([]signing.SignatureKey, error) {
	missing, err := d.Missing()
	if err != nil {
		return nil, err
	}
	if missing == 0 {
		return nil, errors.New("it has all its signatures already: `tumbler tke order submit` hands it in")
	}
	have, err := d.Signers()
	if err != nil {
		return nil, err
	}
	among := func(list []order.Administrator, key []byte) bool {
		return slices.ContainsFunc(list, func(a order.Administrator) bool { return string(a.Key) == string(key) })
	}
	ring, err := i.Keyring(folder)
	if err != nil {
		return nil, err
	}
	chosen, _, err := i.ChosenKeys(ring)
	if err != nil {
		return nil, err
	}
	var keys []signing.SignatureKey
	for place, n := range chosen {
		if len(keys) == missing {
			break
		}
		info, err := ring.Look(n, place)
		if err != nil {
			return nil, err
		}
		if !among(d.List.List, info.PublicKey) || among(have, info.PublicKey) {
			continue
		}
		key, err := ring.Open(n, place, signing.IdentifiedBy(info))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("none of the chosen signature keys is of an administrator who has yet to sign: choose others with --keynum or `tumbler tke sigkey-sel`")
	}
	return keys, nil
}

// SignedFile is what `order sign` prints, and what a command prints that wrote an order to a file.
type SignedFile struct {
	File    string       `json:"file"`
	Order   order.Digest `json:"order"`
	Missing int          `json:"missing"` // signatures
}

// SignedList signs a list (DER) for one unit.
func SignedList(unit order.Identity, der []byte, keys []signing.SignatureKey) (client.SetAdministratorsRequest, error) {
	signed := order.SignedAdministrators{Administrators: der}
	request := client.SetAdministratorsRequest{Administrators: der}
	for _, key := range keys {
		if err := signed.SignFor(unit, key); err != nil {
			return request, err
		}
	}
	for _, signature := range signed.Signatures {
		encoded, err := signature.Encode()
		if err != nil {
			return request, err
		}
		request.Signatures = append(request.Signatures, encoded)
	}
	return request, nil
}
