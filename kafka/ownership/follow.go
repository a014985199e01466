package ownership

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// follower keeps the open partitions in step with the images.
type follower struct {
	mu      sync.Mutex
	seen    metadata.Revision // of the newest image handled; older ones are not looked at
	taken   metadata.Revision // that shows what this incarnation took
	last    *image.Image      // the newest handled; nil before the first
	dynamic [2]map[string]string
	props   *image.Static
	static  map[string]string // what props said last
	topics  map[metadata.TopicID]*followed
	kept    map[wal.Partition]keeper // what we have and do not serve

	// Of partitions that move.
	wake   chan struct{}                          // holds a token while Move may have something to do; nil while it does not run
	todo   map[partition.Key]bool                 // that Move has to look at
	fences map[partition.Key]fence                // that are being handed over
	mine   map[partition.Key]metadata.LeaderEpoch // the epoch in which we made ourselves leader
	lent   map[partition.Key]bool                 // we led them, and others do without having taken them over: an operator's hand
	ends   map[partition.Key]int64                // of the leaders' logs, where we copy

	strays map[partition.Key]bool // that a restart found, and that may be copies nobody wants; see dropStray

	counts   moveCounts
	round    *round        // the next checkpoint that moves wait for, which others may join
	taking   chan struct{} // has a token while such a checkpoint is taken
	changing chan struct{} // has a token while an assignment is changed: partitions share records, and would be in each other's way
}

// followed is a topic of which this broker leads partitions, or might.
type followed struct {
	config *partition.LogConfig
	open   map[int32]*partition.Partition
}

// openAll opens the partitions after start; revision is that of the transactions that gave us their epochs.
func (o *Owner) openAll(k *keys, state stream.State, revision metadata.Revision) error {
	f := &o.follow
	f.taken = revision
	f.seen, f.topics, f.kept = revision-1, make(map[metadata.TopicID]*followed), make(map[wal.Partition]keeper)
	f.todo, f.fences = make(map[partition.Key]bool), make(map[partition.Key]fence)
	f.mine, f.ends = make(map[partition.Key]metadata.LeaderEpoch), make(map[partition.Key]int64)
	f.lent, f.strays = make(map[partition.Key]bool), make(map[partition.Key]bool)
	f.taking, f.changing = make(chan struct{}, 1), make(chan struct{}, 1)
	f.dynamic = [2]map[string]string{k.dynamic[o.name()], k.dynamic[""]}
	f.props, f.static = image.NewStatic(o.cfg.Properties), o.cfg.Properties
	if k.properties != nil {
		f.static = configdef.StaticLayer(o.cfg.Properties, k.properties)
	}
	var openings []partition.Opening
	for _, a := range k.assignments {
		t, ok := k.topics[a.topic]
		if !ok {
			continue
		}
		ft := f.topics[a.topic]
		if ft == nil {
			ft = &followed{config: o.logConfig(t.Configs), open: make(map[int32]*partition.Partition)}
			f.topics[a.topic] = ft
		}
		for i, p := range a.record.Partitions {
			if p.Leader != o.cfg.Broker {
				continue
			}
			key := partition.Key{Topic: a.topic, Index: a.first + int32(i)}
			wp := key.WAL()
			openings = append(openings, partition.Opening{Key: key, Epoch: p.Epoch, State: state[wp], Config: ft.config})
			delete(state, wp)
		}
	}
	deleted := 0
	for p, s := range state {
		if _, ok := k.topics[p.Topic]; !ok {
			deleted++
			continue
		}
		f.kept[p] = &dormant{name: p, state: s}
		f.strays[partition.Key{Topic: p.Topic, Index: p.Index}] = true
	}
	if deleted > 0 {
		o.log.Info("partitions in the log belong to deleted topics", "partitions", deleted)
	}
	if len(f.kept) > 0 {
		o.log.Info("partitions in the log are led by other brokers; their data are kept", "partitions", len(f.kept))
	}
	if err := o.leaders.Open(openings...); err != nil {
		return err
	}
	for _, op := range openings {
		p, err := o.leaders.Get(op.Key)
		if err != nil {
			return err
		}
		f.topics[op.Key.Topic].open[op.Key.Index] = p
	}
	return nil
}

