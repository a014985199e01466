package broker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// A look is one pass over partitions of a fetch. It reads from memory first; what lies further back, on the disk, comes after it and only in
// turns (Broker.bulk), so that a backfill delays neither the fetches that follow the tail nor, in its own session, the partitions that do.
type look struct {
	op  *fetchOp
	img *image.Image

	found  []found // what the response will hold
	cold   int     // of found, those that are to be read from the disk
	errors int     // partitions that got an error
	bytes  int64   // of records
	memory int64   // of them, those that are not sent from files
	failed bool    // a partition that exists could not be read: the client must hear of it now
	budget int64   // taken from the fetch budget
	room   int64   // bytes that may still be read; negative: none were taken from the budget yet

	patience time.Time // until when partitions are awaited
}

// found is what a look says about one partition.
type found struct {
	part    *fetchPart
	led     led // nil if it cannot be read
	topic   *image.Topic
	code    int16
	unread  bool // the code is about what there is no partition to ask
	settled bool // there is nothing more to find until the partition says so
	hint    leaderHint

	diverges   bool // from what the client has
	divergence divergence

	offsets partition.Offsets
	records partition.Records
}

// divergence is up to where the client's records may be those of the log.
type divergence struct {
	epoch metadata.LeaderEpoch
	end   int64
}

const (
	// readLeast is the least part of the fetch budget that a fetch begins to read with.
	readLeast = 1 << 20
	// bulkReadsMax is how many looks read from the disk at once.
	bulkReadsMax = 4
	// coldBytesMax is what one look reads from the disk: others wait for their turn meanwhile.
	coldBytesMax = 8 << 20
	// skipsMax is how often the partitions of a connection that lie behind give way to those that do not.
	skipsMax = 4
)

// release gives records and budget back, and makes the look as new.
func (l *look) release() {
	for i := range l.found {
		l.found[i].records.Release()
	}
	if l.op != nil {
		l.op.b.fetchBudget.give(l.budget)
	}
	clear(l.found)
	*l = look{op: l.op, found: l.found[:0], room: -1}
}

// hopeless reports whether nothing that was looked at can get records.
func (l *look) hopeless() bool {
	if x := l.op.session; x != nil {
		return l.errors == len(x.parts)
	}
	return l.errors == len(l.op.parts)
}

func (l *look) run(ctx context.Context, parts []*fetchPart) error {
	l.img = l.op.b.image.Current()
	for _, p := range parts {
		if l.op.session != nil && l.bytes > 0 && l.room == 0 {
			break // those behind keep their place, which is in front the next time
		}
		l.found = append(l.found, found{part: p, offsets: partition.Offsets{LogStart: -1, HighWatermark: -1, LastStable: -1}})
		f := &l.found[len(l.found)-1]
		if err := l.partition(ctx, f); err != nil {
			return err
		}
		switch {
		case f.records.Deferred:
			l.cold++
		case l.op.session != nil && !f.news():
			if f.settled {
				l.op.session.settle(p)
			}
			*f = found{}
			l.found = l.found[:len(l.found)-1]
		}
	}
	l.giveBack()
	if l.cold == 0 {
		return nil
	}
	err := l.bulk(ctx)
	l.giveBack()
	if x := l.op.session; x != nil {
		l.found = slices.DeleteFunc(l.found, func(f found) bool {
			if !f.news() && f.settled {
				x.settle(f.part)
			}
			return !f.news()
		})
	}
	return err
}

// news reports whether a session's client has to hear of it.
func (f *found) news() bool {
	return f.records.Bytes > 0 || f.code != 0 || f.diverges || f.offsets.HighWatermark != f.part.highWatermark || f.offsets.LogStart != f.part.logStart
}

// giveBack gives back what the memory of the records does not need of the budget.
func (l *look) giveBack() {
	if l.budget > l.memory {
		l.op.b.fetchBudget.give(l.budget - l.memory)
		l.budget = l.memory
	}
}

