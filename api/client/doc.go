// Package client is how Tumbler's own programs talk to a cluster: the wire types of the administration interface
// (/admin/v1, one file a noun, shared by server and client), a [Client] with one method an endpoint, and a small [KMS]
// client for the key interface (/api/v2).
//
// It promises three things. A call names what went wrong and what to do next: a refusal of the cluster is an [*Error], a
// cluster that does not answer is an [*UnreachableError]. Several addresses are tried in turn, but a change that may have
// reached a node is never sent twice: its outcome is [ErrOutcomeUnknown] then, and running the same command again is safe.
// And nothing here decides anything: orders and statements are DER that the caller makes and checks with
// tumbler/cryptounit/order.
//
// Conventions of the wire: names are snake_case; identifiers and digests are strings (UUID form, or lower-case hex); a
// verification pattern is 64 hex digits, or empty where there is none; DER and other bytes are standard base64; times are
// RFC 3339 in UTC; spans are whole seconds or milliseconds, as their names say. Unknown fields in a request are refused.
package client