func (o *Owner) name() string { return strconv.Itoa(int(o.cfg.Broker)) }

// logConfig resolves what a partition's log needs to know. Called with follow.mu held, or before Run.
func (o *Owner) logConfig(topic map[string]string) *partition.LogConfig {
	l := configdef.Layers{Topic: topic, Broker: o.follow.dynamic[0], ClusterDefault: o.follow.dynamic[1], Static: o.follow.static}
	c := partition.ConfigFrom(l)
	return &c
}

// changed brings the open partitions in step with img. It is called in the order of images, and does no I/O.
func (o *Owner) changed(img *image.Image) {
	f := &o.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	if img.Revision <= f.seen {
		return // older than what we did ourselves, or handled already
	}
	f.seen = img.Revision
	dynamic := [2]map[string]string{img.BrokerConfigs(o.name()), img.BrokerConfigs("")}
	static := f.props.At(img)
	reconfigured := !maps.Equal(dynamic[0], f.dynamic[0]) || !maps.Equal(dynamic[1], f.dynamic[1]) || !maps.Equal(static, f.static)
	f.dynamic, f.static = dynamic, static
	// There may be very many topics, and images often show one that changed.
	var topics, gone []*image.Topic
	if f.last == nil {
		topics = img.Topics()
	} else {
		topics, gone = img.Since(f.last)
	}
	if reconfigured {
		topics = img.Topics()
	}
	first := f.last == nil
	f.last = img
	var openings []partition.Opening
	for _, t := range topics {
		ft := f.topics[t.ID]
		if ft == nil {
			ft = &followed{open: make(map[int32]*partition.Partition)}
			f.topics[t.ID] = ft
		}
		openings = o.topicChanged(ft, t, openings)
	}
	if first {
		for id := range f.topics {
			if _, ok := img.TopicByID(id); !ok {
				o.topicGone(id)
			}
		}
	}
	for _, t := range gone {
		o.topicGone(t.ID)
	}
	for name := range f.kept {
		if f.topics[name.Topic] == nil {
			o.logs.Release(name, stream.Forever())
			delete(f.kept, name)
		}
	}
	o.openNew(openings)
}

// topicGone closes what is open of a topic that was deleted.
func (o *Owner) topicGone(id metadata.TopicID) {
	ft := o.follow.topics[id]
	if ft == nil {
		return
	}
	for _, p := range ft.open {
		// The topic's id never comes again, so nothing of it in the journal means anything any more.
		o.logs.Release(p.Key().WAL(), stream.Forever())
		o.leaders.Close(p.Key(), kerr.UnknownTopicOrPartition, true)
	}
	delete(o.follow.topics, id)
	is := func(k partition.Key) bool { return k.Topic == id }
	maps.DeleteFunc(o.follow.mine, func(k partition.Key, _ metadata.LeaderEpoch) bool { return is(k) })
	maps.DeleteFunc(o.follow.fences, func(k partition.Key, _ fence) bool { return is(k) })
	maps.DeleteFunc(o.follow.lent, func(k partition.Key, _ bool) bool { return is(k) })
}

// keepers returns the partitions that are kept and not served.
func (f *follower) keepers() []keeper {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.kept))
}

