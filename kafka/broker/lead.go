package broker

import (
	"context"

	"weir/kafka/partition"
	"weir/metadata"
)

// leaders finds the partitions that this broker leads; it fails with kerr.NotLeaderForPartition, wrapped. It is an interface, as led is,
// for the tests of connections and waiting, which need partitions that advance and fail when told to.
type leaders interface {
	get(partition.Key) (led, error)
	await(context.Context, partition.Key) (led, error) // waits until ctx ends for a partition that is not open yet
}

// led is what handlers need of *partition.Partition.
type led interface {
	LeaderEpoch() metadata.LeaderEpoch
	Append(a partition.Append, done func(partition.Appended, error)) error
	AppendMarker(m partition.Marker, done func(partition.Appended, error)) error
	Verify(producer int64, epoch int16) (g partition.Guard, needed bool, err error)
	ActiveProducers() []partition.ActiveProducer
	Read(ctx context.Context, r partition.ReadRequest) (partition.Records, error)
	Offsets() partition.Offsets
	OnAdvance(fn func()) (stop func())
	OffsetForTimestamp(ctx context.Context, ts int64) (partition.TimestampOffset, bool, error)
	MaxTimestamp(ctx context.Context) (partition.TimestampOffset, bool, error)
	DeleteRecords(offset int64) (wait func(context.Context) (lowWatermark int64, err error))
	EpochEnd(epoch metadata.LeaderEpoch) (metadata.LeaderEpoch, int64)
	EpochAt(offset int64) metadata.LeaderEpoch
}

var _ led = (*partition.Partition)(nil)

type ledBy struct{ *partition.Leaders }

func (l ledBy) get(k partition.Key) (led, error) {
	p, err := l.Get(k)
	if err != nil {
		return nil, err // not p: a nil *Partition in an interface is not nil
	}
	return p, nil
}

func (l ledBy) await(ctx context.Context, k partition.Key) (led, error) {
	p, err := l.Await(ctx, k)
	if err != nil {
		return nil, err
	}
	return p, nil
}
