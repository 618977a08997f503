package order

// Sizes of a rewrap's partitions.
const (
	// PartitionKeys is about how many blob numbers a partition has, until
	// there are MaxPartitions.
	PartitionKeys = 1024
	MaxPartitions = 64
)

// Partitions returns into how many partitions the numbers 1..last fall:
// 0 when there are none. It is part of the signed formats: `verified` names
// a partition by its index and last.
func Partitions(last uint64) uint32 {
	n := last / PartitionKeys
	if last%PartitionKeys != 0 {
		n++
	}
	return uint32(min(n, MaxPartitions))
}

// PartitionRange returns the first and last number of one partition, both
// included. The ranges of all partitions join without a gap and differ in
// length by at most one. ok is false where there is no such partition.
func PartitionRange(last uint64, partition uint32) (from, to uint64, ok bool) {
	n := uint64(Partitions(last))
	p := uint64(partition)
	if p >= n {
		return 0, 0, false
	}
	size, longer := last/n, last%n
	from = p*size + min(p, longer) + 1
	to = from + size - 1
	if p < longer {
		to++
	}
	return from, to, true
}
