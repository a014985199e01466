package broker

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/kafka/share"
	"weir/kafka/sharestate"
)

// shareAck is what a request acknowledges of one partition.
type shareAck struct {
	share.TopicPartition
	acks []share.Acknowledgement
	err  error // the outcome, valid when all are done
}

// shareAcks are the acknowledgements of one request.
type shareAcks struct {
	parts   []*shareAck
	pending atomic.Int32 // those that are not done yet, and one more while they are begun
	done    func()
}

// acknowledgeShares begins to apply acks, which must name each partition once; done is called once when all have their outcome, from anywhere.
// Version 2 and later may renew locks, if the request says so (KIP-1222).
func (b *Broker) acknowledgeShares(group, member string, renew bool, parts []*shareAck, done func()) *shareAcks {
	a := &shareAcks{parts: parts, done: done}
	a.pending.Store(1)
	for _, p := range parts {
		if p.err = b.checkShareAck(p, renew); p.err != nil || len(p.acks) == 0 {
			continue
		}
		k := sharestate.Key{Group: group, Topic: p.Topic, Partition: p.Partition}
		sp, ok := b.shares.parts.Find(k)
		if !ok {
			p.err = kerr.UnknownTopicOrPartition // nothing of it was handed out since we lead it
			if _, err := b.leaders.get(partition.Key{Topic: p.Topic, Index: p.Partition}); err != nil {
				p.err = err
			}
			continue
		}
		a.pending.Add(1)
		sp.Acknowledge(member, p.acks, func(err error) {
			p.err = shareError(err)
			a.one()
		})
	}
	a.one()
	return a
}

func (a *shareAcks) one() {
	if a.pending.Add(-1) == 0 {
		a.done()
	}
}

// checkShareAck checks what needs no share partition, in Kafka's order.
func (b *Broker) checkShareAck(p *shareAck, renew bool) error {
	t, ok := b.image.Current().TopicByID(p.Topic)
	if !ok {
		return kerr.UnknownTopicID
	}
	before := int64(-1)
	for _, a := range p.acks {
		if a.First > a.Last || a.First < before || len(a.Types) == 0 || len(a.Types) > 1 && a.Last-a.First != int64(len(a.Types)-1) {
			return kerr.InvalidRequest
		}
		for _, t := range a.Types {
			if t < int8(share.Gap) || t > int8(share.Renew) || t == int8(share.Renew) && !renew {
				return kerr.InvalidRequest
			}
		}
		before = a.Last
	}
	if p.Partition < 0 || int(p.Partition) >= len(t.Partitions) {
		return kerr.UnknownTopicOrPartition
	}
	return nil
}
