package txn

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/metadata"
)

// marker is the end of a producer's transaction.
type marker struct {
	producerID  int64
	epoch       int16
	coordinator int32
	commit      bool
	version     int8
}

// order is a marker to be written to partitions until all have it.
type order struct {
	marker
	partitions []TopicPartition
	written    func([]TopicPartition) // called with those that have it, or do not exist any more; from any goroutine
	tries      int
}

// sender has markers written by the leaders of partitions. There is a request under way to each broker at most; what comes meanwhile goes with the
// next one, so that many transactions that end at once cost few requests.
type sender struct {
	image *image.Live
	peers Requester
	log   *slog.Logger
	wake  chan struct{}

	mu      sync.Mutex
	closed  bool
	queues  map[metadata.BrokerID][]*order // of brokers with a request under way, or about to have one
	ready   []metadata.BrokerID            // of those, the ones that Run has to begin with
	retries []retry                        // in order of time
	gone    []*order                       // for partitions that do not exist: Run says so, as whoever sends holds a lock
}

type retry struct {
	at    time.Time
	order *order
}

// Bounds of the sender.
const (
	ordersMax              = 500 // markers in a request
	pauseFirst, pauseLimit = 50 * time.Millisecond, 2 * time.Second
)

func newSender(live *image.Live, peers Requester, log *slog.Logger) *sender {
	return &sender{image: live, peers: peers, log: log, wake: make(chan struct{}, 1), queues: make(map[metadata.BrokerID][]*order)}
}

// run sends until ctx ends. What is not sent by then is forgotten: transactions that are prepared are carried out by whoever coordinates them next.
func (s *sender) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		now := time.Now()
		s.mu.Lock()
		ready, gone := s.ready, s.gone
		s.ready, s.gone = nil, nil
		var due []*order
		for len(s.retries) > 0 && !s.retries[0].at.After(now) {
			due, s.retries = append(due, s.retries[0].order), s.retries[1:]
		}
		next := time.Hour
		if len(s.retries) > 0 {
			next = s.retries[0].at.Sub(now)
		}
		s.mu.Unlock()
		for _, id := range ready {
			wg.Go(func() { s.drain(ctx, id) })
		}
		for _, o := range gone {
			o.written(o.partitions)
		}
		for _, o := range due {
			s.send(o)
		}
		if len(due) > 0 {
			continue
		}
		clock.Reset(next)
		select {
		case <-s.wake:
		case <-clock.C:
		case <-ctx.Done():
			s.mu.Lock()
			s.closed = true
			s.mu.Unlock()
			return
		}
	}
}

