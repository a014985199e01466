package group

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/storage/batch"
)

// AppendMarker implements coordinator.MarkerLog.
func (l *memLog) AppendMarker(m partition.Marker, done func(partition.Appended, error)) error {
	marker := batch.Marker{Commit: m.Commit, Coordinator: m.Coordinator}
	return l.Append(partition.Append{Batches: marker.Batch(1, m.ProducerID, m.ProducerEpoch)}, done)
}

// commitIn commits an offset of partition 0 of topic t in a producer's transaction.
func (b *bench) commitIn(producer int64, epoch int16, group string, at int64) answer[error] {
	b.t.Helper()
	done := make(answer[error], 1)
	b.do(func(s *state) {
		r := &TxnCommit{ProducerID: producer, ProducerEpoch: epoch}
		r.Group, r.Generation, r.Offsets = group, -1, []Offset{{Topic: "t", TopicID: testTopic, Offset: at}}
		q := s.ask(r)
		s.answered(producer, q)
		s.commitPending(r, q, nil, func(each []error, all error) { done <- errors.Join(append(each, all)...) })
	})
	return done
}

func (b *bench) endTxn(producer int64, epoch int16, commit bool) answer[error] {
	b.t.Helper()
	done := make(answer[error], 1)
	b.do(func(s *state) {
		m := partition.Marker{ProducerID: producer, ProducerEpoch: epoch + 1, Commit: commit, Bumped: true}
		if err := s.endTransaction(m, func(err error) { done <- err }); err != nil {
			done <- err
		}
	})
	return done
}

func (b *bench) unstable(group string) (yes bool) {
	b.do(func(s *state) { yes = s.unstable(group, topicPartition{"t", 0}) })
	return yes
}

// KIP-98, KIP-447: an offset of a transaction counts from its marker on, before and behind a change of the coordinator.
func TestOffsetsOfATransactionCountFromItsMarker(t *testing.T) {
	for _, reload := range []bool{false, true} {
		bubble(t, func(t *testing.T, b *bench) {
			b.wantErr(b.commitIn(1, 0, "g", 10).within(t, time.Second), nil)
			b.wantErr(b.commitIn(2, 0, "h", 20).within(t, time.Second), nil)
			if reload {
				b.open(b.timers)
			}
			if got := b.fetch("g"); len(got) != 0 || !b.unstable("g") {
				t.Errorf("before the marker: %v, unstable %v", got, b.unstable("g"))
			}
			b.wantErr(b.endTxn(1, 0, true).within(t, time.Second), nil)
			b.wantErr(b.endTxn(2, 0, false).within(t, time.Second), nil)
			for range 2 {
				diff(t, "committed", b.fetch("g"), map[string]int64{"t-0": 10})
				if got := b.fetch("h"); len(got) != 0 || b.unstable("g") || b.unstable("h") {
					t.Errorf("aborted: %v", got)
				}
				b.open(b.timers)
			}
			b.do(func(s *state) {
				if s.pending.count != 0 || len(s.pending.open) != 0 || len(s.pending.verified) != 0 {
					t.Errorf("left behind: %+v", s.pending)
				}
			})
		})
	}
}

// A commit outside of the transaction that comes behind a pending one stays.
func TestLaterCommitSupersedesAPendingOne(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.wantErr(b.commitIn(1, 0, "g", 10).within(t, time.Second), nil)
		b.wantErr(b.commit(Commit{Group: "g", Generation: -1, Offsets: []Offset{{Topic: "t", TopicID: testTopic, Offset: 30}}}).within(t, time.Second), nil)
		b.wantErr(b.endTxn(1, 0, true).within(t, time.Second), nil)
		for range 2 {
			diff(t, "committed", b.fetch("g"), map[string]int64{"t-0": 30})
			b.open(b.timers)
		}
	})
}

// A coordinator that takes over in the middle of a transaction takes more of its offsets, but not what another one was asked for: it cannot know of markers
// that came in between.
func TestTransactionGoesOnWithTheNextCoordinator(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.wantErr(b.commitIn(1, 0, "g", 10).within(t, time.Second), nil)
		r := &TxnCommit{ProducerID: 2}
		r.Group, r.Generation, r.Offsets = "h", -1, []Offset{{Topic: "t", TopicID: testTopic, Offset: 20}}
		var q *question
		b.do(func(s *state) { q = s.ask(r) })
		b.open(b.timers)
		b.wantErr(b.commitIn(1, 0, "g", 11).within(t, time.Second), nil)
		var got error
		b.do(func(s *state) {
			s.answered(2, q)
			s.commitPending(r, q, nil, func(_ []error, all error) { got = all })
		})
		if !errors.Is(got, kerr.InvalidTxnState) {
			t.Errorf("what another coordinator was asked for: %v", got)
		}
		b.wantErr(b.endTxn(1, 0, true).within(t, time.Second), nil)
		diff(t, "committed", b.fetch("g"), map[string]int64{"t-0": 11})
	})
}

// The answer of the transaction's coordinator was about a transaction that ended meanwhile.
func TestMarkerBetweenQuestionAndCommit(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var got error
		marked := make(answer[error], 1)
		r := &TxnCommit{ProducerID: 1, ProducerEpoch: 0}
		r.Group, r.Generation, r.Offsets = "g", -1, []Offset{{Topic: "t", TopicID: testTopic, Offset: 10}}
		b.do(func(s *state) {
			q := s.ask(r)
			if err := s.endTransaction(partition.Marker{ProducerID: 1}, func(err error) { marked <- err }); err != nil {
				marked <- err
			}
			s.answered(1, q)
			s.commitPending(r, q, nil, func(_ []error, all error) { got = all })
		})
		if !errors.Is(got, kerr.InvalidTxnState) {
			t.Errorf("got %v", got)
		}
		b.wantErr(marked.within(t, time.Second), nil)
	})
}
