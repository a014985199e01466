package txn

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
	"weir/kafka/partition"
)

// state is the transactional ids of one partition of __transaction_state.
type state struct {
	shard    *coordinator.Shard
	settings *Settings
	sender   *sender
	queue    func(TopicPartition, partition.Marker, func(error)) bool // Deps.Mark
	log      *slog.Logger
	ids      map[string]*transaction
	closed   bool
}

var _ coordinator.State = (*state)(nil)

func newState(shard *coordinator.Shard, settings *Settings, s *sender, queue func(TopicPartition, partition.Marker, func(error)) bool, log *slog.Logger) *state {
	return &state{shard: shard, settings: settings, sender: s, queue: queue, log: log.With("partition", shard.Index()), ids: make(map[string]*transaction)}
}

// Replay implements coordinator.State.
func (s *state) Replay(key, value []byte) error {
	id, ok, err := readKey(key)
	switch {
	case err != nil:
		return err
	case !ok:
		return nil
	case value == nil:
		delete(s.ids, id)
		return nil
	}
	f, err := readValue(value)
	if err != nil {
		return fmt.Errorf("transactional id %q: %w", id, err)
	}
	if t := s.ids[id]; t != nil {
		t.facts = f
	} else {
		s.ids[id] = &transaction{id: id, facts: f}
	}
	return nil
}

// Loaded implements coordinator.State: what was decided is carried out, and what is open ends in time.
func (s *state) Loaded() {
	for id, t := range s.ids {
		switch {
		case t.status == Dead:
			delete(s.ids, id)
		case t.status.prepared():
			s.mark(t)
		case t.status == Ongoing:
			s.startTimer(t)
		}
	}
	s.shard.After(s.settings.ExpirationCheck, s.expire)
	if len(s.ids) > 0 {
		s.log.Info("transactional ids loaded", "ids", len(s.ids))
	}
}

// Closed implements coordinator.State: whoever waits is sent to look for the new coordinator.
func (s *state) Closed(error) {
	s.closed = true
	for _, t := range s.ids {
		s.shard.Stop(t.timer)
		waiting := t.waiting
		t.waiting = nil
		for _, w := range waiting {
			s.shard.Stop(w.timer)
			w.run()
		}
	}
}

// Bounds of waiting for the end of a transition.
const (
	waitMax    = time.Second
	waitersMax = 128 // of one transactional id
)

// await makes op run again when t's transition is over, and reports true, if there is one. Otherwise it reports false: the caller goes on. Nothing
// waits longer than waitMax: op runs with late set then.
func (s *state) await(t *transaction, late bool, op func(late bool)) bool {
	if !t.busy && !t.status.prepared() || late || s.closed || len(t.waiting) >= waitersMax {
		return false
	}
	w := &waiter{run: func() { op(false) }}
	w.timer = s.shard.After(waitMax, func() {
		for i := range t.waiting {
			if t.waiting[i] == w {
				t.waiting = append(t.waiting[:i:i], t.waiting[i+1:]...)
				break
			}
		}
		op(true)
	})
	t.waiting = append(t.waiting, w)
	return true
}

// resume lets those that wait for the end of a transition go on, in their order, until one begins another.
func (s *state) resume(t *transaction) {
	for len(t.waiting) > 0 && !t.busy && !t.status.prepared() {
		w := t.waiting[0]
		if t.waiting = t.waiting[1:]; len(t.waiting) == 0 {
			t.waiting = nil
		}
		s.shard.Stop(w.timer)
		w.run()
	}
}

// write makes next the facts of t once they are durable. t is busy until then. done gets the outcome, after t has changed.
func (s *state) write(t *transaction, next facts, done func(error)) {
	t.busy = true
	s.shard.Append([]coordinator.Record{recordOf(t.id, &next)}, func(err error) {
		t.busy = false
		if err == nil {
			s.become(t, next)
		}
		done(storeError(err))
		s.resume(t)
		s.forgetIfNew(t)
	})
}

// become changes t, whose record is on its way or durable.
func (s *state) become(t *transaction, next facts) {
	began := next.status == Ongoing && (t.status != Ongoing || next.startMs != t.startMs)
	t.facts = next
	if next.status != Ongoing || began {
		s.shard.Stop(t.timer)
		t.timer = nil
	}
	if began && !s.closed {
		s.startTimer(t)
	}
}

// forgetIfNew removes an id that no record speaks of.
func (s *state) forgetIfNew(t *transaction) {
	if !t.busy && t.epoch == none && len(t.waiting) == 0 && s.ids[t.id] == t {
		delete(s.ids, t.id)
	}
}

// find returns the transaction that a client speaks of.
func (s *state) find(id string) (*transaction, error) {
	if s.closed {
		return nil, kerr.NotCoordinator
	}
	t := s.ids[id]
	if t == nil || t.epoch == none && !t.busy {
		return nil, kerr.InvalidProducerIDMapping
	}
	return t, nil
}

// storeError turns an error of the log into what clients of a coordinator are told.
func storeError(err error) error {
	k := coordinator.KafkaError(err)
	switch k {
	case nil:
		return nil
	case kerr.NotLeaderForPartition, kerr.NotCoordinator:
		return kerr.NotCoordinator
	case kerr.MessageTooLarge, kerr.RecordListTooLarge:
		return kerr.UnknownServerError
	default:
		return kerr.CoordinatorNotAvailable
	}
}

func nowMs() int64 { return time.Now().UnixMilli() }

// startTimer sees to it that an ongoing transaction ends (reliability design, X3).
func (s *state) startTimer(t *transaction) {
	left := time.Duration(t.startMs+int64(t.timeoutMs)-nowMs()) * time.Millisecond
	t.timer = s.shard.After(max(left, 0), func() { s.timedOut(t) })
}

// retryPause is how long it takes until something that could not be written is tried again.
const retryPause = 200 * time.Millisecond

func (s *state) timedOut(t *transaction) {
	t.timer = nil
	if t.status != Ongoing {
		return
	}
	if t.busy { // what is on its way cannot end it, or the timer would be stopped when it has
		t.timer = s.shard.After(retryPause, func() { s.timedOut(t) })
		return
	}
	s.log.Info("transaction timed out", "txn", t.id, "producer", t.producerID, "epoch", t.epoch, "timeout_ms", t.timeoutMs)
	s.fence(t, none, func(err error) {
		if err != nil && t.status == Ongoing && t.timer == nil && !s.closed {
			t.timer = s.shard.After(retryPause, func() { s.timedOut(t) })
		}
	})
}

// expire forgets ids that were not used for long, and comes back.
func (s *state) expire() {
	now := nowMs()
	var records []coordinator.Record
	var gone []*transaction
	for _, t := range s.ids {
		idle := t.status == Empty || t.status == CompleteCommit || t.status == CompleteAbort
		if idle && !t.busy && len(t.waiting) == 0 && t.epoch != none && now-t.updateMs >= s.settings.Expiration.Milliseconds() {
			t.busy = true
			records, gone = append(records, tombstone(t.id)), append(gone, t)
		}
	}
	if len(records) > 0 {
		s.shard.Append(records, func(err error) {
			for _, t := range gone {
				t.busy = false
				if err == nil {
					delete(s.ids, t.id)
				}
				s.resume(t)
			}
		})
	}
	s.shard.After(s.settings.ExpirationCheck, s.expire)
}
