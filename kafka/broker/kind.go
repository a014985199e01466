package broker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/kind"
	"weir/kafka/partition"
	"weir/kafka/quota"
	"weir/metadata"
)

// ruled are the rules of the cluster's kind as this broker enforces them.
type ruled struct {
	rules    atomic.Pointer[kind.Rules]
	bounded  *quota.Bounded
	changed  chan struct{}                           // gets a token when CompactedBytes may hold now
	full     atomic.Pointer[map[partition.Key]int64] // compacted partitions that may not grow, with their size
	settings *metadata.Settings                      // that rules are of, guarded by mu
	brokers  int                                     // that rates are shared out to, guarded by mu
	mu       sync.Mutex
}

func newRuled(s quota.Settings) *ruled {
	r := &ruled{bounded: quota.NewBounded(s, nil), changed: make(chan struct{}, 1)}
	r.rules.Store(new(kind.Rules))
	return r
}

// configureKind takes the rules of the cluster's kind from the newest image.
func (b *Broker) configureKind(*image.Image) {
	img := b.image.Current()
	k := b.kind
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, n := img.Settings(), len(img.Brokers); s != k.settings || n != k.brokers {
		k.settings, k.brokers = s, n
		k.set(kind.Of(s), n)
		b.mu.Lock()
		b.count.shared = k.connections(n)
		b.mu.Unlock()
	}
	if k.rules.Load().Changes > 0 {
		b.topics.Observe(img)
	}
}

// set takes rules that hold in a cluster of n brokers.
func (k *ruled) set(rules *kind.Rules, n int) {
	share := rules.Cluster.Per(n)
	k.rules.Store(rules)
	k.bounded.Bind(quota.Bounds{
		In: share.In + rules.Broker.In, Out: share.Out + rules.Broker.Out, Requests: share.Requests, Attempts: share.Attempts,
		PartitionIn: rules.PartitionIn, PartitionOut: rules.PartitionOut, TopicRequests: rules.TopicRequests,
	})
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// connections is how many connections a broker of the cluster may have; 0 is without a bound.
func (k *ruled) connections(brokers int) int {
	most := k.rules.Load().Connections
	return (most + max(brokers, 1) - 1) / max(brokers, 1)
}

// checkFetch says why a fetch may not ask for so many bytes.
func (k *ruled) checkFetch(bytes int64) *kerr.Error {
	if most := k.rules.Load().FetchBytes; most > 0 && bytes > most {
		return kerr.InvalidRequest
	}
	return nil
}

// checkBatch says why a batch of that many bytes cannot be appended.
func (k *ruled) checkBatch(t *image.Topic, index int32, bytes int) error {
	rules := k.rules.Load()
	if most := rules.MessageBytes; most > 0 && int64(bytes) > most {
		return fmt.Errorf("quota exceeded: messages of a serverless cluster may have %d bytes, with their batch, this one has %d: %w",
			most, bytes, kerr.InvalidRequest)
	}
	if full := k.full.Load(); full != nil && rules.CompactedBytes > 0 {
		if size, ok := (*full)[partition.Key{Topic: t.ID, Index: index}]; ok {
			return fmt.Errorf("quota exceeded: a compacted partition of a serverless cluster may have %d bytes, this one has %d: %w",
				rules.CompactedBytes, size, kerr.ThrottlingQuotaExceeded)
		}
	}
	return nil
}

// sizesEvery is how often the sizes of compacted partitions are looked at.
const sizesEvery = 5 * time.Second

// watchCompacted keeps k.full until ctx ends, as long as there is something to keep.
func (b *Broker) watchCompacted(ctx context.Context) {
	if b.storage == nil {
		return
	}
	tick := time.NewTimer(sizesEvery)
	defer tick.Stop()
	for {
		rules := b.kind.rules.Load()
		var again <-chan time.Time
		if rules.CompactedBytes > 0 {
			b.kind.full.Store(fullPartitions(rules, b.image.Current(), b.storage.Sizes()))
			tick.Reset(sizesEvery)
			again = tick.C
		}
		select {
		case <-ctx.Done():
			return
		case <-b.kind.changed:
		case <-again:
		}
	}
}

// fullPartitions are those of compacted topics that are as large as they may be; nil if there are none.
func fullPartitions(rules *kind.Rules, img *image.Image, sizes []partition.Size) *map[partition.Key]int64 {
	var full map[partition.Key]int64
	for _, s := range sizes {
		if s.Bytes < rules.CompactedBytes {
			continue
		}
		if t, ok := img.TopicByID(s.Key.Topic); ok && !t.Internal && kind.Compacted(t.Configs) {
			if full == nil {
				full = make(map[partition.Key]int64)
			}
			full[s.Key] = s.Bytes
		}
	}
	if full == nil {
		return nil
	}
	return &full
}

// admitGroup says why that group cannot be: it is new, and the cluster has as many as it may have. Brokers that do not answer count for nothing.
func (b *Broker) admitGroup(ctx context.Context, group string) error {
	most := b.kind.rules.Load().Groups
	if most == 0 {
		return nil
	}
	mine, err := b.groups.List(ctx, nil, nil)
	if err != nil {
		return nil //nolint:nilerr // whoever asks for the group gets the error
	}
	n := len(mine)
	for _, g := range mine {
		if g.Group == group {
			return nil
		}
	}
	if n < most {
		n += b.groupsElsewhere(ctx)
	}
	if n < most {
		return nil
	}
	return fmt.Errorf("quota exceeded: a serverless cluster may have %d consumer groups, and it has %d: %w", most, n, kerr.InvalidRequest)
}

// groupsElsewhere asks the other brokers how many groups they have.
func (b *Broker) groupsElsewhere(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Limits.GroupsWait)
	defer cancel()
	var sum atomic.Int64
	var asked sync.WaitGroup
	for _, s := range b.image.Current().Brokers {
		if s.Broker == b.cfg.Broker {
			continue
		}
		asked.Go(func() {
			resp, err := b.peers.Request(ctx, s.Broker, kmsg.NewPtrListGroupsRequest())
			list, ok := resp.(*kmsg.ListGroupsResponse)
			if err != nil || !ok {
				b.log.Debug("a broker did not say how many groups it has", "peer", s.Broker, "err", err)
				return
			}
			sum.Add(int64(len(list.Groups)))
		})
	}
	asked.Wait()
	return int(sum.Load())
}