// partition looks at one partition, without reading from the disk.
func (l *look) partition(ctx context.Context, f *found) error {
	p := f.part
	t, err := l.op.topic(p)
	if err != nil {
		// As in Kafka, this alone does not end the wait for the other partitions.
		f.code, f.unread = kafkaError(err).Code, true
		l.errors++
		return nil
	}
	f.topic = t
	if l.op.req.Version < 10 && l.op.b.storesZstd(t) { // KIP-110: as Kafka, the topic's setting decides, not the batches
		f.code, f.unread = kerr.UnsupportedCompressionType.Code, true
		l.errors++
		return nil
	}
	key := partition.Key{Topic: t.ID, Index: p.index}
	if f.led, err = l.led(ctx, t, key); err != nil {
		l.refuse(f, err)
		return nil
	}
	if x := l.op.session; x != nil {
		x.follow(p, f.led)
	}
	if p.fetched >= 0 && l.diverged(f) {
		return nil
	}
	if at := f.led.Offsets(); p.offset == at.HighWatermark && (p.epoch < 0 || p.epoch == f.led.LeaderEpoch()) {
		f.offsets, f.settled = at, true // nothing new, and nothing wrong
	} else {
		if err := l.takeRoom(ctx); err != nil {
			return err
		}
		l.read(ctx, f, partition.ReadRequest{TailOnly: true})
	}
	return nil
}

// led finds a partition, waiting for it a moment if it is ours, or about to be, and just opening. All of a look's waiting ends at the same moment.
func (l *look) led(ctx context.Context, t *image.Topic, key partition.Key) (led, error) {
	b := l.op.b
	found, err := b.leaders.get(key)
	if err == nil || !b.opens(t, key.Index) {
		return found, err
	}
	if l.patience.IsZero() {
		l.patience = time.Now().Add(openingWait)
	}
	ctx, cancel := context.WithDeadline(ctx, l.patience)
	defer cancel()
	return b.leaders.await(ctx, key)
}

// diverged reports whether the client's records are not those of the log, by the epoch of its last one (KIP-595), or it cannot be told. Then f says so.
func (l *look) diverged(f *found) bool {
	p := f.part
	epoch, end := f.led.EpochEnd(p.fetched)
	switch {
	case p.epoch >= 0 && p.epoch != f.led.LeaderEpoch():
		return false // reading refuses it
	case epoch < 0 || end < 0:
		l.refuse(f, kerr.OffsetOutOfRange)
	case epoch < p.fetched || end < p.offset:
		f.diverges, f.divergence = true, divergence{epoch, end}
		f.offsets = f.led.Offsets()
		l.failed = true // the client must hear of it now
	default:
		return false
	}
	return true
}

// storesZstd reports whether the topic wants all batches compressed with zstd, which clients of old versions cannot read.
func (b *Broker) storesZstd(t *image.Topic) bool {
	layers := b.topics.Layers()
	layers.Topic = t.Configs
	return layers.TopicString("compression.type") == "zstd"
}

// read reads from f's partition into what room there is. r says from where.
func (l *look) read(ctx context.Context, f *found, r partition.ReadRequest) {
	p := f.part
	r.Offset, r.MaxBytes, r.AtLeastOne = p.offset, int32(min(l.room, int64(max(p.maxBytes, 0)))), l.bytes == 0
	r.Committed, r.ClientEpoch, r.Files = l.op.committed(), p.epoch, true
	var err error
	if f.records, err = f.led.Read(ctx, r); err != nil {
		l.refuse(f, err)
		return
	}
	f.offsets = f.records.Offsets
	end := f.offsets.HighWatermark
	if r.Committed {
		end = f.offsets.LastStable
	}
	// Nothing may also mean that the next batch did not fit into what was left of the answer.
	f.settled = f.records.Bytes == 0 && !f.records.Deferred && (r.AtLeastOne || p.offset >= end)
	l.bytes += int64(f.records.Bytes)
	l.memory += int64(f.records.Bytes - f.records.FileBytes)
	l.room = max(0, l.room-int64(f.records.Bytes))
}

