//go:build plantedkeys && !unsealed

package cryptounit

// sealed: this build seals and erases as released ones do.
const sealed = true
