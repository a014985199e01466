package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/checker"
	"weir/test/cluster"
)

// settleLimit is how long transactions may take to end after the faults: their timeout, and then some (X3).
const settleLimit = time.Minute

// final reads all there is as a read_committed consumer, once no transaction is open any more.
func (r *run) final(t *testing.T, topics ...string) map[checker.Partition][]checker.Read {
	t.Helper()
	cl, err := r.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends := map[checker.Partition]int64{}
	cluster.Eventually(t, settleLimit, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		stable, err := adm.ListCommittedOffsets(ctx, topics...)
		high, err2 := adm.ListEndOffsets(ctx, topics...)
		if err := firstOf(err, err2, stable.Error(), high.Error()); err != nil {
			return err
		}
		for _, topic := range topics {
			for p := range int32(partitions) {
				s, _ := stable.Lookup(topic, p)
				h, ok := high.Lookup(topic, p)
				if !ok || s.Offset != h.Offset {
					return fmt.Errorf("%s-%d: a transaction is still open: last stable offset %d, high watermark %d (%v)", topic, p, s.Offset, h.Offset, ok)
				}
				ends[partitionOf(topic, p)] = h.Offset
			}
		}
		return nil
	})
	out := map[checker.Partition][]checker.Read{}
	for _, topic := range topics {
		for p := range int32(partitions) {
			at := partitionOf(topic, p)
			out[at] = r.readAll(t, topic, p, ends[at])
		}
	}
	return out
}

// readAll reads a partition up to end. Markers have offsets and no records, so the position tells when it is done.
func (r *run) readAll(t *testing.T, topic string, p int32, end int64) []checker.Read {
	t.Helper()
	if end == 0 {
		return nil
	}
	from := map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(0)}}
	cl, err := r.client(kgo.ConsumePartitions(from), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out []checker.Read
	for next := int64(0); next < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("read %s-%d back: %d of %d: %v", topic, p, next, end, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				out = append(out, checker.Read{Partition: partitionOf(topic, p), Offset: rec.Offset, Value: string(rec.Value)})
			}
		})
	}
	return out
}
