package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The statuses of a streams group's member, as heartbeats answer them (KIP-1071).
const (
	staleTopology          = 0
	missingSourceTopics    = 1
	incorrectlyPartitioned = 2
	missingInternalTopics  = 3
	shutdownApplication    = 4
	assignmentDelayed      = 5
	missingClientTags      = 6
	topologyReady          = -1 // no status
)

// configured is a topology with the topics that there are: how many tasks each subtopology has, or why that cannot be said.
type configured struct {
	topology *topology
	status   int8 // topologyReady, or what is missing
	detail   string
	tasks    map[string]int32 // by subtopology; nil while source topics are missing or wrong
	counts   map[string]int32 // partitions of internal topics
	missing  []StreamsTopic   // internal topics that do not exist
}

// groupTasksMax bounds the tasks of one application, which few bytes of a topology can make many of.
const groupTasksMax = 200_000

// StreamsTopic is an internal topic of a streams application that its coordinator wants created.
type StreamsTopic struct {
	Name        string
	Partitions  int32
	Replication int16 // -1: the cluster's default
	Configs     map[string]string
}

func (c *configured) ready() bool { return c.status == topologyReady }

// wrong ends a configuration with INCORRECTLY_PARTITIONED_TOPICS.
type wrong string

func (w wrong) Error() string { return string(w) }

