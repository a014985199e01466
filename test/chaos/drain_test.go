package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"weir/internal/checker"
)

// drainLimit is how long consumers have to finish what is there. Who has not by then is reported by the checker: as lost inputs, or as unsettled.
const drainLimit = 3 * time.Minute

// drain waits until the pipeline's consumers have committed the ends of their topics and the share group has settled everything it knows of, or the limit has passed.
func (r *run) drain(t *testing.T) {
	t.Helper()
	cl, err := r.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ctx, cancel := context.WithTimeout(t.Context(), r.patience)
	defer cancel()
	for ctx.Err() == nil {
		if r.left = r.undrained(ctx, adm); r.left == nil {
			pause(ctx, time.Second) // the last answers are on their way
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
	t.Logf("after %v there is still something to do: %v", r.patience, r.left)
}

// undrained says what is left to do for a consumer.
func (r *run) undrained(ctx context.Context, adm *kadm.Client) error {
	for s := range stages {
		// Markers follow the last record, so consumers never commit the end of the log.
		got, err := adm.FetchOffsetsForTopics(ctx, "stage-"+pipe(s), pipe(s))
		ends, err2 := adm.ListCommittedOffsets(ctx, pipe(s))
		if err := firstOf(err, err2, ends.Error()); err != nil {
			return err
		}
		for p := range int32(partitions) {
			end, _ := ends.Lookup(pipe(s), p)
			at, _ := got.Lookup(pipe(s), p)
			if last := r.lastRecord(pipe(s), p, end.Offset); at.Err != nil || at.At < last+1 {
				return fmt.Errorf("stage %d has read partition %d to %d of %d", s, p, at.At, last+1)
			}
		}
	}
	settled := map[checker.Place]bool{}
	for _, op := range r.finished() {
		for _, a := range op.Settled {
			settled[a.Place] = settled[a.Place] || a.Final // an acknowledgement without an answer may have counted
		}
	}
	for _, op := range r.finished() {
		for _, w := range op.Writes {
			at := checker.Place{Partition: w.Partition, Offset: w.Offset}
			if w.Outcome == checker.OK && w.Partition == partitionOf(shared, number(w.Partition)) && !settled[at] {
				return fmt.Errorf("the share group has not settled %v", at)
			}
		}
	}
	return nil
}

// lastRecord is the highest offset of a committed record that was written to the partition, -1 if there is none.
func (r *run) lastRecord(topic string, p int32, end int64) int64 {
	last, at := int64(-1), partitionOf(topic, p)
	for _, op := range r.finished() {
		if op.Kind == checker.Txn && op.Outcome != checker.OK {
			continue
		}
		for _, w := range op.Writes {
			if w.Partition == at && w.Outcome == checker.OK && w.Offset < end {
				last = max(last, w.Offset)
			}
		}
	}
	return last
}

// finished are the operations that have ended: the others' fields still change.
func (r *run) finished() []*checker.Op { return r.rec.Finished() }