// topicChanged reconfigures and closes partitions of t, and adds those to open to openings.
func (o *Owner) topicChanged(ft *followed, t *image.Topic, openings []partition.Opening) []partition.Opening {
	if c := o.logConfig(t.Configs); ft.config == nil || *c != *ft.config {
		ft.config = c
		for _, p := range ft.open {
			p.Configure(c)
		}
	}
	for i, a := range t.Partitions {
		p, key := ft.open[int32(i)], partition.Key{Topic: t.ID, Index: int32(i)}
		if p == nil && o.follow.kept[key.WAL()] != nil || a.Target == o.cfg.Broker || slices.Contains(a.Former, o.cfg.Broker) || a.Target != 0 && p != nil {
			o.follow.noteLocked(key)
		}
		switch {
		case p == nil && a.Leader == o.cfg.Broker && o.follow.kept[key.WAL()] != nil && o.follow.ours(key, a.Epoch):
			o.openOrNote(ft, key, a)
		case p == nil && a.Leader == o.cfg.Broker:
			openings = append(openings, partition.Opening{Key: partition.Key{Topic: t.ID, Index: int32(i)}, Epoch: a.Epoch, Config: ft.config})
		case p != nil && (a.Leader != o.cfg.Broker || a.Epoch != p.LeaderEpoch()):
			_, agreed := o.follow.fences[key]
			if !agreed && !o.follow.ours(key, a.Epoch) {
				// An operator's hand or a second broker with our number. Serving on would be wrong either way.
				o.log.Error("partition was given to another leader", "topic", t.Name, "partition", i, "leader", int32(a.Leader), "epoch", int32(a.Epoch))
			}
			o.leaders.Close(key, kerr.NotLeaderForPartition, false)
			delete(ft.open, int32(i))
			delete(o.follow.fences, key)
			o.follow.kept[key.WAL()] = p
			if a.Leader != o.cfg.Broker && !agreed {
				o.follow.lent[key] = true
			}
			if a.Leader == o.cfg.Broker && o.follow.ours(key, a.Epoch) {
				o.openOrNote(ft, key, a)
			}
		}
	}
	return openings
}

// ours reports whether a leader epoch of this broker is one in which it may serve the data that it has: it made itself the leader, or nobody else has taken
// them over. Otherwise it is that of another process with our number.
func (f *follower) ours(key partition.Key, epoch metadata.LeaderEpoch) bool {
	return f.mine[key] == epoch || f.lent[key]
}

// openOrNote leads a partition whose data we have, at once or, if appends are in flight from the time before, when they have their outcome.
func (o *Owner) openOrNote(ft *followed, key partition.Key, as metadata.PartitionAssignment) {
	if err := o.openKept(ft, key, as); err != nil {
		o.follow.noteLocked(key)
	}
}

// openKept leads a partition whose data we have, in an epoch in which we made ourselves its leader. Called with follow.mu held.
func (o *Owner) openKept(ft *followed, key partition.Key, as metadata.PartitionAssignment) error {
	f := &o.follow
	k := f.kept[key.WAL()]
	if k == nil || ft == nil || ft.open[key.Index] != nil || as.Leader != o.cfg.Broker || !f.ours(key, as.Epoch) {
		return nil // it changed meanwhile
	}
	err := k.Pass(func(s *stream.PartitionState) (tier.Partition, error) {
		if err := o.leaders.Open(partition.Opening{Key: key, Epoch: as.Epoch, State: s, Config: ft.config}); err != nil {
			return nil, err
		}
		return o.leaders.Get(key)
	})
	if err != nil {
		return err
	}
	p, err := o.leaders.Get(key)
	if err != nil {
		return err
	}
	delete(f.kept, key.WAL())
	delete(f.lent, key)
	ft.open[key.Index] = p
	return nil
}

func (o *Owner) openNew(openings []partition.Opening) {
	if len(openings) == 0 {
		return
	}
	// A partition that this broker led before has its data in the log, which only a restart replays: never open it empty.
	fresh := openings[:0]
	for _, op := range openings {
		if op.Epoch == 0 {
			fresh = append(fresh, op)
			continue
		}
		o.log.Error("partition came back to this broker, which cannot read its log without a restart",
			"topic", op.Key.Topic.String(), "partition", op.Key.Index, "epoch", int32(op.Epoch))
	}
	if err := o.leaders.Open(fresh...); err != nil {
		o.log.Error("partitions could not be opened", "err", err)
		return
	}
	for _, op := range fresh {
		if p, err := o.leaders.Get(op.Key); err == nil {
			o.follow.topics[op.Key.Topic].open[op.Key.Index] = p
		}
	}
}
