// Package kms is what callers of the key interface may ask: keys, what is done with them, and who may do it.
//
// It promises:
//
//   - One choke point authorises every call and writes it to the audit trail before anything is done: a call that
//     cannot be audited is refused.
//   - A key in the clear never passes through here but for what the caller brought (an import, a plaintext to wrap) or
//     asked for (a standard key's payload, an unwrapped plaintext). Nothing of that is kept.
//   - A call that meets a rotation's flip reads or seals again; its caller sees no error. What a rotation refuses is
//     decided by the replicated state, never here.
//   - Every read is linearizable: it sees all that was answered before it began.
//   - A refusal is an *Error with one of the codes in errors.go.
package kms
