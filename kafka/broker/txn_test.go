package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/franz"
	"weir/kafka/image"
)

// txnProperties make the transaction topic small.
func txnProperties() map[string]string {
	return map[string]string{
		"transaction.state.log.num.partitions": "3", "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
		"offsets.topic.num.partitions": "3", "offsets.topic.replication.factor": "1",
	}
}

func (r *rig) transactional(id string, opts ...kgo.Opt) *kgo.Client {
	return r.client(append([]kgo.Opt{kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
}

// send produces values within the client's transaction.
func send(t *testing.T, cl *kgo.Client, topic string, partition int32, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatalf("produce %q: %v", v, err)
		}
	}
	if err := franz.AwaitPartitions(t.Context(), cl, topic); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, cl *kgo.Client) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, cl *kgo.Client, how kgo.TransactionEndTry) {
	t.Helper()
	if err := cl.EndTransaction(t.Context(), how); err != nil {
		t.Fatalf("end transaction: %v", err)
	}
}

// read reads n values in order of arrival, and fails if more come.
func (r *rig) read(level kgo.IsolationLevel, topic string, n int) []string {
	r.t.Helper()
	cl := r.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(level), kgo.FetchMaxWait(100*time.Millisecond))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), r.timeout)
	defer cancel()
	var got []string
	for len(got) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			r.t.Fatalf("read %d of %d values: %v: %v", len(got), n, got, err)
		}
		fs.EachRecord(func(rec *kgo.Record) { got = append(got, string(rec.Value)) })
	}
	return got
}

func TestCommittedTransactionIsSeenWholeAndAbortedNot(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		t.Run(strconv.Itoa(brokers), func(t *testing.T) {
			r := newRig(t, rigConfig{brokers: brokers, properties: txnProperties()})
			topic := r.create("t", 3)
			cl := r.transactional("tx")
			begin(t, cl)
			for p := range int32(3) {
				send(t, cl, "t", p, fmt.Sprintf("lost%d", p))
			}
			// Nothing is seen while the transaction is open.
			for _, b := range r.brokers {
				for p := range int32(3) {
					if topic.Partitions[p].Leader != b.cfg.Broker {
						continue
					}
					req := fetchReq(16, "t", topic.ID, 3, 0)
					req.IsolationLevel, req.MaxWaitMillis = 1, 0
					for _, part := range ask[*kmsg.FetchResponse](r, b, req).Topics[0].Partitions {
						if part.Partition == p && (part.LastStableOffset != 0 || part.HighWatermark != 1 || len(part.RecordBatches) > 0) {
							t.Errorf("partition %d: stable to %d of %d, %d bytes", p, part.LastStableOffset, part.HighWatermark, len(part.RecordBatches))
						}
					}
				}
			}
			end(t, cl, kgo.TryAbort)
			begin(t, cl)
			for p := range int32(3) {
				send(t, cl, "t", p, fmt.Sprintf("kept%d", p))
			}
			end(t, cl, kgo.TryCommit)
			got := r.read(kgo.ReadCommitted(), "t", 3)
			slices.Sort(got)
			if want := []string{"kept0", "kept1", "kept2"}; !slices.Equal(got, want) {
				t.Errorf("read committed: %v", got)
			}
			if got := r.read(kgo.ReadUncommitted(), "t", 6); len(got) != 6 {
				t.Errorf("read uncommitted: %v", got)
			}
		})
	}
}

// Reliability design, P3: the second client with a transactional id fences the first, whose open transaction is aborted.
func TestP3OlderEpochIsFencedEverywhere(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2, properties: txnProperties()})
	r.create("t", 2)
	first := r.transactional("tx")
	begin(t, first)
	send(t, first, "t", 0, "old")
	second := r.transactional("tx")
	begin(t, second)
	send(t, second, "t", 0, "new")
	err := first.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: 0, Value: []byte("older")}).FirstErr()
	if err == nil {
		t.Error("the first producer still produces to a partition that it had")
	}
	err = first.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: 1, Value: []byte("older")}).FirstErr()
	if err == nil {
		t.Error("the first producer still produces to a partition that is new to it")
	}
	if err := first.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Error("the first producer's commit succeeded")
	}
	end(t, second, kgo.TryCommit)
	if got := r.read(kgo.ReadCommitted(), "t", 1); !slices.Equal(got, []string{"new"}) {
		t.Errorf("read %v", got)
	}
}

// Reliability design, X3.
func TestX3LastStableOffsetAdvancesAfterTheTimeout(t *testing.T) {
	r := newRig(t, rigConfig{properties: txnProperties()})
	r.create("t", 1)
	cl := r.transactional("tx", kgo.TransactionTimeout(5*time.Second))
	begin(t, cl)
	send(t, cl, "t", 0, "lost")
	plain := r.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	send(t, plain, "t", 0, "kept")
	if got := r.read(kgo.ReadCommitted(), "t", 1); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("read %v", got)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Error("a transaction that timed out was committed")
	}
}