func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send queues the order for the brokers that lead its partitions now.
func (s *sender) send(o *order) {
	img := s.image.Current()
	byLeader := make(map[metadata.BrokerID]*order, 1)
	var gone []TopicPartition
	for _, tp := range o.partitions {
		t, ok := img.Topic(tp.Topic)
		if !ok || int(tp.Index) >= len(t.Partitions) || tp.Index < 0 {
			gone = append(gone, tp) // deleted, and its open transaction with it
			continue
		}
		id := t.Partitions[tp.Index].Leader
		part := byLeader[id]
		if part == nil {
			part = &order{marker: o.marker, written: o.written, tries: o.tries}
			byLeader[id] = part
		}
		part.partitions = append(part.partitions, tp)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	for id, part := range byLeader {
		q, busy := s.queues[id]
		s.queues[id] = append(q, part)
		if !busy {
			s.ready = append(s.ready, id)
		}
	}
	if len(gone) > 0 {
		s.gone = append(s.gone, &order{partitions: gone, written: o.written})
	}
	s.mu.Unlock()
	s.poke()
}

// drain sends what is queued for the broker, until there is nothing.
func (s *sender) drain(ctx context.Context, id metadata.BrokerID) {
	for {
		s.mu.Lock()
		q := s.queues[id]
		if len(q) == 0 || ctx.Err() != nil {
			delete(s.queues, id)
			s.mu.Unlock()
			return
		}
		// A producer is in a request once: its answers are found by its id.
		var now, later []*order
		seen := make(map[int64]bool, min(len(q), ordersMax))
		for _, o := range q {
			if len(now) < ordersMax && !seen[o.producerID] {
				seen[o.producerID] = true
				now = append(now, o)
			} else {
				later = append(later, o)
			}
		}
		s.queues[id] = later
		s.mu.Unlock()
		s.request(ctx, id, now)
	}
}

// request sends the orders to the broker and sees to those that it does not carry out.
func (s *sender) request(ctx context.Context, id metadata.BrokerID, orders []*order) {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	byProducer := make(map[int64]*order, len(orders))
	for _, o := range orders {
		byProducer[o.producerID] = o
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.Committed, m.CoordinatorEpoch, m.TransactionVersion = o.producerID, o.epoch, o.commit, o.coordinator, o.version
		for _, tp := range o.partitions { // sorted
			if n := len(m.Topics); n == 0 || m.Topics[n-1].Topic != tp.Topic {
				t := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
				t.Topic = tp.Topic
				m.Topics = append(m.Topics, t)
			}
			t := &m.Topics[len(m.Topics)-1]
			t.Partitions = append(t.Partitions, tp.Index)
		}
		req.Markers = append(req.Markers, m)
	}
	var resp *kmsg.WriteTxnMarkersResponse
	answer, err := s.peers.Request(ctx, id, req)
	if err == nil {
		var ok bool
		if resp, ok = answer.(*kmsg.WriteTxnMarkersResponse); !ok {
			err = fmt.Errorf("%w: a %T", kerr.UnknownServerError, answer)
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("markers not written", "broker", int32(id), "err", err)
		}
		for _, o := range orders {
			s.again(o, o.partitions)
		}
		return
	}
	for i := range resp.Markers {
		o := byProducer[resp.Markers[i].ProducerID]
		if o == nil {
			continue
		}
		delete(byProducer, o.producerID)
		s.answered(o, resp.Markers[i].Topics)
	}
	for _, o := range byProducer { // not answered at all
		s.again(o, o.partitions)
	}
}

// answered takes the outcome of an order's partitions.
func (s *sender) answered(o *order, topics []kmsg.WriteTxnMarkersResponseMarkerTopic) {
	codes := make(map[TopicPartition]int16, len(o.partitions))
	for _, t := range topics {
		for _, p := range t.Partitions {
			codes[TopicPartition{t.Topic, p.Partition}] = p.ErrorCode
		}
	}
	var written, missed []TopicPartition
	for _, tp := range o.partitions {
		code, ok := codes[tp]
		switch {
		case !ok:
			missed = append(missed, tp)
		case code == 0:
			written = append(written, tp)
		case code == kerr.InvalidProducerEpoch.Code, code == kerr.InvalidTxnState.Code:
			// The partition is further than this transaction: nothing of it can be open there.
			s.log.Warn("marker is older than its partition", "topic", tp.Topic, "partition", tp.Index, "producer", o.producerID, "epoch", o.epoch)
			written = append(written, tp)
		case code == kerr.TransactionCoordinatorFenced.Code:
			s.log.Warn("another coordinator has the transaction", "topic", tp.Topic, "partition", tp.Index, "producer", o.producerID, "epoch", o.coordinator)
			return
		default:
			missed = append(missed, tp)
		}
	}
	if len(written) > 0 {
		o.written(written)
	}
	if len(missed) > 0 {
		s.again(o, missed)
	}
}

// again sends the order once more after a while, for the partitions that miss it.
func (s *sender) again(o *order, missed []TopicPartition) {
	pause := min(pauseFirst<<min(o.tries, 10), pauseLimit)
	s.mu.Lock()
	s.retryLocked(&order{marker: o.marker, partitions: missed, written: o.written, tries: o.tries + 1}, pause)
	s.mu.Unlock()
	s.poke()
}

func (s *sender) retryLocked(o *order, pause time.Duration) {
	r := retry{time.Now().Add(pause), o}
	i := len(s.retries)
	for i > 0 && s.retries[i-1].at.After(r.at) {
		i--
	}
	s.retries = append(s.retries, retry{})
	copy(s.retries[i+1:], s.retries[i:])
	s.retries[i] = r
}
