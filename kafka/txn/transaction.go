package txn

import (
	"cmp"
	"math"
	"slices"

	"weir/kafka/coordinator"
)

// Status is where a transaction is. The numbers are those of Kafka's records.
type Status int8

// The states of a transaction.
const (
	Empty Status = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
)

//nolint:gochecknoglobals // a constant table
var statusNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

// String is the state's name as clients see it.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return "Unknown"
	}
	return statusNames[s]
}

// StatusOf is the state of that name.
func StatusOf(name string) (Status, bool) {
	i := slices.Index(statusNames[:], name)
	return Status(i), i >= 0
}

func (s Status) prepared() bool { return s == PrepareCommit || s == PrepareAbort }

// TopicPartition is a partition that a transaction touches.
type TopicPartition struct {
	Topic string
	Index int32
}

func compare(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

// No producer id, epoch or time.
const none = -1

// epochMax is the last epoch that a producer id begins a transaction with: one more is needed to fence it.
const epochMax = math.MaxInt16 - 1

// facts are what a record says of a transactional id.
type facts struct {
	producerID int64
	previousID int64 // the producer id before, none if it had none or its end is long ago
	nextID     int64 // that its end gives it because the epochs of producerID are used up; none
	epoch      int16
	lastEpoch  int16 // the one before, which the producer may name in a retry; none. It is not in the records
	version    int16 // of the client's transactions: 2 for KIP-890, 0 for all before
	timeoutMs  int32
	status     Status
	partitions []TopicPartition // sorted; while prepared, those that miss their markers. Never modified in place
	startMs    int64            // none if it has not begun
	updateMs   int64
}

// transaction is a transactional id.
type transaction struct {
	facts
	id      string
	busy    bool // a record is on its way
	waiting []*waiter
	timer   *coordinator.Timer // of the ongoing transaction
}

// waiter is a request that waits for the end of a transition.
type waiter struct {
	run   func()
	timer *coordinator.Timer
}

func (f *facts) has(tp TopicPartition) bool {
	_, ok := slices.BinarySearchFunc(f.partitions, tp, compare)
	return ok
}

// with returns the partitions with those of tps.
func (f *facts) with(tps []TopicPartition) []TopicPartition {
	all := slices.Concat(f.partitions, tps)
	slices.SortFunc(all, compare)
	return slices.Clip(slices.Compact(all))
}

// without returns the partitions but those of tps.
func (f *facts) without(tps []TopicPartition) []TopicPartition {
	var left []TopicPartition
	for _, tp := range f.partitions {
		if !slices.Contains(tps, tp) {
			left = append(left, tp)
		}
	}
	return left
}

// exhausted tells whether the producer id has no epoch left for another transaction.
func exhausted(epoch int16) bool { return epoch >= epochMax }
