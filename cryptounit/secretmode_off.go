//go:build !goexperiment.runtimesecret || (plantedkeys && unsealed)

package cryptounit

// inSecret runs f. Builds with GOEXPERIMENT=runtimesecret erase what f used.
func inSecret(f func()) { f() }
