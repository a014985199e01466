package partition

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/cache"
	"weir/storage/stream"
)

// Config is what all partitions of a broker share.
type Config struct {
	Stream *stream.Stream
	Logs   *stream.Logs
	Pool   *buffer.Pool // for reads from the log
	// Containers is where pieces are read from. Without it a partition that has pieces cannot be read.
	Containers *cache.Cache
	Now        func() time.Time // nil: time.Now
	// DecodedBytesMax bounds the memory that decompressing one batch may take; 64 MiB. Each append that is decompressed and each offset that is looked up
	// by timestamp takes its own, of appends at most recodersMax at a time.
	DecodedBytesMax int
}

// Leaders holds the partitions that this broker leads, over one stream. It is safe for concurrent use.
type Leaders struct {
	cfg     Config
	decoder *batch.Decoder
	recode  *recoders
	waking  []*watcher // scratch of Partition.Wake, which only the committer calls

	mu         sync.RWMutex
	partitions map[Key]*Partition
	opened     chan struct{} // closed, and replaced, when a partition is opened
}

// NewLeaders returns an empty Leaders.
func NewLeaders(cfg Config) *Leaders {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.DecodedBytesMax <= 0 {
		cfg.DecodedBytesMax = 64 << 20
	}
	return &Leaders{
		cfg: cfg, decoder: batch.NewDecoder(cfg.DecodedBytesMax), recode: newRecoders(cfg.DecodedBytesMax),
		partitions: make(map[Key]*Partition), opened: make(chan struct{}),
	}
}

// Get returns the partition if this broker leads it, and fails with kerr.NotLeaderForPartition, wrapped, if not.
func (l *Leaders) Get(k Key) (*Partition, error) {
	l.mu.RLock()
	p := l.partitions[k]
	l.mu.RUnlock()
	if p == nil {
		return nil, fmt.Errorf("partition %v: %w", k, kerr.NotLeaderForPartition)
	}
	return p, nil
}

// Await is Get for a partition that was assigned to this broker so recently that it may not be open yet: it waits for it
// until ctx ends.
func (l *Leaders) Await(ctx context.Context, k Key) (*Partition, error) {
	for {
		l.mu.RLock()
		p, opened := l.partitions[k], l.opened
		l.mu.RUnlock()
		if p != nil {
			return p, nil
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return l.Get(k)
		}
	}
}

// Opening is a partition to be led from now on.
type Opening struct {
	Key    Key
	Epoch  metadata.LeaderEpoch
	State  *stream.PartitionState // what replay found, nil for a new partition; it belongs to the partition from now on
	Config *LogConfig             // shared by the partitions of a topic, not modified any more
}

// Open starts to lead the partitions: it queues an ADOPT for each and makes them visible. Their first appends may follow at
// once. A queue or disk that is full is no error: the ADOPT is written before the first append then.
func (l *Leaders) Open(openings ...Opening) error {
	made := make([]*Partition, len(openings))
	for i, o := range openings {
		if o.State == nil {
			o.State = &stream.PartitionState{}
		}
		if planted.Is(planted.ForgetSequences) {
			o.State.Producers = stream.Producers{}
		}
		if known := metadata.LeaderEpoch(o.State.Epoch()); o.Epoch < known {
			return fmt.Errorf("partition %v: open at leader epoch %d, its log is at %d: %w", o.Key, o.Epoch, known, kerr.FencedLeaderEpoch)
		}
		p := &Partition{key: o.Key, epoch: o.Epoch, leaders: l, state: o.State, end: o.State.End}
		p.config.Store(o.Config)
		made[i] = p
	}
	l.mu.Lock()
	for _, p := range made {
		if _, open := l.partitions[p.key]; open {
			l.mu.Unlock()
			return fmt.Errorf("partition %v: open: it is open already", p.key)
		}
	}
	for _, p := range made {
		l.partitions[p.key] = p
	}
	close(l.opened)
	l.opened = make(chan struct{})
	l.mu.Unlock()
	for _, p := range made {
		p.mu.Lock()
		if !p.adopted {
			_ = p.adoptLocked() // Append tries again
		}
		p.mu.Unlock()
	}
	return nil
}

// Close stops leading the partition. Later calls on it fail with reason, which is a kerr error; waiters are woken to see it. Appends in flight
// still have their own outcome. Deleted says that the partition's data are not needed any more: RELEASE is queued.
// A partition that is not open is no error.
func (l *Leaders) Close(k Key, reason error, deleted bool) {
	l.mu.Lock()
	p := l.partitions[k]
	delete(l.partitions, k)
	l.mu.Unlock()
	if p != nil {
		p.close(reason, deleted)
	}
}

// CloseAll closes every partition, keeping their data.
func (l *Leaders) CloseAll(reason error) {
	for _, k := range l.Keys() {
		l.Close(k, reason, false)
	}
}

// Keys returns the partitions that are open, in no order.
func (l *Leaders) Keys() []Key {
	l.mu.RLock()
	defer l.mu.RUnlock()
	keys := make([]Key, 0, len(l.partitions))
	for k := range l.partitions {
		keys = append(keys, k)
	}
	return keys
}
