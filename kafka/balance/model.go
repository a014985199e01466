package balance

import (
	"cmp"
	"slices"

	"weir/kafka/image"
	"weir/kafka/topic"
	"weir/metadata"
)

// spot is a partition, as it will be when what is under way is done.
type spot struct {
	topic    *image.Topic
	index    int32
	seen     *metadata.PartitionAssignment
	replicas []metadata.BrokerID
	leader   metadata.BrokerID
	busy     bool // something is under way
	weight   float64
	cause    metadata.MoveCause // why it was changed here; "" if it was not
}

// place is a broker that partitions may be on.
type place struct {
	id       metadata.BrokerID
	rack     string
	ready    bool
	open     bool // may get partitions
	replicas int
	leaders  int
	load     float64
}

// counts of one topic, by broker.
type counts struct{ replicas, leaders map[metadata.BrokerID]int }

// model is what plans are made on.
type model struct {
	img    *image.Image
	places []*place // in order of id
	by     map[metadata.BrokerID]*place
	spots  []*spot // in order of topic name and index
	topics map[metadata.TopicID]*counts

	room    int // how many partitions may be copied
	copying int // how many were changed so that they are
}

// newModel reads an image. weigh may be nil: all partitions are alike.
func newModel(img *image.Image, weigh func(metadata.TopicID, int32) float64) *model {
	m := &model{img: img, by: make(map[metadata.BrokerID]*place), topics: make(map[metadata.TopicID]*counts)}
	for _, s := range img.Registered() {
		live, alive := img.Broker(s.Broker)
		p := &place{id: s.Broker, rack: s.Rack, ready: alive && live.Ready, open: !img.Draining(s.Broker)}
		m.places = append(m.places, p)
		m.by[p.id] = p
	}
	for _, t := range img.Topics() {
		c := &counts{replicas: make(map[metadata.BrokerID]int), leaders: make(map[metadata.BrokerID]int)}
		m.topics[t.ID] = c
		for i := range t.Partitions {
			as := &t.Partitions[i]
			s := &spot{topic: t, index: int32(i), seen: as, replicas: without(as.Replicas, as.Removing), leader: as.Leader, weight: weightBase}
			if as.Target != 0 {
				s.leader = as.Target
			}
			s.busy = as.Target != 0 || topic.Reassigning(as)
			if weigh != nil {
				s.weight = weigh(t.ID, int32(i))
			}
			m.spots = append(m.spots, s)
			m.count(s, 1)
		}
	}
	return m
}

// count adds a partition to what its brokers have, or takes it away.
func (m *model) count(s *spot, n int) {
	c := m.topics[s.topic.ID]
	for _, b := range s.replicas {
		c.replicas[b] += n
		if p := m.by[b]; p != nil {
			p.replicas += n
		}
	}
	c.leaders[s.leader] += n
	if p := m.by[s.leader]; p != nil {
		p.leaders += n
		p.load += float64(n) * s.weight
	}
}

// set changes a partition. A leader that is another comes first, so that it is the preferred one.
func (m *model) set(s *spot, replicas []metadata.BrokerID, leader metadata.BrokerID, cause metadata.MoveCause) {
	if leader != s.leader {
		replicas = append([]metadata.BrokerID{leader}, without(replicas, []metadata.BrokerID{leader})...)
	}
	m.lend(s, replicas, leader, cause)
}

// lend changes a partition, and leaves its replicas in their order: another leader than the first of them is one for a time.
func (m *model) lend(s *spot, replicas []metadata.BrokerID, leader metadata.BrokerID, cause metadata.MoveCause) {
	m.count(s, -1)
	m.copying -= s.copies()
	s.replicas, s.leader, s.cause = replicas, leader, cause
	m.count(s, 1)
	m.copying += s.copies()
}

// copies is 1 if the partition was changed so that another broker has to copy it.
func (s *spot) copies() int {
	if s.cause == "" || s.leader == s.seen.Leader {
		return 0
	}
	return 1
}

// changed reports whether the partition is to be another than it was seen.
func (s *spot) changed() bool {
	return s.cause != "" && (s.busy || s.leader != s.seen.Leader || !slices.Equal(s.replicas, s.seen.Replicas))
}

// full reports whether a partition may not be copied any more, because enough others are.
func (m *model) full(s *spot) bool { return s.copies() == 0 && m.copying >= m.room }

func (m *model) ready(b metadata.BrokerID) bool { p := m.by[b]; return p != nil && p.ready }

func (m *model) open(b metadata.BrokerID) bool { p := m.by[b]; return p != nil && p.open }

// racks is over how many racks replicas are spread; one without a name is a rack too.
func (m *model) racks(replicas []metadata.BrokerID) int {
	seen := make([]string, 0, len(replicas))
	for _, b := range replicas {
		if p := m.by[b]; p != nil && !slices.Contains(seen, p.rack) {
			seen = append(seen, p.rack)
		}
	}
	return len(seen)
}

// move is what changes a partition into what it is in the model.
func (s *spot) move() topic.Move {
	return topic.Move{Topic: s.topic.ID, Partition: s.index, Seen: *s.seen, Replicas: s.replicas, Leader: s.leader, Cause: s.cause}
}

// callOff ends what is under way for a partition.
func (s *spot) callOff() topic.Move {
	return topic.Move{Topic: s.topic.ID, Partition: s.index, Seen: *s.seen}
}

// without returns the elements of list that are not in other, in a list of its own.
func without(list, other []metadata.BrokerID) []metadata.BrokerID {
	out := make([]metadata.BrokerID, 0, len(list))
	for _, b := range list {
		if !slices.Contains(other, b) {
			out = append(out, b)
		}
	}
	return out
}

// replaced is list with one element replaced.
func replaced(list []metadata.BrokerID, from, to metadata.BrokerID) []metadata.BrokerID {
	out := slices.Clone(list)
	for i := range out {
		if out[i] == from {
			out[i] = to
		}
	}
	return out
}

// best returns the element for which less is least, the first of equals.
func best(list []*place, ok func(*place) bool, compare func(a, b *place) int) *place {
	var found *place
	for _, p := range list {
		if ok(p) && (found == nil || cmp.Or(compare(p, found), cmp.Compare(p.id, found.id)) < 0) {
			found = p
		}
	}
	return found
}
