package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/checker"
)

// settleLimit is how long transactions may take to end after the faults: their timeout, and then some (X3).
const settleLimit = 2 * time.Minute

// final reads all there is as a read_committed consumer, once no transaction is open any more.
func (r *run) final(ctx context.Context, topics ...string) (map[checker.Partition][]checker.Read, error) {
	cl, err := r.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	limit, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	ends, err := r.settled(limit, kadm.NewClient(cl), topics)
	for err != nil && limit.Err() == nil {
		pause(limit, 200*time.Millisecond)
		ends, err = r.settled(limit, kadm.NewClient(cl), topics)
	}
	if err != nil {
		return nil, fmt.Errorf("%v after the faults: %w", settleLimit, err)
	}
	out := map[checker.Partition][]checker.Read{}
	for _, topic := range topics {
		for p := range int32(partitions) {
			at := partitionOf(topic, p)
			if out[at], err = r.readAll(ctx, topic, p, ends[at]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// settled returns the ends of all partitions, if no transaction is open in any.
func (r *run) settled(ctx context.Context, adm *kadm.Client, topics []string) (map[checker.Partition]int64, error) {
	stable, err := adm.ListCommittedOffsets(ctx, topics...)
	high, err2 := adm.ListEndOffsets(ctx, topics...)
	if err := firstOf(err, err2, stable.Error(), high.Error()); err != nil {
		return nil, err
	}
	ends := map[checker.Partition]int64{}
	for _, topic := range topics {
		for p := range int32(partitions) {
			s, _ := stable.Lookup(topic, p)
			h, ok := high.Lookup(topic, p)
			if !ok || s.Offset != h.Offset {
				return nil, fmt.Errorf("%s-%d: a transaction is still open: last stable offset %d, high watermark %d", topic, p, s.Offset, h.Offset)
			}
			ends[partitionOf(topic, p)] = h.Offset
		}
	}
	return ends, nil
}

// readAll reads a partition up to end. Markers have offsets and no records, so the position tells when it is done.
func (r *run) readAll(ctx context.Context, topic string, p int32, end int64) ([]checker.Read, error) {
	if end == 0 {
		return nil, nil
	}
	from := map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(0)}}
	cl, err := r.client(kgo.ConsumePartitions(from), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var out []checker.Read
	for next := int64(0); next < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read %s-%d back: %d of %d: %w", topic, p, next, end, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				out = append(out, checker.Read{Partition: partitionOf(topic, p), Offset: rec.Offset, Value: string(rec.Value)})
			}
		})
	}
	return out, nil
}
