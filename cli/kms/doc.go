// Package kms is the commands about keys: a client of the key interface.
package kms
