package daemon

import (
	"cmp"
	"math"
	"runtime/debug"
	"time"

	"weir/kafka/broker"
	"weir/kafka/configdef"
	"weir/kafka/ownership"
	"weir/node"
	"weir/storage/disk"
	"weir/storage/tier"
)

// budget divides what a broker process may take (storage-engine design, section 14). Each part has a share of the memory, and a bound beyond which more
// would serve nobody: what a broker keeps in its heap is kept a second time in the page cache, which serves readers nearly as fast and is given
// back when others need it.
type budget struct {
	memory  int64 // that the Go runtime may take; what is not given away below is for it, connections and metadata
	produce int64 // requests from the wire to the disk
	request int64 // all other requests
	fetch   int64 // records in answers, but for those that are sent from files
	tail    int64 // what was appended last
	index   int64 // of containers
	extents int64 // where data lie in the journal, from which on they are flushed
	free    int64 // buffers to use again
	journal int64 // bytes on disk
	flush   int64 // of these, from which on they are flushed
}

const (
	memoryDefault = 2 << 30  // where nothing is known
	journalMax    = 10 << 30 // and not more than a tenth of the file system, which the cluster's brokers share
	journalLeast  = 256 << 20
	flushMax      = 2 << 30 // and not more than a quarter of the journal
)

func newBudget(memory, fileSystem int64) budget {
	if memory <= 0 {
		memory = memoryDefault
	}
	share := func(percent, least, most int64) int64 { return min(max(memory/100*percent, least), most) }
	b := budget{
		memory:  memory,
		produce: share(15, 8<<20, 48<<20),
		request: share(5, 8<<20, 64<<20),
		fetch:   share(10, 8<<20, 128<<20),
		tail:    share(35, 4<<20, 64<<20),
		index:   share(20, 4<<20, 64<<20),
		extents: share(10, 2<<20, 16<<20),
		free:    share(5, 1<<20, 32<<20),
		journal: journalMax,
	}
	if fileSystem > 0 {
		b.journal = min(max(fileSystem/10, journalLeast), journalMax)
	}
	b.flush = min(b.journal/4, flushMax)
	return b
}

// memoryOf is how much memory the process may take: what the node set for the Go runtime, which knows the machine, or the instance type's.
func memoryOf(h *node.Handover) int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 { // only reads it
		return limit
	}
	return h.MemoryBytes
}

// budgetFor is the budget of the broker with that directory.
func budgetFor(h *node.Handover, fs disk.FS) (budget, error) {
	_, total, err := fs.Space()
	if err != nil {
		return budget{}, err
	}
	return newBudget(memoryOf(h), total), nil
}

func (b *budget) limits() broker.Limits {
	return broker.Limits{ProduceBytesMax: b.produce, RequestBytesMax: b.request, FetchBytesMax: b.fetch}
}

// apply sets what the budget says of the log, where c does not say it, and takes over what c says of the journal.
func (b *budget) apply(c *ownership.Config) {
	t := &c.Tier
	if t.JournalLimit != 0 {
		b.journal = t.JournalLimit // negative: none
	}
	if b.journal > 0 {
		b.flush = min(b.flush, b.journal/4)
	}
	t.JournalLimit = b.journal
	c.Stream.TailBytesMax = cmp.Or(c.Stream.TailBytesMax, b.tail)
	c.IndexBytesMax = cmp.Or(c.IndexBytesMax, b.index)
	t.FlushBytes = cmp.Or(t.FlushBytes, b.flush)
	t.FlushExtents = cmp.Or(t.FlushExtents, b.extents)
	t.RetainInterval = cmp.Or(t.RetainInterval, retainInterval(c.Properties))
	if c.Compact == (tier.CompactConfig{}) {
		c.Compact = b.compaction(configdef.Layers{Static: c.Properties})
	}
}

// compaction is what the cluster's configuration says of it. Its map of keys comes and goes, so that it has no part of its own in the budget.
func (b *budget) compaction(l configdef.Layers) tier.CompactConfig {
	c := tier.CompactConfig{
		Interval: time.Duration(max(l.BrokerInt("log.cleaner.backoff.ms"), 1)) * time.Millisecond,
		MapBytes: min(max(l.BrokerInt("log.cleaner.dedupe.buffer.size"), 1<<20), max(b.memory/10, 8<<20)),
		MapLoad:  l.BrokerFloat("log.cleaner.io.buffer.load.factor"),
	}
	if rate := l.BrokerFloat("log.cleaner.io.max.bytes.per.second"); rate >= 1 && rate < math.MaxInt64 {
		c.BytesPerSecond = int64(rate)
	}
	return c
}