// countIn counts a produce request, and says how long its client pauses for the bounds of the broker and of its partitions.
func (k *ruled) countIn(bytes int64, op *produceOp) time.Duration {
	pause := max(k.bounded.In(bytes), k.bounded.Request())
	if op == nil || k.bounded.Bounds().PartitionIn == 0 {
		return pause
	}
	next := 0
	for i := range op.req.Topics {
		t := &op.req.Topics[i]
		known, err := op.topic(t)
		for range t.Parts {
			p, in := op.parts[next], &op.req.Parts[next]
			next++
			if err == nil && p.led != nil {
				pause = max(pause, k.bounded.PartitionIn(known.ID, in.Partition, int64(len(in.Records))))
			}
		}
	}
	return pause
}

// countOut counts a fetch that found these records.
func (k *ruled) countOut(bytes int64, parts []found) time.Duration {
	pause := max(k.bounded.Out(bytes), k.bounded.Request())
	if k.bounded.Bounds().PartitionOut == 0 {
		return pause
	}
	for i := range parts {
		if f := &parts[i]; f.topic != nil && f.records.Bytes > 0 {
			pause = max(pause, k.bounded.PartitionOut(f.topic.ID, f.part.index, int64(f.records.Bytes)))
		}
	}
	return pause
}

// countRequest counts any other request.
func (k *ruled) countRequest(key int16) time.Duration {
	pause := k.bounded.Request()
	switch key {
	case 19, 20, 37: // CreateTopics, DeleteTopics, CreatePartitions
		pause = max(pause, k.bounded.TopicRequest())
	}
	return pause
}