// configure finds out what the topology means with the topics of now. Errors are STREAMS_INVALID_TOPOLOGY.
func configure(t *topology, topics catalog) (*configured, error) {
	c := &configured{topology: t, status: topologyReady, counts: make(map[string]int32)}
	var absent []string
	for i := range t.subs {
		for _, name := range t.subs[i].SourceTopics {
			if _, ok := topics.byName(name); !ok {
				absent = append(absent, name)
			}
		}
	}
	if len(absent) > 0 {
		slices.Sort(absent)
		c.status, c.detail = missingSourceTopics, "Source topics "+summary(slices.Compact(absent))+" are missing."
		return c, nil
	}
	err := c.decide(topics)
	if w, ok := err.(wrong); ok { //nolint:errorlint // never wrapped
		c.status, c.detail, c.tasks, c.missing = incorrectlyPartitioned, string(w), nil, nil
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if len(c.missing) > 0 {
		names := make([]string, len(c.missing))
		for i, m := range c.missing {
			names[i] = m.Name
		}
		c.status, c.detail = missingInternalTopics, "Internal topics are missing: "+summary(names)
	}
	return c, nil
}

// summary names three topics.
func summary(names []string) string {
	if n := len(names) - 3; n > 0 {
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d additional topics", n)
	}
	return strings.Join(names, ", ")
}

// partitions are those of a topic: what it has, or what was decided that it shall have; 0 if neither.
func (c *configured) partitions(topics catalog, name string) int32 {
	if t, ok := topics.byName(name); ok {
		return t.partitions
	}
	return c.counts[name]
}

func (c *configured) decide(topics catalog) error {
	fixed, err := c.decideRepartition(topics)
	if err != nil {
		return err
	}
	for i := range c.topology.subs {
		s := &c.topology.subs[i]
		for _, g := range s.CopartitionGroups {
			if err := c.copartition(topics, s, g, fixed); err != nil {
				return err
			}
		}
	}
	c.tasks = make(map[string]int32)
	total := 0
	wanted := make(map[string]StreamsTopic)
	want := func(t *kmsg.TopicInfo, n int32) {
		w := StreamsTopic{Name: t.Topic, Partitions: n, Replication: t.ReplicationFactor, Configs: make(map[string]string, len(t.Configs))}
		if w.Replication == 0 {
			w.Replication = -1
		}
		for _, kv := range t.Configs {
			w.Configs[kv.Key] = kv.Value
		}
		wanted[t.Topic] = w
	}
	for i := range c.topology.subs {
		s := &c.topology.subs[i]
		most := int32(0)
		for _, name := range s.SourceTopics {
			most = max(most, c.partitions(topics, name))
		}
		for j := range s.RepartitionSourceTopics {
			r := &s.RepartitionSourceTopics[j]
			most = max(most, c.partitions(topics, r.Topic))
			want(r, c.counts[r.Topic])
			if r.NumPartitions != 0 {
				want(r, r.NumPartitions)
			}
		}
		if most == 0 {
			return badTopology("No source topics found for subtopology %s", s.SubtopologyID)
		}
		c.tasks[s.SubtopologyID] = most
		if total += int(most); total > groupTasksMax {
			return badTopology("The topology has more than %d tasks.", groupTasksMax)
		}
		for j := range s.StateChangelogTopics {
			c.counts[s.StateChangelogTopics[j].Topic] = most
			want(&s.StateChangelogTopics[j], most)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		w := wanted[name]
		switch t, ok := topics.byName(name); {
		case !ok:
			c.missing = append(c.missing, w)
		case t.partitions != w.Partitions:
			return wrong(fmt.Sprintf("Existing topic %s has different number of partitions: expected %d, found %d", name, w.Partitions, t.partitions))
		}
	}
	return nil
}

// decideRepartition decides how many partitions repartition topics have: what the application says, else as many as the subtopology that writes
// them has tasks. It returns those that the application says.
func (c *configured) decideRepartition(topics catalog) (fixed map[string]bool, err error) {
	fixed = make(map[string]bool)
	subs := c.topology.subs
	for i := range subs {
		for _, r := range subs[i].RepartitionSourceTopics {
			if r.NumPartitions != 0 {
				c.counts[r.Topic], fixed[r.Topic] = r.NumPartitions, true
			}
		}
	}
	for again := true; again; {
		again = false
		progress := false
		for i := range subs {
			for _, sink := range subs[i].RepartitionSinkTopics {
				if c.counts[sink] > 0 {
					continue
				}
				n := int32(0)
				for _, r := range subs[i].RepartitionSourceTopics {
					n = max(n, c.counts[r.Topic])
				}
				for _, name := range subs[i].SourceTopics {
					n = max(n, c.partitions(topics, name))
				}
				if n == 0 {
					again = true
					continue
				}
				c.counts[sink], progress = n, true
			}
		}
		if again && !progress {
			return nil, badTopology("Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.")
		}
	}
	for i := range subs {
		for _, r := range subs[i].RepartitionSourceTopics {
			if c.counts[r.Topic] == 0 {
				return nil, badTopology("Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.")
			}
		}
	}
	return fixed, nil
}

// copartition has the topics of a group have the same number of partitions: that of the topics that exist outside of the application, if there are any.
func (c *configured) copartition(topics catalog, s *kmsg.StreamsGroupHeartbeatRequestTopologySubtopology,
	g kmsg.StreamsGroupHeartbeatRequestTopologySubtopologyCopartitionGroup, fixed map[string]bool,
) error {
	inner, outer := make(map[string]int32), make(map[string]int32)
	sort := func(name string) {
		if _, ok := c.counts[name]; ok {
			inner[name] = c.partitions(topics, name)
		} else {
			outer[name] = c.partitions(topics, name)
		}
	}
	for _, i := range g.SourceTopics {
		sort(s.SourceTopics[i])
	}
	for _, i := range g.RepartitionSourceTopics {
		sort(s.RepartitionSourceTopics[i].Topic)
	}
	n := int32(0)
	same := func(of map[string]int32, show map[string]int32) error {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if n == 0 {
				n = of[name]
			}
			if of[name] != n {
				return wrong("Following topics do not have the same number of partitions: [" + javaMap(show) + "]")
			}
		}
		return nil
	}
	switch {
	case len(inner)+len(outer) == 0:
		return nil
	case len(outer) > 0:
		if err := same(outer, outer); err != nil {
			return err
		}
	case len(fixed) > 0:
		all := make(map[string]int32, len(fixed))
		for name := range fixed {
			all[name] = c.partitions(topics, name)
		}
		if err := same(all, inner); err != nil {
			return err
		}
	default:
		for _, k := range inner {
			n = max(n, k)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		c.counts[name] = n
		if fixed[name] && inner[name] != n {
			return wrong(fmt.Sprintf("Number of partitions [%d] of repartition topic [%s] doesn't match number of partitions [%d] of the source topic.", inner[name], name, n))
		}
	}
	return nil
}

// javaMap is the map as Kafka shows it.
func javaMap(m map[string]int32) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s=%d", k, m[k]))
	}
	return "{" + strings.Join(out, ", ") + "}"
}
