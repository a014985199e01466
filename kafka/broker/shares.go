package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"weir/kafka/configdef"
	"weir/kafka/feature"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/share"
	"weir/kafka/sharestate"
	"weir/metadata"
)

// shares is what the APIs of share groups (KIP-932) work with.
type shares struct {
	states   *sharestate.Coordinator
	client   *sharestate.Client
	parts    *share.Partitions
	sessions *share.Sessions
}

func newShares(b *Broker, deps Deps, led leaders) *shares {
	s := &shares{}
	s.states = sharestate.New(b.cfg.Broker, sharestate.SettingsFrom(b.cfg.Properties), sharestate.Deps{
		Log: b.log, Image: deps.Image, CreateTopic: deps.Topics.CreateInternal(image.ShareGroupState),
		Open: func(ctx context.Context, k partition.Key) (sharestate.Log, error) { return led.await(ctx, k) },
	})
	s.client = &sharestate.Client{Broker: b.cfg.Broker, Image: deps.Image, Local: s.states, Remote: b.peers.Request}
	s.parts = share.New(share.Deps{
		Log: b.log, Store: s.client,
		Limits: b.shareLimits,
		Reset: func(group string) share.Reset {
			v := b.shareConfigs(group).GroupString("share.auto.offset.reset")
			ago, _ := configdef.ResetDuration(v)
			return share.Reset{Earliest: v == "earliest", Ago: ago}
		},
		Led: func(k partition.Key) (metadata.LeaderEpoch, bool) {
			p, err := led.get(k)
			if err != nil {
				return 0, false
			}
			return p.LeaderEpoch(), true
		},
	})
	s.sessions = share.NewSessions(int(configdef.Layers{Static: b.cfg.Properties}.BrokerInt("group.share.max.share.sessions")))
	return s
}

// run serves until ctx ends.
func (s *shares) run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return s.states.Run(ctx) })
	g.Go(func() error { return s.parts.Run(ctx) })
	return g.Wait()
}

// ended releases what the member of a session that is no more holds.
func (s *shares) ended(e share.Ended) {
	for _, tp := range e.Partitions {
		if p, ok := s.parts.Find(sharestate.Key{Group: e.Group, Topic: tp.Topic, Partition: tp.Partition}); ok {
			p.ReleaseMember(e.Member)
		}
	}
	if e.Last {
		s.parts.DropGroup(e.Group)
	}
}

// connectionLost ends the sessions that were begun on the connection.
func (s *shares) connectionLost(c *conn) {
	for _, e := range s.sessions.EndConn(c) {
		s.ended(e)
	}
}

// shareConfigs are the configs that hold for the group.
func (b *Broker) shareConfigs(group string) configdef.Layers {
	l := b.topics.Layers()
	l.Group = b.image.Current().GroupConfigs(group)
	return l
}

func (b *Broker) shareLimits(group string) share.Limits {
	l := b.shareConfigs(group)
	return share.Limits{
		Deliveries:   int(l.GroupInt("share.delivery.count.limit")),
		Locks:        int(l.GroupInt("share.partition.max.record.locks")),
		LockDuration: time.Duration(l.GroupInt("share.record.lock.duration.ms")) * time.Millisecond,
		Renew:        l.GroupBool("share.renew.acknowledge.enable"),
	}
}

// sharesEnabled tells whether the cluster's share.version allows share groups.
func (b *Broker) sharesEnabled() bool {
	return b.featureLevels(b.image.Current())[feature.Share] >= 1
}

// memberIDMax is the most characters that the id of a share group's member may have.
const memberIDMax = 36

// checkShareMember checks what all requests of members have.
func (b *Broker) checkShareMember(group, member *string) error {
	switch {
	case !b.sharesEnabled():
		return kerr.UnsupportedVersion
	case group == nil:
		return fmt.Errorf("%w: Invalid group id in the request.", kerr.InvalidRequest) //nolint:staticcheck // as Kafka writes it
	case member == nil || *member == "" || len(*member) > memberIDMax:
		return fmt.Errorf("%w: Invalid member id in the request.", kerr.InvalidRequest) //nolint:staticcheck // as Kafka writes it
	}
	return nil
}

// shareError is what members are told of an error of their share partition or its coordinator.
func shareError(err error) error {
	switch {
	case errors.Is(err, kerr.FencedLeaderEpoch), errors.Is(err, kerr.FencedStateEpoch):
		return kerr.NotLeaderForPartition
	case errors.Is(err, kerr.NotCoordinator), errors.Is(err, kerr.CoordinatorLoadInProgress), errors.Is(err, kerr.RequestTimedOut),
		errors.Is(err, kerr.BrokerNotAvailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return kerr.CoordinatorNotAvailable
	}
	return err
}

// sharePartition finds a partition by the topic's id, and the share partition of the group.
func (b *Broker) sharePartition(group string, tp share.TopicPartition) (led, *share.Partition, error) {
	t, ok := b.image.Current().TopicByID(tp.Topic)
	if !ok {
		return nil, nil, kerr.UnknownTopicID
	}
	if tp.Partition < 0 || int(tp.Partition) >= len(t.Partitions) {
		return nil, nil, kerr.UnknownTopicOrPartition
	}
	l, err := b.leaders.get(partition.Key{Topic: tp.Topic, Index: tp.Partition})
	if err != nil {
		return nil, nil, err
	}
	p, err := b.shares.parts.Get(sharestate.Key{Group: group, Topic: tp.Topic, Partition: tp.Partition}, l)
	return l, p, err
}

// countdown returns a function that calls done when it was called n times, and once more: that is for who begins the n parts, which may be done at once.
func countdown(n int, done func()) func() {
	var left atomic.Int32
	left.Store(int32(n) + 1) //nolint:gosec // entries of a request
	return func() {
		if left.Add(-1) == 0 {
			done()
		}
	}
}

// shareStateRequest tells whether a request about states names a group and partitions of each topic. One that does not gets an empty answer.
func shareStateRequest(group string, topics int, partitions func(i int) int) bool {
	if strings.TrimSpace(group) == "" || topics == 0 {
		return false
	}
	for i := range topics {
		if partitions(i) == 0 {
			return false
		}
	}
	return true
}

// shareStates are the share coordinators as the group coordinator, which is made before they can be reached, asks them.
type shareStates struct{ b *Broker }

// InitializeState implements group.ShareStates.
func (s shareStates) InitializeState(ctx context.Context, k sharestate.Key, stateEpoch int32, start int64) error {
	return s.b.shares.client.InitializeState(ctx, k, stateEpoch, start)
}

// DeleteState implements group.ShareStates.
func (s shareStates) DeleteState(ctx context.Context, k sharestate.Key) error {
	return s.b.shares.client.DeleteState(ctx, k)
}

// StateSummary implements group.ShareStates.
func (s shareStates) StateSummary(ctx context.Context, k sharestate.Key) (sharestate.State, error) {
	return s.b.shares.client.StateSummary(ctx, k)
}
