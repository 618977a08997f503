//go:build !linux

package node

import "os"

// allocate takes space for a file, all of it now.
func allocate(file *os.File, size int64) error { return writeZeros(file, size) }
