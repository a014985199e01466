package broker

import (
	"context"

	"weir/kafka/partition"
)

// Storage is what a broker has on its disks, beyond the partitions that it leads.
type Storage interface {
	// Answer answers what another broker asks about a partition that moves to it.
	Answer(ctx context.Context, question []byte) []byte
	// Sizes says what there is of each partition, in no order.
	Sizes() []partition.Size
	// Space is how many bytes the file system has in all, and how many of them are free.
	Space() (free, total int64, err error)
}

// partitionTag is ownership.Tag: the tagged field in which brokers ask each other about partitions that move.
const partitionTag = 0x57656972