// A fetch that waits at the last stable offset is woken by the marker.
func TestFetchWaitsForTheMarker(t *testing.T) {
	r := newRig(t, rigConfig{properties: txnProperties()})
	topic := r.create("t", 1)
	cl := r.transactional("tx")
	begin(t, cl)
	send(t, cl, "t", 0, "v")
	c := r.dial(r.brokers[0])
	defer c.Close()
	req := fetchReq(16, "t", topic.ID, 1, 0)
	req.IsolationLevel, req.MaxWaitMillis, req.MinBytes = 1, int32(2*dialDeadline.Milliseconds()), 1 // longer than the test waits for its answer
	c.send(1, req)
	r.await("the fetch waits", func() bool { return gauge(r.brokers[0].metrics.fetchWaiting) == 1 })
	end(t, cl, kgo.TryCommit)
	p := receive[*kmsg.FetchResponse](c, req, 1).Topics[0].Partitions[0]
	if len(p.RecordBatches) == 0 || p.LastStableOffset != 2 {
		t.Errorf("stable to %d, %d bytes", p.LastStableOffset, len(p.RecordBatches))
	}
}

// Reliability design, X2: a commit that was sent for one transaction, and comes again in the next, changes nothing.
func TestX2LateEndDoesNotTouchTheNextTransaction(t *testing.T) {
	r := newRig(t, rigConfig{properties: txnProperties()})
	r.create("t", 1)
	cl := r.transactional("tx")
	begin(t, cl)
	send(t, cl, "t", 0, "a")
	id, epoch, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	end(t, cl, kgo.TryCommit)
	begin(t, cl)
	send(t, cl, "t", 0, "b")
	late := kmsg.NewPtrEndTxnRequest()
	late.TransactionalID, late.ProducerID, late.ProducerEpoch, late.Commit, late.Version = "tx", id, epoch, true, 5
	if resp := ask[*kmsg.EndTxnResponse](r, r.brokers[0], late); resp.ErrorCode != kerr.ProducerFenced.Code {
		t.Errorf("late EndTxn: %v", kerr.ErrorForCode(resp.ErrorCode))
	}
	marker := kmsg.NewPtrWriteTxnMarkersRequest()
	marker.Version = 2
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID, m.ProducerEpoch, m.Committed, m.TransactionVersion = id, epoch+1, true, 2
	mt := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
	mt.Topic, mt.Partitions = "t", []int32{0}
	m.Topics, m.CoordinatorEpoch = append(m.Topics, mt), 100
	marker.Markers = append(marker.Markers, m)
	resp := ask[*kmsg.WriteTxnMarkersResponse](r, r.brokers[0], marker)
	if code := resp.Markers[0].Topics[0].Partitions[0].ErrorCode; code != kerr.InvalidProducerEpoch.Code {
		t.Errorf("late marker: %v", kerr.ErrorForCode(code))
	}
	end(t, cl, kgo.TryAbort)
	begin(t, cl)
	send(t, cl, "t", 0, "c")
	end(t, cl, kgo.TryCommit)
	if got := r.read(kgo.ReadCommitted(), "t", 2); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("read %v", got)
	}
}

// Reliability design, X1: what is read, written and committed is so as a whole. Three members transform what others produced, with aborts in between.
func TestX1ConsumeTransformProduce(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2, properties: txnProperties()})
	r.create("in", 3)
	r.create("out", 3)
	const n = 300
	in := r.client(kgo.DefaultProduceTopic("in"))
	for i := range n {
		in.Produce(t.Context(), &kgo.Record{Key: []byte(strconv.Itoa(i)), Value: []byte(strconv.Itoa(i))}, nil)
	}
	if err := in.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		stop := make(chan struct{})
		r.run(func(ctx context.Context) error {
			defer close(stop)
			return r.transform(ctx, fmt.Sprintf("stage-%d", i))
		})
	}
	got := r.read(kgo.ReadCommitted(), "out", n)
	seen := make(map[string]int)
	for _, v := range got {
		seen[v]++
	}
	for i := range n {
		if seen[strconv.Itoa(i)] != 1 {
			t.Errorf("%d is there %d times", i, seen[strconv.Itoa(i)])
		}
	}
}