func (l *look) refuse(f *found, err error) {
	l.failed = true
	l.errors++
	f.led = nil
	f.code = l.op.b.code(l.op.r, err, "topic", f.topic.Name, "partition", f.part.index, "offset", f.part.offset)
	if errors.Is(err, kerr.NotLeaderForPartition) || errors.Is(err, kerr.FencedLeaderEpoch) {
		f.hint = hint(f.topic, f.part.index)
	}
}

// bulk reads the cold partitions, when it is this connection's turn and there is room in the answer. With enough in hand for an answer it does not wait
// for its turn, though not too often. Whoever has a turn waits for nothing but the disk, so that what others hold while they wait for theirs does no harm.
func (l *look) bulk(ctx context.Context) error {
	b, c := l.op.b, l.op.r.conn
	hot := l.bytes > 0
	if hot && l.bytes >= l.wanted() {
		c.skips++
		return nil
	}
	if !b.bulk.TryAcquire(1) {
		if l.enough() && c.skips < skipsMax {
			c.skips++
			return nil
		}
		since := time.Now()
		err := b.bulk.Acquire(ctx, 1)
		l.op.waited += time.Since(since)
		if err != nil {
			return nil //nolint:nilerr // the broker closes, or the client went away: that ends the fetch elsewhere
		}
	}
	c.skips = 0
	if want := l.coldRoom(); !l.tryRoom(want) {
		b.bulk.Release(1)
		if hot {
			return nil
		}
		taken, err := b.fetchBudget.take(ctx, min(want, readLeast))
		if err != nil {
			return err
		}
		l.budget, l.room = taken, min(want, taken)
		if b.bulk.Acquire(ctx, 1) != nil {
			return nil //nolint:nilerr // as above
		}
	}
	defer b.bulk.Release(1)
	for i := range l.found {
		if l.bytes > 0 && l.room == 0 {
			break
		}
		if f := &l.found[i]; f.records.Deferred {
			l.read(ctx, f, partition.ReadRequest{})
		}
	}
	return nil
}

// coldRoom is how much may be read from the disk.
func (l *look) coldRoom() int64 { return max(min(l.wanted()-l.bytes, coldBytesMax), 0) }

// tryRoom makes room for want bytes, or a part of it, without waiting.
func (l *look) tryRoom(want int64) bool {
	for n := want; ; n /= 2 {
		if taken, ok := l.op.b.fetchBudget.tryTake(n); ok {
			l.budget += taken
			l.room = taken
			return true
		}
		if n <= readLeast {
			return false
		}
	}
}

// enough reports whether the answer is due without more waiting.
func (l *look) enough() bool {
	return l.failed || l.bytes >= min(int64(l.op.req.MinBytes), max(l.op.most, 1))
}

func (l *look) topic(p *fetchPart) (*image.Topic, bool) {
	if l.op.req.Version >= 13 {
		return l.img.TopicByID(p.id)
	}
	return l.img.Topic(p.topic)
}

// wanted is how much the client takes.
func (l *look) wanted() int64 { return l.op.most }

// takeRoom takes this look's part of the fetch budget, before its first read.
func (l *look) takeRoom(ctx context.Context) error {
	if l.room >= 0 {
		return nil
	}
	// One client that reads slowly must not hold everybody's budget; it comes back for the rest.
	want := min(l.wanted(), max(l.op.b.fetchBudget.max/4, readLeast))
	if l.op.r.conn.skips >= skipsMax {
		want = max(want/2, 1) // what lies on the disk gets the rest
	}
	got, ok := l.op.b.fetchBudget.tryTake(want)
	if !ok {
		var err error
		since := time.Now()
		got, err = l.op.b.fetchBudget.takeUpTo(ctx, want, readLeast)
		l.op.waited += time.Since(since)
		if err != nil {
			return err
		}
	}
	l.budget, l.room = got, min(want, got)
	return nil
}
