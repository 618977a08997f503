//go:build !goexperiment.runtimesecret

package cryptounit

// inSecret runs f. Builds with GOEXPERIMENT=runtimesecret erase what f used.
func inSecret(f func()) { f() }
