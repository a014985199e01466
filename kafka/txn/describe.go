package txn

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Description is a transactional id as DescribeTransactions shows it (KIP-664).
type Description struct {
	Status        Status
	TimeoutMs     int32
	StartMs       int64 // -1 if it has not begun
	ProducerID    int64
	ProducerEpoch int16
	Partitions    []TopicPartition // sorted
}

// Describe handles one id of DescribeTransactions.
func (c *Coordinator) Describe(ctx context.Context, id string) (Description, error) {
	var d Description
	missing := true
	if id == "" {
		return d, kerr.InvalidRequest
	}
	if err := c.do(ctx, id, func(s *state) {
		if t := s.ids[id]; t != nil && t.epoch != none {
			d = Description{t.status, t.timeoutMs, t.startMs, t.producerID, t.epoch, t.partitions}
			missing = false
		}
	}); err != nil {
		return d, err
	}
	if missing {
		return d, kerr.TransactionalIDNotFound
	}
	return d, nil
}

// Filter says what List shows.
type Filter struct {
	Statuses   []Status          // none: all
	Producers  []int64           // none: all
	LongerThan time.Duration     // begun longer ago than that; negative: all
	ID         func(string) bool // nil: all
}

// Listing is a transactional id as ListTransactions shows it.
type Listing struct {
	ID         string
	ProducerID int64
	Status     Status
}

// List handles ListTransactions: the ids of this broker, sorted. If some shards are still loading it returns COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) List(ctx context.Context, f Filter) ([]Listing, error) {
	var out []Listing
	now := nowMs()
	loading := c.shards.Each(ctx, func(s *state) {
		for id, t := range s.ids {
			if t.epoch != none && t.status != Dead && f.shows(t, now) {
				out = append(out, Listing{id, t.producerID, t.status})
			}
		}
	})
	if loading {
		return nil, kerr.CoordinatorLoadInProgress
	}
	slices.SortFunc(out, func(a, b Listing) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (f *Filter) shows(t *transaction, now int64) bool {
	switch {
	case len(f.Statuses) > 0 && !slices.Contains(f.Statuses, t.status):
		return false
	case len(f.Producers) > 0 && !slices.Contains(f.Producers, t.producerID):
		return false
	case f.LongerThan >= 0 && now-t.startMs <= f.LongerThan.Milliseconds(): // as in Kafka also of those that have ended
		return false
	case f.ID != nil && !f.ID(t.id):
		return false
	}
	return true
}
