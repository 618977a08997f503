package fsm

import "errors"

// MaxBulk is how many keys one CreateKeys carries at most.
const MaxBulk = 2048

// CreateKeys creates or imports many keys, each with its first version, in one
// entry: all of them or none. What Material is to one key, Order, Patterns and
// the keys' blobs are to these. Refused as CreateKey is; the detail says which
// key. The result has Blob, the number of the first key's blob, which the
// others follow in their order, and Count.
type CreateKeys struct {
	Order    Digest    `cbor:"1,keyasint"` // that asks for pairs; zero when none does
	Patterns []Pattern `cbor:"2,keyasint"` // that every key has a blob under, in this order
	Class    Class     `cbor:"3,keyasint"`
	Keys     []BulkKey `cbor:"4,keyasint"`
	By       string    `cbor:"5,keyasint"`
	At       Time      `cbor:"6,keyasint"`
}

// BulkKey is one key of CreateKeys.
type BulkKey struct {
	Key      ID          `cbor:"1,keyasint"`
	Metadata KeyMetadata `cbor:"2,keyasint"`
	Blobs    [][]byte    `cbor:"3,keyasint"` // one a pattern
	Imported bool        `cbor:"4,keyasint"`
}

// Kind is 26.
func (*CreateKeys) Kind() Kind { return KindCreateKeys }

func (t *tx) createKeys(c *CreateKeys) (Result, error) {
	if len(c.Keys) == 0 || len(c.Keys) > MaxBulk {
		return Result{}, ErrInvalid.with("%d keys, want 1 to %d", len(c.Keys), MaxBulk)
	}
	if err := c.distinct(); err != nil {
		return Result{}, err
	}
	var first uint64
	for i := range c.Keys {
		k := &c.Keys[i]
		m := Material{Order: c.Order, Blobs: make([]PatternBlob, len(k.Blobs))}
		for j, blob := range k.Blobs {
			if j < len(c.Patterns) {
				m.Blobs[j].Pattern = c.Patterns[j]
			}
			m.Blobs[j].Blob = blob
		}
		result, err := t.createKey(&CreateKey{
			Key: k.Key, Class: c.Class, Metadata: k.Metadata, State: KeyActive, Material: m, Imported: k.Imported, By: c.By, At: c.At,
		})
		var refusal *Refusal
		if errors.As(err, &refusal) {
			return Result{}, refusal.with("key %d of %d (%q): %s", i+1, len(c.Keys), k.Metadata.Name, refusal.Detail)
		}
		if err != nil {
			return Result{}, err
		}
		if i == 0 {
			first = result.Blob
		}
	}
	return Result{Blob: first, Count: uint64(len(c.Keys))}, nil
}

// distinct: within an entry no key and no alias comes twice. What the store has is checked key by key.
func (c *CreateKeys) distinct() error {
	keys := make(map[ID]bool, len(c.Keys))
	aliases := map[string]bool{}
	for i := range c.Keys {
		k := &c.Keys[i]
		if keys[k.Key] {
			return ErrKeyExists.with("key %d of %d (%q) has the id of an earlier one", i+1, len(c.Keys), k.Metadata.Name)
		}
		keys[k.Key] = true
		for _, alias := range k.Metadata.Aliases {
			if aliases[alias] {
				return ErrAliasTaken.with("%q, of key %d of %d, is an earlier one's", alias, i+1, len(c.Keys))
			}
			aliases[alias] = true
		}
	}
	return nil
}
