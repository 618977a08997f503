//go:build holdpoints || plantedkeys

package cluster

// SmallTable has the small stores of tests use files too.
const SmallTable = 1 << 10