// transform copies from in to out until ctx ends, aborting every third transaction.
func (r *rig) transform(ctx context.Context, id string) error {
	s, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(r.brokers[0].addr), kgo.TransactionalID(id), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"), kgo.DefaultProduceTopic("out"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer s.Close()
	for i := 1; ctx.Err() == nil; i++ {
		polled := s.Client().PollRecords(ctx, 20)
		if polled.NumRecords() == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			return err
		}
		produced := kgo.AbortingFirstErrPromise(s.Client())
		polled.EachRecord(func(rec *kgo.Record) { s.Produce(ctx, &kgo.Record{Key: rec.Key, Value: rec.Value}, produced.Promise()) })
		if produced.Err() == nil {
			_ = franz.AwaitPartitions(ctx, s.Client(), "out") // or ctx has ended
		}
		if _, err := s.End(ctx, i%3 != 0); err != nil && ctx.Err() == nil && !errors.Is(err, kerr.ConcurrentTransactions) {
			r.t.Errorf("end: %v", err)
			return err
		}
	}
	return nil
}

func TestTransactionsAreDescribed(t *testing.T) {
	r := newRig(t, rigConfig{properties: txnProperties()})
	r.create("t", 2)
	b := r.brokers[0]
	cl := r.transactional("tx")
	begin(t, cl)
	send(t, cl, "t", 1, "a", "b")
	id, epoch, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	describe := kmsg.NewPtrDescribeTransactionsRequest()
	describe.TransactionalIDs = []string{"tx", "none", ""}
	d := ask[*kmsg.DescribeTransactionsResponse](r, b, describe).TransactionStates
	if s := d[0]; s.ErrorCode != 0 || s.State != "Ongoing" || s.ProducerID != id || s.ProducerEpoch != epoch || len(s.Topics) != 1 ||
		!slices.Equal(s.Topics[0].Partitions, []int32{1}) || s.StartTimestamp <= 0 || s.TimeoutMillis != 40_000 {
		t.Errorf("described as %+v", s)
	}
	if d[1].ErrorCode != kerr.TransactionalIDNotFound.Code || d[2].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("got %v", d)
	}
	list := kmsg.NewPtrListTransactionsRequest()
	for _, tt := range []struct {
		name   string
		change func(*kmsg.ListTransactionsRequest)
		want   int
	}{
		{"all", func(*kmsg.ListTransactionsRequest) {}, 1},
		{"ongoing", func(q *kmsg.ListTransactionsRequest) { q.StateFilters = []string{"Ongoing"} }, 1},
		{"empty", func(q *kmsg.ListTransactionsRequest) { q.StateFilters = []string{"Empty"} }, 0},
		{"unknown state", func(q *kmsg.ListTransactionsRequest) { q.StateFilters = []string{"Odd"} }, 0},
		{"producer", func(q *kmsg.ListTransactionsRequest) { q.ProducerIDFilters = []int64{id} }, 1},
		{"other producer", func(q *kmsg.ListTransactionsRequest) { q.ProducerIDFilters = []int64{id + 1} }, 0},
		{"pattern", func(q *kmsg.ListTransactionsRequest) { q.TransactionalIDPattern = kmsg.StringPtr("t.") }, 1},
		{"part of it", func(q *kmsg.ListTransactionsRequest) { q.TransactionalIDPattern = kmsg.StringPtr("t") }, 0},
		{"long ago", func(q *kmsg.ListTransactionsRequest) { q.DurationFilterMillis = 100_000 }, 0},
	} {
		req := *list
		req.Version, req.DurationFilterMillis = 2, -1
		tt.change(&req)
		if got := ask[*kmsg.ListTransactionsResponse](r, b, &req); got.ErrorCode != 0 || len(got.TransactionStates) != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	producers := kmsg.NewPtrDescribeProducersRequest()
	pt := kmsg.NewDescribeProducersRequestTopic()
	pt.Topic, pt.Partitions = "t", []int32{0, 1, 2}
	producers.Topics = append(producers.Topics, pt)
	ps := ask[*kmsg.DescribeProducersResponse](r, b, producers).Topics[0].Partitions
	if len(ps[0].ActiveProducers) != 0 || ps[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("producers: %+v", ps)
	}
	if a := ps[1].ActiveProducers; len(a) != 1 || a[0].ProducerID != id || a[0].LastSequence != 1 || a[0].CurrentTxnStartOffset != 0 || a[0].CoordinatorEpoch != -1 {
		t.Errorf("active producers: %+v", a)
	}
	end(t, cl, kgo.TryCommit)
	r.await("the marker is there", func() bool {
		a := ask[*kmsg.DescribeProducersResponse](r, b, producers).Topics[0].Partitions[1].ActiveProducers
		return len(a) == 1 && a[0].CurrentTxnStartOffset == -1 && a[0].ProducerEpoch == int32(epoch)+1 && a[0].CoordinatorEpoch >= 0
	})
	if _, ok := b.live.Current().Topic(image.TransactionState); !ok {
		t.Error("no transaction topic")
	}
}
