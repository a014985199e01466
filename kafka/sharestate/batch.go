package sharestate

import "cmp"

// DeliveryState is what became of a record.
type DeliveryState int8

// The states that are kept. That a record is acquired is known to the leader only: a new one makes it available again.
const (
	Available    DeliveryState = 0
	Acknowledged DeliveryState = 2
	Archived     DeliveryState = 4
)

// Terminal tells whether the record will not be delivered again.
func (s DeliveryState) Terminal() bool { return s == Acknowledged || s == Archived }

// Batch is a range of offsets, both ends included, whose records have the same state.
type Batch struct {
	First, Last int64
	State       DeliveryState
	Count       int16 // deliveries
}

// State is all that is known of a share partition.
type State struct {
	SnapshotEpoch int32
	StateEpoch    int32
	LeaderEpoch   int32
	Start         int64 // the share-partition start offset; -1: not yet known
	Complete      int32 // records from Start on that are acknowledged or archived; -1: not known
	Created       int64 // milliseconds
	Written       int64
	// Batches are disjoint and sorted. Offsets from Start on that none holds were not delivered yet.
	Batches []Batch
}

// wins tells whether b counts rather than other for an offset that both hold.
func (b Batch) wins(other Batch) bool {
	return cmp.Or(cmp.Compare(b.Count, other.Count), cmp.Compare(b.State, other.State)) > 0
}

// merge lays news over batches, which are disjoint and sorted, and forgets what lies below start, unless it is negative. The result shares nothing with them.
func merge(batches, news []Batch, start int64) []Batch {
	return overlay(batches, flat(news), start)
}

// flat makes news disjoint and sorted, which those of our leaders are. Who sends others, as many as there may be, costs not much more than that.
func flat(news []Batch) []Batch {
	for i := 1; i < len(news); i++ {
		if news[i-1].Last >= news[i].First {
			half := len(news) / 2
			return overlay(flat(news[:half]), flat(news[half:]), -1)
		}
	}
	return news
}

// overlay merges two lists that are disjoint and sorted.
func overlay(a, b []Batch, start int64) []Batch {
	out := make([]Batch, 0, len(a)+len(b))
	add := func(x Batch) {
		if start >= 0 && x.First < start {
			x.First = start
		}
		if x.First > x.Last {
			return
		}
		if n := len(out); n > 0 && out[n-1].Last+1 == x.First && out[n-1].State == x.State && out[n-1].Count == x.Count {
			out[n-1].Last = x.Last
			return
		}
		out = append(out, x)
	}
	// The heads of the lists, of which the lower part was dealt with already.
	var x, y *Batch
	next := func(list *[]Batch, head **Batch) {
		*head = nil
		if len(*list) > 0 {
			first := (*list)[0]
			*list, *head = (*list)[1:], &first
		}
	}
	// pass leaves of a head what lies behind end. There is nothing behind the largest offset.
	pass := func(list *[]Batch, head **Batch, end int64) {
		if end == (*head).Last {
			next(list, head)
			return
		}
		(*head).First = end + 1
	}
	next(&a, &x)
	next(&b, &y)
	for x != nil && y != nil {
		if y.First < x.First {
			x, y, a, b = y, x, b, a
		}
		if x.First < y.First { // what x has alone
			end := min(x.Last, y.First-1)
			add(Batch{x.First, end, x.State, x.Count})
			pass(&a, &x, end)
			continue
		}
		end := min(x.Last, y.Last)
		winner := *x
		if y.wins(*x) {
			winner = *y
		}
		add(Batch{x.First, end, winner.State, winner.Count})
		pass(&a, &x, end)
		pass(&b, &y, end)
	}
	for ; x != nil; next(&a, &x) {
		add(*x)
	}
	for ; y != nil; next(&b, &y) {
		add(*y)
	}
	return out
}
