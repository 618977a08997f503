//go:build !holdpoints && !plantedkeys

package cluster

// SmallTable is the size in bytes from which an entry's table has a file of its own beside the log.
const SmallTable = 256 << 10
