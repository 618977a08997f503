package fsm

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/raft"
)

// MaxGroup is how many commands one Group carries at most: of 32, each with
// two blobs of MaxBlob and as much metadata as an API takes, all fit into
// MaxCommand.
const MaxGroup = 32

// Group is changes of several callers in one entry. Each is judged as if it had
// an entry of its own, in their order and after all before it: one may be
// refused, and the next accepted. The result has Grouped.
type Group struct {
	Commands []Grouped `cbor:"1,keyasint"`
}

// Grouped is one command of a Group: one of those that Shares.
type Grouped struct{ Command }

// groupedForm is a command in a Group: {kind, payload}, as an envelope has
// them; request id and checksum are the group's.
type groupedForm struct {
	_       struct{} `cbor:",toarray"`
	Kind    Kind
	Payload cbor.RawMessage
}

// Kind is 28.
func (*Group) Kind() Kind { return KindGroup }

// Shares is true for the commands that a Group may carry: those of one key.
func Shares(kind Kind) bool { return kind >= KindCreateKey && kind <= KindPurgeKey }

// MarshalCBOR gives the command in its canonical form.
func (g Grouped) MarshalCBOR() ([]byte, error) {
	payload, err := encoding.Marshal(g.Command)
	if err != nil {
		return nil, err
	}
	return encoding.Marshal(groupedForm{Kind: g.Kind(), Payload: payload})
}

// UnmarshalCBOR reads what MarshalCBOR wrote. Decode sees that the form is the
// canonical one, and that the checksum is right.
func (g *Grouped) UnmarshalCBOR(data []byte) error {
	var form groupedForm
	if err := decoding.Unmarshal(data, &form); err != nil {
		return err
	}
	if !Shares(form.Kind) {
		return fmt.Errorf("command %d shares no entry", form.Kind)
	}
	g.Command = newCommand(form.Kind)
	return decoding.Unmarshal(form.Payload, g.Command)
}

// group judges a group as a whole; judgeEach then does each of its commands.
func (t *tx) group(c *Group) (Result, error) {
	if len(c.Commands) == 0 || len(c.Commands) > MaxGroup {
		return Result{}, ErrInvalid.with("%d commands, want 1 to %d", len(c.Commands), MaxGroup)
	}
	return Result{}, nil
}

func (s *Store) judgeEach(b *pebble.Batch, group *Group, log *raft.Log) ([]Result, error) {
	results := make([]Result, len(group.Commands))
	for i, c := range group.Commands {
		result, refusal, _, err := s.judge(b, c.Command, log)
		if err != nil {
			return nil, fmt.Errorf("command %d of %d: %w", i+1, len(group.Commands), err)
		}
		if refusal != nil {
			result = Result{Index: log.Index, Code: refusal.Code, Detail: refusal.Detail}
		}
		results[i] = result
	}
	return results, nil
}
