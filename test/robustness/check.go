package robustness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func isOutOfRange(err error) bool { return errors.Is(err, kerr.OffsetOutOfRange) }

// readBack reads the whole topic with a new client, from the log start to the high watermarks.
func readBack(t *testing.T, bootstrap []string) map[place]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	start := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		start[p] = kgo.NewOffset().AtStart()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			t.Fatalf("end offset of partition %d: %v", o.Partition, o.Err)
		}
		want += o.Offset
	})
	all := map[place]string{}
	for int64(len(all)) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("read back %d of %d records: %v", len(all), want, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all[place{r.Partition, r.Offset}] = string(r.Key) })
	}
	return all
}

// check compares what is in the log with what the producers and the reader were told.
func (l *load) check(log map[place]string) []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := l.errs
	where := map[string]place{}
	var ends [partitions]int64
	for at, value := range log {
		if other, twice := where[value]; twice { // P1
			errs = append(errs, fmt.Errorf("record %s is there twice: at %v and %v", value, other, at))
		}
		where[value] = at
		ends[at.partition] = max(ends[at.partition], at.offset+1)
	}
	for p, end := range ends {
		for o := range end {
			if _, ok := log[place{int32(p), o}]; !ok {
				errs = append(errs, fmt.Errorf("partition %d has no record at offset %d, before its end %d", p, o, end))
			}
		}
	}
	for value, at := range l.acked { // L1
		if got, ok := log[at]; !ok {
			errs = append(errs, fmt.Errorf("record %s, acknowledged at %v, is lost", value, at))
		} else if got != value {
			errs = append(errs, fmt.Errorf("record %s was acknowledged at %v, where %s is", value, at, got))
		}
	}
	for at, value := range l.seen { // L2, L4
		if got := log[at]; got != value {
			errs = append(errs, fmt.Errorf("offset %v was read as %s before, and holds %q now", at, value, got))
		}
	}
	return append(errs, checkOrder(log, ends)...)
}

// checkOrder checks that each producer's records of a partition are in the order in which they were sent.
func checkOrder(log map[place]string, ends [partitions]int64) []error {
	var errs []error
	for p, end := range ends {
		last := map[string]int{}
		for o := range end {
			producer, number, ok := strings.Cut(log[place{int32(p), o}], "/")
			n, err := strconv.Atoi(number)
			if !ok || err != nil {
				continue // a gap, reported already
			}
			if before, ok := last[producer]; ok && before >= n {
				errs = append(errs, fmt.Errorf("partition %d offset %d: record %d of producer %s after its record %d", p, o, n, producer, before))
			}
			last[producer] = n
		}
	}
	return errs
}

// report fails the test for what check found, and says how much was checked.
func (l *load) report(t *testing.T, log map[place]string) {
	t.Helper()
	errs := l.check(log)
	const shown = 20
	for i, err := range errs {
		if i == shown {
			t.Errorf("... and %d more", len(errs)-shown)
			break
		}
		t.Error(err)
	}
	t.Logf("%d records acknowledged, %d read along, %d in the log; %d anomalies", len(l.acked), len(l.seen), len(log), len(errs))
	if len(l.acked) == 0 || len(l.seen) == 0 {
		t.Error("nothing was acknowledged or read: the check says nothing")
	}
}
