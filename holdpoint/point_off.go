//go:build !holdpoints

package holdpoint

// At does nothing: points are for test builds alone.
func At(string) {}

// Step does what it is given.
func Step(_ string, do func() error) error { return do() }
