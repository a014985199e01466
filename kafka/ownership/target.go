package ownership

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/segment"
	"weir/storage/stream"
)

const (
	copyReadBytes    = 512 << 10 // that one question asks for
	copySegmentBytes = 64 << 20  // of one segment of a copy: what a crash makes us copy again
	copySegmentTime  = 5 * time.Second
	// closeBehind is how quickly a round of copying must have been done for the next one, with nothing appended meanwhile, to be the last.
	closeBehind = 250 * time.Millisecond
)

// errAnew means that what was copied and what the leader has now do not make one log.
var errAnew = errors.New("the leader's log has changed, the copy begins anew")

// copier takes a partition over from its leader.
type copier struct {
	o       *Owner
	peers   Peers
	key     partition.Key
	leader  metadata.BrokerID
	epoch   metadata.LeaderEpoch
	seen    metadata.Revision // that said so
	part    keeper
	version uint64
}

// takeOver copies a partition of which we are the target, and makes this broker its leader. After an error it may be called again, and goes on with what
// it has copied.
func (o *Owner) takeOver(ctx context.Context, peers Peers, key partition.Key) error {
	seen := o.image.Current().Revision
	as, ok := o.assigned(key)
	if !ok || as.Target != o.cfg.Broker || as.Leader == o.cfg.Broker {
		return nil
	}
	part, err := o.keep(ctx, key)
	if err != nil {
		return err
	}
	c := &copier{o: o, peers: peers, key: key, leader: as.Leader, epoch: as.Epoch, seen: seen, part: part}
	began := o.now()
	o.follow.counts.copying.Add(1)
	defer o.follow.counts.copying.Add(-1)
	o.log.Info("copying a partition", "topic", key.Topic.String(), "partition", key.Index, "from", int32(c.leader), "offset", c.end())
	for {
		started := time.Now()
		err := c.catchUp(ctx)
		switch {
		case errors.Is(err, errAnew):
			continue // begin restarted it
		case err != nil:
			return fmt.Errorf("copy partition %v from broker %d: %w", key, c.leader, err)
		}
		if time.Since(started) < closeBehind {
			break
		}
	}
	if err := c.handOver(ctx); err != nil {
		return fmt.Errorf("take partition %v over from broker %d: %w", key, c.leader, err)
	}
	o.follow.counts.takenOver.Add(1)
	o.log.Info("partition was taken over", "topic", key.Topic.String(), "partition", key.Index, "from", int32(c.leader), "offset", c.end(), "dur", o.now().Sub(began))
	return nil
}

// keep returns what we have of a partition that is to be copied, which is nothing at first.
func (o *Owner) keep(ctx context.Context, key partition.Key) (keeper, error) {
	f := &o.follow
	f.mu.Lock()
	k, ok := f.kept[key.WAL()]
	f.mu.Unlock()
	if ok {
		return k, nil
	}
	// What the journal or a checkpoint still says of it, from a time when we led it, comes before this mark, and so means nothing.
	if err := o.barrier(ctx); err != nil {
		return nil, err
	}
	mark := o.stream.Mark()
	d := &dormant{name: key.WAL(), state: &stream.PartitionState{Applied: mark, Changes: uint64(mark.File)<<32 | uint64(mark.Off)}}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.topics[key.Topic] == nil {
		return nil, fmt.Errorf("partition %v: %w", key, kerr.UnknownTopicOrPartition)
	}
	f.kept[key.WAL()] = d
	return d, nil
}

func (c *copier) end() (end int64) {
	c.part.View(func(s *stream.PartitionState) { end = s.End })
	return end
}

func (c *copier) ask(ctx context.Context, what string, from int64, bytes int32) (*answer, error) {
	q := question{What: what, Topic: c.key.Topic, Partition: c.key.Index, By: c.o.cfg.Broker, Epoch: c.epoch, Revision: c.seen, From: from, Bytes: bytes}
	return ask(ctx, c.peers, c.leader, q)
}

// catchUp copies up to where the leader's log ends now. It fails with errAnew if the copy had to be begun anew.
func (c *copier) catchUp(ctx context.Context) error {
	a, err := c.ask(ctx, askRead, 0, 0)
	if err != nil {
		return err
	}
	if err := c.fit(a); err != nil {
		return err
	}
	c.o.follow.behind(c.key, a.End)
	return c.copyTo(ctx, a.End, true)
}

// fit sees to it that what is copied is the beginning of the leader's log, if need be by beginning anew.
func (c *copier) fit(a *answer) error {
	anew := a.Version != c.version
	c.part.View(func(s *stream.PartitionState) {
		anew = anew || s.End < a.Start || s.End > a.End || s.Extents.Len() > 0
	})
	return c.part.Edit(func(s *stream.PartitionState) error {
		if anew {
			s.Restart(a.Start)
			c.version = a.Version
			return nil
		}
		s.Trim(a.Start)
		return nil
	})
}

// copyTo copies up to offset end, which the leader has, as fast as it may, or with no limit.
func (c *copier) copyTo(ctx context.Context, end int64, limited bool) error {
	for rate := int64(0); ; {
		if limited {
			rate = c.o.copyRate(c.key, c.leader)
		}
		base := c.end()
		if base >= end {
			return nil
		}
		_, err := c.o.tiers.CopyIn(ctx, c.part, base, func(ctx context.Context, w *segment.Writer) (int64, error) {
			return c.fill(ctx, w, base, end, rate)
		})
		if err != nil {
			return err
		}
		if c.end() <= base {
			return fmt.Errorf("nothing was copied from offset %d to %d: %w", base, end, kerr.KafkaStorageError)
		}
	}
}

