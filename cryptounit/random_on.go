//go:build !plantedkeys

package cryptounit

// random fills b.
func random(_ made, b []byte) { randomBytes(b) }
