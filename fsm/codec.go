package fsm

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// envelopeFormat is the format of a command in the log.
const envelopeFormat = 1

// MaxCommand bounds an encoded command, in bytes, without its table.
const MaxCommand = 4 << 20

// envelope is a command in the log: {format, kind, request id, payload, checksum}, deterministic CBOR (RFC 8949, section
// 4.2). The checksum is the first 8 bytes of SHA-256 over kind, request id and payload.
type envelope struct {
	_        struct{} `cbor:",toarray"`
	Format   uint8
	Kind     Kind
	Request  []byte
	Payload  []byte
	Checksum []byte
}

func (e *envelope) sum() []byte {
	h := sha256.New()
	h.Write([]byte{byte(e.Kind)})
	h.Write(e.Request)
	h.Write(e.Payload)
	return h.Sum(nil)[:8]
}

// The CBOR modes never change after this: they hold no state.
var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxArrayElements:  1 << 20,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options written above
	}
	return v
}

// newCommand gives the empty command of a kind.
func newCommand(kind Kind) Command {
	switch kind {
	case KindBootstrap:
		return new(Bootstrap)
	case KindRegisterUnit:
		return new(RegisterUnit)
	case KindSubmitOrder:
		return new(SubmitOrder)
	case KindSubmitStatement:
		return new(SubmitStatement)
	case KindSubmitApproval:
		return new(SubmitApproval)
	case KindAssignPartitions:
		return new(AssignPartitions)
	case KindPutBatch:
		return new(PutBatch)
	case KindFenceUnit:
		return new(FenceUnit)
	case KindRepairBlob:
		return new(RepairBlob)
	case KindCreateKey:
		return new(CreateKey)
	case KindAddKeyVersion:
		return new(AddKeyVersion)
	case KindUpdateKey:
		return new(UpdateKey)
	case KindDeleteKey:
		return new(DeleteKey)
	case KindRestoreKey:
		return new(RestoreKey)
	case KindPurgeKey:
		return new(PurgeKey)
	case KindSweepPurged:
		return new(SweepPurged)
	case KindCreateAPIKey:
		return new(CreateAPIKey)
	case KindDeleteAPIKey:
		return new(DeleteAPIKey)
	case KindCreateToken:
		return new(CreateToken)
	case KindUseToken:
		return new(UseToken)
	case KindRevokeToken:
		return new(RevokeToken)
	case KindDigest:
		return new(DigestState)
	case KindRaiseFeatureLevel:
		return new(RaiseFeatureLevel)
	case KindRemoveUnit:
		return new(RemoveUnit)
	case KindPaceRewrap:
		return new(PaceRewrap)
	case KindCreateKeys:
		return new(CreateKeys)
	case KindDisownStatement:
		return new(DisownStatement)
	case KindGroup:
		return new(Group)
	case KindClearCurrent:
		return new(ClearCurrent)
	}
	return nil
}

// Encode gives a command as it goes into the log.
func Encode(command Command, request RequestID) ([]byte, error) {
	payload, err := encoding.Marshal(command)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", command, err)
	}
	e := envelope{Format: envelopeFormat, Kind: command.Kind(), Request: request[:], Payload: payload}
	e.Checksum = e.sum()
	data, err := encoding.Marshal(&e)
	if err == nil && len(data) > MaxCommand {
		err = fmt.Errorf("%T takes %d bytes, more than %d", command, len(data), MaxCommand)
	}
	return data, err
}

// KindOf tells the kind of an encoded command by its first bytes; 0 if it is none. Only Decode tells whether it is one.
func KindOf(data []byte) Kind {
	switch { // an array of five whose first number is the format; a kind from 24 on has a byte of its own
	case len(data) < 4 || data[0] != 0x85 || data[1] != envelopeFormat:
		return 0
	case data[2] == 0x18:
		return Kind(data[3])
	case data[2] < 0x18:
		return Kind(data[2])
	}
	return 0
}

// Decode is the inverse of Encode and refuses everything else: ErrUndecodable.
func Decode(data []byte) (Command, RequestID, error) {
	var e envelope
	var request RequestID
	if len(data) > MaxCommand {
		return nil, request, fmt.Errorf("%w: %d bytes", ErrUndecodable, len(data))
	}
	if err := decoding.Unmarshal(data, &e); err != nil {
		return nil, request, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	command := newCommand(e.Kind)
	switch {
	case e.Format != envelopeFormat:
		return nil, request, fmt.Errorf("%w: format %d: run a newer release", ErrUndecodable, e.Format)
	case command == nil:
		return nil, request, fmt.Errorf("%w: command %d: run a newer release", ErrUndecodable, e.Kind)
	case len(e.Request) != len(request):
		return nil, request, fmt.Errorf("%w: a request id of %d bytes", ErrUndecodable, len(e.Request))
	case !bytes.Equal(e.Checksum, e.sum()):
		return nil, request, fmt.Errorf("%w: the checksum is wrong", ErrUndecodable)
	}
	copy(request[:], e.Request)
	if err := decoding.Unmarshal(e.Payload, command); err != nil {
		return nil, request, fmt.Errorf("%w: command %d: %w", ErrUndecodable, e.Kind, err)
	}
	again, err := Encode(command, request)
	if err != nil || !bytes.Equal(again, data) {
		return nil, request, fmt.Errorf("%w: command %d is not in its canonical form", ErrUndecodable, e.Kind)
	}
	return command, request, nil
}

// Result is what the state answers to a command that it accepted.
type Result struct {
	Index   uint64 `cbor:"1,keyasint"` // of the entry that was accepted
	Blob    uint64 `cbor:"2,keyasint"` // number of the blob that a key's material got
	Version uint64 `cbor:"3,keyasint"` // of the record that was written
	Count   uint64 `cbor:"4,keyasint"` // of keys that were swept
	Cursor  uint64 `cbor:"5,keyasint"` // of the partition after a batch
	Code    Code   `cbor:"6,keyasint"` // of the refusal; 0 when accepted
	Detail  string `cbor:"7,keyasint"`
	// Grouped is what each command of a Group was answered, in their order.
	Grouped []Result `cbor:"8,keyasint,omitempty"`
}

// Refused is the *Refusal that a result is, or nil.
func (r *Result) Refused() error {
	if r.Code == 0 {
		return nil
	}
	return &Refusal{Code: r.Code, Detail: r.Detail}
}

func encodeResult(r Result, refusal *Refusal) ([]byte, error) {
	if refusal != nil {
		r = Result{Index: r.Index, Code: refusal.Code, Detail: refusal.Detail}
	}
	return encoding.Marshal(r)
}

// EncodeRefusal gives the answer to a command that is refused before it is in the log.
func EncodeRefusal(r *Refusal) ([]byte, error) { return encodeResult(Result{}, r) }

// DecodeResult reads what Apply answered. A refusal is the error, a *Refusal; the result's Index is then that of the
// refused entry.
func DecodeResult(answer []byte) (Result, error) {
	var r Result
	if err := decoding.Unmarshal(answer, &r); err != nil {
		return r, fmt.Errorf("the answer of the state cannot be read: %w", err)
	}
	return r, r.Refused()
}
