//go:build goexperiment.runtimesecret && !(plantedkeys && unsealed)

package cryptounit

import runtimesecret "runtime/secret"

// inSecret runs f so that registers, stack and heap that it used are erased: at return, and the heap at the next collection.
func inSecret(f func()) { runtimesecret.Do(f) }