// fill copies from base on as much as one segment takes.
func (c *copier) fill(ctx context.Context, w *segment.Writer, base, end, rate int64) (int64, error) {
	next, copied := base, int64(0)
	for started := time.Now(); next < end && copied < copySegmentBytes && time.Since(started) < copySegmentTime; {
		began := time.Now()
		a, err := c.ask(ctx, askRead, next, copyReadBytes)
		switch {
		case err != nil:
			return 0, err
		case a.Version != c.version, a.Start > next, a.Next <= next:
			return 0, errAnew
		}
		if err := w.Append(a.data); err != nil {
			return 0, err
		}
		next = a.Next
		copied += int64(len(a.data))
		c.o.follow.counts.copied.Add(int64(len(a.data)))
		if err := pause(ctx, began, int64(len(a.data)), rate); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// pause waits until n bytes since began are no more than rate a second.
func pause(ctx context.Context, began time.Time, n, rate int64) error {
	if rate <= 0 {
		return nil
	}
	wait := time.Duration(float64(n)/float64(rate)*float64(time.Second)) - time.Since(began)
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// handOver makes this broker the leader. Until the transaction at its end nothing has happened: the leader takes the partition back if it does not come.
func (c *copier) handOver(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.cfg.Moves.HandOver*8/10) // less than the leader waits
	defer cancel()
	done := false
	defer func() {
		if err != nil && !done {
			_ = c.part.Edit(func(s *stream.PartitionState) error { s.Untake(); return nil }) // it does not fail
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
			defer cancel()
			_, _ = c.ask(ctx, askKeep, 0, 0) // it finds out by itself, only later
		}
	}()
	a, err := c.ask(ctx, askTake, 0, 0)
	if err != nil {
		return err
	}
	if a.Version != c.version {
		return errAnew
	}
	if err := c.copyTo(ctx, a.End, false); err != nil {
		return err
	}
	name := c.key.WAL()
	if err := c.part.Edit(func(s *stream.PartitionState) error { return s.TakeOver(name, a.data) }); err != nil {
		return err
	}
	// This makes the copy and the state what the next incarnation finds.
	if err := c.o.checkpointNow(ctx); err != nil {
		return err
	}
	done = true // from here on only the metadata know
	return c.o.becomeLeader(ctx, c.key, c.leader, c.epoch)
}

// errNotTarget means that the metadata changed while the partition was copied.
var errNotTarget = errors.New("the partition is not to be taken over any more, or its leader began anew")

// becomeLeader makes this broker the leader after the one that handed the partition over in the given epoch.
func (o *Owner) becomeLeader(ctx context.Context, key partition.Key, from metadata.BrokerID, epoch metadata.LeaderEpoch) error {
	me, ours := o.cfg.Broker, false
	err := o.change(ctx, key, func(as *metadata.PartitionAssignment) bool {
		ours = as.Leader == me && as.Epoch == epoch+1 // our own transaction, of which we did not hear
		if as.Leader != from || as.Epoch != epoch || as.Target != me {
			return false
		}
		o.follow.expect(key, epoch+1)
		as.Leader, as.Epoch, as.Target, as.Cause = me, epoch+1, 0, ""
		as.Former = slices.DeleteFunc(slices.Clone(as.Former), func(b metadata.BrokerID) bool { return b == me || b == from })
		as.Former = append(as.Former, from)
		as.Replicas = slices.DeleteFunc(slices.Clone(as.Replicas), func(b metadata.BrokerID) bool { return slices.Contains(as.Removing, b) })
		as.Adding, as.Removing = nil, nil
		ours = true
		return true
	})
	if err == nil && !ours {
		return errNotTarget
	}
	return err
}

// copyRate is how fast a partition may be copied, in bytes a second; 0 is no limit. As in Kafka, a rate of either broker counts if the topic's configs
// name its replica as one that is throttled.
func (o *Owner) copyRate(key partition.Key, leader metadata.BrokerID) int64 {
	img := o.image.Current()
	t, ok := img.TopicByID(key.Topic)
	if !ok {
		return 0
	}
	rate := int64(math.MaxInt64)
	for _, side := range []struct {
		name   string
		broker metadata.BrokerID
	}{{"leader", leader}, {"follower", o.cfg.Broker}} {
		if !throttled(t, side.name+".replication.throttled.replicas", key.Index, side.broker) {
			continue
		}
		text := img.BrokerConfigs(strconv.Itoa(int(side.broker)))[side.name+".replication.throttled.rate"]
		if text == "" {
			text = img.BrokerConfigs("")[side.name+".replication.throttled.rate"]
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			rate = min(rate, n)
		}
	}
	if rate == math.MaxInt64 {
		return 0
	}
	return rate
}

// throttled reports whether a topic's list of throttled replicas ("*", or "partition:broker" elements) names a replica.
func throttled(t *image.Topic, config string, index int32, b metadata.BrokerID) bool {
	want := fmt.Sprintf("%d:%d", index, b)
	for _, one := range configdef.SplitList(t.Configs[config]) {
		if one = strings.TrimSpace(one); one == "*" || one == want {
			return true
		}
	}
	return false
}
