package share

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/sharestate"
)

// Ack is what a member says of a record.
type Ack int8

// The acknowledgement types of the protocol.
const (
	Gap     Ack = 0 // there is no such record
	Accept  Ack = 1
	Release Ack = 2
	Reject  Ack = 3
	Renew   Ack = 4 // KIP-1222
)

// Acknowledgement is what a member says of the records of a range, both ends included: one type for all, or one for each offset.
type Acknowledgement struct {
	First, Last int64
	Types       []int8
}

// is is errors.Is for several.
func is(err error, targets ...error) bool {
	return err != nil && slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}

// Acknowledge applies acks, which are sorted and do not overlap, as a whole: if one cannot be, none is. done is told once, when the coordinator
// knows of them or that has failed, perhaps before Acknowledge returns.
// INVALID_RECORD_STATE if a record is not acquired by the member any more, INVALID_REQUEST if it never was; the coordinator's errors.
func (p *Partition) Acknowledge(member string, acks []Acknowledgement, done func(error)) {
	c, err := p.acknowledge(member, acks, done)
	if err != nil || c == nil {
		done(err)
	}
}

// acknowledge returns nil if nothing is to be written.
func (p *Partition) acknowledge(member string, acks []Acknowledgement, done func(error)) (*change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return nil, p.closed
	}
	limits := p.limits()
	var pieces []piece
	for i := range acks {
		var err error
		if pieces, err = p.piecesLocked(&acks[i], pieces); err != nil {
			return nil, err
		}
	}
	if err := p.checkLocked(member, pieces, limits.Renew); err != nil {
		return nil, err
	}
	c := &change{done: done}
	until := p.now().Add(limits.LockDuration)
	renewed := false
	old := p.runs
	p.runs = edit(old, p.scratch, pieces, func(r *run, x *piece) {
		switch x.ack {
		case Renew:
			r.deadline, renewed = until, true
			return
		case Accept:
			r.next = acknowledged
		case Release:
			r.next = afterRelease(r.count, limits.Deliveries)
		case Gap, Reject:
			r.next = archived
		}
		r.pending = c
		c.batches = appendBatch(c.batches, r.first, r.last, r.next, r.count)
	})
	p.scratch = old
	if renewed {
		p.owner.at(p, until)
	}
	if len(c.batches) == 0 {
		return nil, nil
	}
	p.queueLocked(c)
	return c, nil
}

// piecesLocked adds the ranges of a that have one type each, from the start offset on.
func (p *Partition) piecesLocked(a *Acknowledgement, out []piece) ([]piece, error) {
	if a.First > a.Last || len(a.Types) == 0 || len(a.Types) > 1 && int64(len(a.Types)) != a.Last-a.First+1 {
		return nil, fmt.Errorf("%w: an acknowledgement of [%d, %d] with %d types", kerr.InvalidRequest, a.First, a.Last, len(a.Types))
	}
	switch {
	case a.Last < p.start:
		return out, nil // it is of no interest any more
	case len(p.runs) == 0:
		return nil, fmt.Errorf("%w: offset %d is not in flight", kerr.InvalidRecordState, a.First)
	case a.First >= p.end:
		return nil, fmt.Errorf("%w: the first offset %d is past the acquired records", kerr.InvalidRequest, a.First)
	case a.Last >= p.end:
		return nil, fmt.Errorf("%w: the last offset %d is past the acquired records", kerr.InvalidRequest, a.Last)
	}
	for i, t := range a.Types {
		if t < int8(Gap) || t > int8(Renew) {
			return nil, fmt.Errorf("%w: acknowledge type %d", kerr.InvalidRequest, t)
		}
		x := piece{a.First + int64(i), a.First + int64(i), Ack(t)}
		if len(a.Types) == 1 {
			x.last = a.Last
		}
		if x.last < p.start {
			continue
		}
		x.first = max(x.first, p.start)
		n := len(out)
		switch {
		case n > 0 && out[n-1].last >= x.first:
			return nil, fmt.Errorf("%w: offset %d is acknowledged twice", kerr.InvalidRecordState, x.first)
		case n > 0 && out[n-1].last+1 == x.first && out[n-1].ack == x.ack:
			out[n-1].last = x.last
		default:
			out = append(out, x)
		}
	}
	return out, nil
}

// checkLocked refuses pieces that the member does not hold.
func (p *Partition) checkLocked(member string, pieces []piece, renew bool) error {
	at := 0
	for _, x := range pieces {
		if x.ack == Renew && !renew {
			return fmt.Errorf("%w: the group does not allow to renew locks", kerr.InvalidRecordState)
		}
		for at < len(p.runs) && p.runs[at].last < x.first {
			at++
		}
		for i := at; i < len(p.runs) && p.runs[i].first <= x.last; i++ {
			switch r := &p.runs[i]; {
			case r.fate != acquired:
				return fmt.Errorf("%w: offset %d is not acquired", kerr.InvalidRecordState, max(r.first, x.first))
			case r.member != member:
				return fmt.Errorf("%w: offset %d is another member's", kerr.InvalidRecordState, max(r.first, x.first))
			case r.pending != nil:
				return fmt.Errorf("%w: offset %d is acknowledged already", kerr.InvalidRecordState, max(r.first, x.first))
			}
		}
	}
	return nil
}

// ReleaseMember gives back what the member holds, when its session ends. Its deliveries count.
func (p *Partition) ReleaseMember(member string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return
	}
	deliveries := p.limits().Deliveries
	c := &change{}
	var batches []sharestate.Batch
	for i := range p.runs {
		r := &p.runs[i]
		if r.held() && r.member == member {
			r.pending, r.next = c, afterRelease(r.count, deliveries)
			// Not to be kept from others for longer than the lock that it had, should the coordinator not answer.
			batches = appendBatch(batches, r.first, r.last, r.next, r.count)
		}
	}
	if len(batches) > 0 {
		c.batches = batches
		p.queueLocked(c)
	}
}

// lockEnd is when an acquisition of now ends.
func (p *Partition) lockEnd(l *Limits) time.Time { return p.now().Add(l.LockDuration) }
