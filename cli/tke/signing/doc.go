// Package signing is signature keys of administrators: the commands that make, list and choose them, and how a command opens
// as many as a step needs, from password-protected files, smart cards or a signing service.
package signing
