package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// sessionFetch begins a session with the first n partitions at offset 0, and returns what makes the requests that go on.
func (r *waitRig) sessionFetch(n int32) (first *kmsg.FetchResponse, next func(changed ...kmsg.FetchRequestTopicPartition) *kmsg.FetchRequest) {
	r.t.Helper()
	full := fetchReq(13, "", r.topic.ID, n, 0)
	full.SessionEpoch, full.MaxWaitMillis = 0, 0
	o := <-r.fetch(r.t.Context(), full)
	if o.err != nil || o.resp.SessionID == 0 {
		r.t.Fatalf("no session: %+v", o)
	}
	epoch := int32(0)
	return o.resp, func(changed ...kmsg.FetchRequestTopicPartition) *kmsg.FetchRequest {
		req := kmsg.NewPtrFetchRequest()
		epoch++
		req.Version, req.SessionID, req.SessionEpoch, req.MinBytes, req.MaxBytes, req.MaxWaitMillis = 13, o.resp.SessionID, epoch, 1, 1<<20, 1000
		if len(changed) > 0 {
			t := kmsg.NewFetchRequestTopic()
			t.TopicID, t.Partitions = r.topic.ID, changed
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

// at is a session's partition that moved on to an offset.
func at(index int32, offset int64) kmsg.FetchRequestTopicPartition {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = index, offset, 1<<20
	return p
}

func (r *waitRig) looks() (n int) {
	for _, f := range r.leds {
		f.mu.Lock()
		n += f.looks
		f.mu.Unlock()
	}
	return n
}

// A request of a session costs nothing for the partitions in which nothing happens.
func TestSessionsLookOnlyWhereSomethingHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		r := newWaitRig(t, n)
		_, next := r.sessionFetch(n)
		<-r.fetch(t.Context(), next()) // looks at all, and finds nothing
		before := r.looks()
		for range 10 {
			if o := <-r.fetch(t.Context(), next()); o.took != time.Second || len(o.resp.Topics) != 0 {
				t.Fatalf("an idle session: %+v", o)
			}
		}
		if now := r.looks(); now != before {
			t.Errorf("10 requests of a session in which nothing happened looked at %d partitions", now-before)
		}
		ch := r.fetch(t.Context(), next())
		time.Sleep(300 * time.Millisecond)
		r.leds[77].advance(1)
		o := <-ch
		if o.took != 300*time.Millisecond || len(o.resp.Topics) != 1 || len(o.resp.Topics[0].Partitions) != 1 || o.resp.Topics[0].Partitions[0].Partition != 77 {
			t.Errorf("a commit in one of them: %+v", o)
		}
		if now := r.looks(); now > before+3 {
			t.Errorf("%d looks for one commit", now-before)
		}
		// It is served again until the client moves on, and then not looked at any more.
		if o := <-r.fetch(t.Context(), next()); o.took != 0 || len(o.resp.Topics) != 1 {
			t.Errorf("the same once more: %+v", o)
		}
		if o := <-r.fetch(t.Context(), next(at(77, 1))); o.took != time.Second || len(o.resp.Topics) != 0 {
			t.Errorf("after the client moved on: %+v", o)
		}
		before = r.looks()
		<-r.fetch(t.Context(), next())
		if now := r.looks(); now != before {
			t.Errorf("%d looks at partitions that were read to their end", now-before)
		}
		// What happens between two requests is not missed.
		r.leds[3].advance(2)
		if o := <-r.fetch(t.Context(), next()); o.took != 0 || len(o.resp.Topics) != 1 || o.resp.Topics[0].Partitions[0].Partition != 3 {
			t.Errorf("a commit between two requests: %+v", o)
		}
		last := next()
		last.SessionEpoch, last.Topics = -1, fetchReq(13, "", r.topic.ID, 1, 0).Topics
		<-r.fetch(t.Context(), last)
		r.quiet()
	})
}

