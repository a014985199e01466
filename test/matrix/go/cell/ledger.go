package cell

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A Ledger keeps what a member owns and got. Its zero value is empty, and it may be used by several goroutines.
type Ledger struct {
	mu      sync.Mutex
	owned   map[place]bool
	records []Record
	lost    int
}

type place struct {
	topic     string
	partition int32
}

// Gain notes partitions that the member was given.
func (l *Ledger) Gain(topic string, partitions ...int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owned == nil {
		l.owned = map[place]bool{}
	}
	for _, p := range partitions {
		l.owned[place{topic, p}] = true
	}
}

// Lose notes partitions that were taken from the member.
func (l *Ledger) Lose(topic string, partitions ...int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range partitions {
		if l.owned[place{topic, p}] {
			delete(l.owned, place{topic, p})
			l.lost++
		}
	}
}

// Got notes a record.
func (l *Ledger) Got(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
}

// Assigned is Member's.
func (l *Ledger) Assigned() []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var partitions []int32
	for p := range l.owned {
		partitions = append(partitions, p.partition)
	}
	return partitions
}

// Records is Member's.
func (l *Ledger) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[:len(l.records):len(l.records)]
}

// Lost is Member's.
func (l *Ledger) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// ShareStory reads 100 records through a share group. Poll lets every member poll once, calls each with what came and its delivery count,
// accepts the record if that returns true, and releases it otherwise. Every seventh record is released at its first delivery.
func ShareStory(ctx context.Context, poll func(ctx context.Context, each func(r Record, deliveries int) bool) error) error {
	const count = 100
	accepted := map[int]Record{}
	var wrong error
	for len(accepted) < count {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d of %d records were accepted: %w", len(accepted), count, err)
		}
		err := poll(ctx, func(r Record, deliveries int) bool {
			n := number(r)
			if _, ok := accepted[n]; ok {
				wrong = fmt.Errorf("record %d came again after it was accepted", n)
			}
			if n%7 == 0 && deliveries == 1 {
				return false
			}
			if n%7 == 0 && deliveries != 2 {
				wrong = fmt.Errorf("record %d has the delivery count %d after one release", n, deliveries)
			}
			accepted[n] = r
			return true
		})
		if err := errors.Join(err, wrong); err != nil {
			return err
		}
	}
	var all []Record
	for _, r := range accepted {
		all = append(all, r)
	}
	return exactly(all, 0, count)
}
