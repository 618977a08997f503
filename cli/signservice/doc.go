// Package signservice signs with administrators' keys that a signing service holds, as Trusted Key Entry does: the private keys
// never come to the workstation.
//
// The service is an HTTPS server that answers two requests, each with the key's token in the Authorization header:
//
//	GET  /keys/NAME   {"publickey": BASE64}   DER, a sequence of the integers X and Y of a P-521 key
//	POST /sign/NAME   {"hash_algorithm": "sha2-512", "input": BASE64}
//	                  {"signature": BASE64}   DER, a sequence of the integers R and S
//
// Nothing that it answers is taken on trust: the public key must be a point of P-521, and a signature must verify with the key
// that was shown before it is given to anyone. What is to be signed goes to the service as it is: it hashes it. Connections are
// TLS 1.3, but for one to this machine itself; redirections are not followed, which would carry the token elsewhere; an answer
// is bounded in size and time. Tokens are in no error.
package signservice