// What is read from the disk has its turns; whoever waits for one does not hold up those that have what they ask for in memory.
func TestColdPartitionsDoNotDelayHotOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, bulkReadsMax+3)
		var readers []<-chan outcome
		for i := range int32(bulkReadsMax + 1) { // the last has to wait for a turn
			r.leds[i].cold = make(chan struct{})
			r.leds[i].advance(10)
			req := fetchReq(12, "t", metadata.TopicID{}, 1, 0)
			req.Topics[0].Partitions[0].Partition = i
			readers = append(readers, r.fetch(t.Context(), req))
			synctest.Wait()
		}
		// One connection that fetches a cold and a hot partition: the hot one is served at once.
		hot, cold := int32(bulkReadsMax+1), int32(bulkReadsMax+2)
		r.leds[cold].cold = make(chan struct{}, 1)
		r.leds[cold].advance(10)
		r.leds[hot].advance(10)
		mixed := func() <-chan outcome {
			req := fetchReq(12, "t", metadata.TopicID{}, 2, 0)
			req.Topics[0].Partitions[0].Partition, req.Topics[0].Partitions[1].Partition = cold, hot
			return r.fetchOn(t.Context(), r.conn, req)
		}
		for range skipsMax {
			o := <-mixed()
			if ps := o.resp.Topics[0].Partitions; o.took != 0 || len(ps) != 2 || len(ps[0].RecordBatches) != 0 || len(ps[1].RecordBatches) != 1000 {
				t.Fatalf("hot beside cold: %+v", o)
			}
		}
		// But not for ever: then it waits for its turn as well.
		ch := mixed()
		synctest.Wait()
		select {
		case o := <-ch:
			t.Fatalf("a cold partition was passed over once more: %+v", o)
		default:
		}
		r.leds[cold].cold <- struct{}{}
		for i := range readers {
			close(r.leds[i].cold)
		}
		for _, ch := range readers {
			if o := <-ch; len(o.resp.Topics[0].Partitions[0].RecordBatches) != 1000 {
				t.Errorf("a cold read: %+v", o)
			}
		}
		if ps := (<-ch).resp.Topics[0].Partitions; len(ps[0].RecordBatches) != 1000 || len(ps[1].RecordBatches) != 1000 {
			t.Errorf("cold and hot together: %+v", ps)
		}
		r.quiet()
	})
}

// While cold reads wait for their turns they hold nothing of the budget that hot ones need.
func TestWaitingColdReadsHoldNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 2)
		r.leds[0].cold = make(chan struct{})
		r.leds[0].advance(10)
		var readers []<-chan outcome
		for range 100 {
			readers = append(readers, r.fetch(t.Context(), fetchReq(12, "t", metadata.TopicID{}, 1, 0)))
		}
		synctest.Wait()
		if n := gauge(r.b.metrics.fetchBytes); n > bulkReadsMax*coldBytesMax {
			t.Errorf("%d bytes of the fetch budget are taken", n)
		}
		close(r.leds[0].cold)
		for _, ch := range readers {
			<-ch
		}
		r.quiet()
	})
}

// Partitions whose news are in memory may fill every answer; those that lie behind get their part all the same.
func TestColdPartitionsDoNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 2)
		r.leds[0].cold = make(chan struct{}, 1)
		r.leds[0].cold <- struct{}{}
		for _, f := range r.leds {
			f.advance(1000)
		}
		for n := range skipsMax + 1 {
			req := fetchReq(12, "t", metadata.TopicID{}, 2, 0)
			req.MaxBytes = 1000
			ps := (<-r.fetchOn(t.Context(), r.conn, req)).resp.Topics[0].Partitions
			cold, hot := len(ps[0].RecordBatches), len(ps[1].RecordBatches)
			if n < skipsMax && (cold != 0 || hot != 1000) || n == skipsMax && (cold != 500 || hot != 500) {
				t.Errorf("answer %d: %d bytes from the disk, %d from memory", n, cold, hot)
			}
		}
		r.quiet()
	})
}

// What did not fit into one answer of a session comes with a later one, although nothing new happened in its partition.
func TestSessionsServeWhatDidNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		r := newWaitRig(t, n)
		_, next := r.sessionFetch(n)
		for _, f := range r.leds {
			f.advance(10) // batches of 100 bytes
		}
		seen := map[int32]bool{}
		for range n + 1 {
			var moved []kmsg.FetchRequestTopicPartition
			for i := range seen {
				moved = append(moved, at(i, 10))
			}
			req := next(moved...)
			req.MaxBytes = 1050 // half a batch is left after one partition
			for _, topic := range (<-r.fetch(t.Context(), req)).resp.Topics {
				for _, p := range topic.Partitions {
					if len(p.RecordBatches) > 0 {
						seen[p.Partition] = true
					}
				}
			}
		}
		if len(seen) != n {
			t.Errorf("only partitions %v were served", seen)
		}
		last := next()
		last.SessionEpoch, last.Topics = -1, fetchReq(13, "", r.topic.ID, 1, 0).Topics
		<-r.fetch(t.Context(), last)
		r.quiet()
	})
}
