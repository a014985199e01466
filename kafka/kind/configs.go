package kind

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// setting says how a config of topics may be set.
type setting struct {
	least, most int64 // if not both are 0, of a number; -1 is then refused unless it is in between
	creation    bool  // only when the topic is made
}

// The largest message and the default retention of a serverless cluster's topics.
const (
	messageBytes   = 8 << 20
	retentionBytes = 250 << 30
)

// Before Kafka 3.6 one config said how far timestamps may be off, since then two do. Serverless has the old one; here it sets both of the new ones.
const (
	timestampDifference = "message.timestamp.difference.max.ms"
	timestampBefore     = "message.timestamp.before.max.ms"
	timestampAfter      = "message.timestamp.after.max.ms"
)

func serverlessTopics() map[string]setting {
	return map[string]setting{
		"cleanup.policy":         {creation: true},
		"compression.type":       {},
		"max.message.bytes":      {least: 0, most: messageBytes},
		timestampBefore:          {},
		timestampAfter:           {},
		"message.timestamp.type": {},
		"retention.bytes":        {},
		"retention.ms":           {},
	}
}

func expressTopics() map[string]setting {
	return map[string]setting{
		"cleanup.policy":         {},
		"compression.type":       {},
		"delete.retention.ms":    {},
		"max.compaction.lag.ms":  {},
		"max.message.bytes":      {},
		timestampBefore:          {},
		timestampAfter:           {},
		"message.timestamp.type": {},
		"min.compaction.lag.ms":  {},
		"retention.bytes":        {},
		"retention.ms":           {},
	}
}

// TopicConfigs are the names of the configs that topics may have, sorted; nil: any.
func (r *Rules) TopicConfigs() []string {
	if r.topics == nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(r.topics))
	if r.oldTimestamps() {
		names = slices.DeleteFunc(names, func(n string) bool { return n == timestampBefore || n == timestampAfter })
		names = append(names, timestampDifference)
		slices.Sort(names)
	}
	return names
}

// oldTimestamps: the service documents the old name only.
func (r *Rules) oldTimestamps() bool { return r.Placed && r.topics != nil }

// Renamed is the configs that stand for name, which is itself but for the serverless one that newer versions of Kafka have split in two.
func (r *Rules) Renamed(name string) []string {
	if name == timestampDifference && r.oldTimestamps() {
		return []string{timestampBefore, timestampAfter}
	}
	return []string{name}
}

// CheckTopic says why a topic may not have the configs after, when it had those before; creating is for a new topic. What was there may stay.
func (r *Rules) CheckTopic(before, after map[string]string, creating bool) error {
	if r.topics == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		value := after[name]
		if old, had := before[name]; had && old == value {
			continue
		}
		s, ok := r.topics[name]
		if !ok {
			return r.notSettable(name)
		}
		if s.creation && !creating && !sameList(before[name], value) {
			return onlyAtCreation(name, before[name])
		}
		if err := s.check(name, value, r.name); err != nil {
			return err
		}
	}
	for name, old := range before {
		if _, stays := after[name]; !stays && r.topics[name].creation && !sameList(old, "") {
			return onlyAtCreation(name, old)
		}
	}
	return nil
}

func (r *Rules) notSettable(name string) error {
	why := ""
	switch {
	case name == "min.insync.replicas" && r.Replication > 0:
		why = " It is always 2."
	case name == "unclean.leader.election.enable":
		why = " It is always false."
	case strings.HasPrefix(name, "segment."):
		why = " Storage is managed by the service, so segments cannot be set."
	}
	return fmt.Errorf("%s cannot be set in %s.%s Topics may have: %s", name, r.name, why, strings.Join(r.TopicConfigs(), ", "))
}

// defaultPolicy is the cleanup.policy of a topic that has none of its own.
const defaultPolicy = "delete"

// sameList reports whether two policies are the same; "" is the default.
func sameList(a, b string) bool {
	parts := func(s string) []string {
		if s == "" {
			s = defaultPolicy
		}
		list := strings.Split(s, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(parts(a), parts(b))
}

func onlyAtCreation(name, is string) error {
	if is == "" {
		is = defaultPolicy
	}
	return fmt.Errorf("%s can only be set when the topic is created in a serverless cluster. It is %s", name, is)
}

func (s setting) check(name, value, where string) error {
	if s.least == 0 && s.most == 0 {
		return nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err == nil && n >= s.least && n <= s.most {
		return nil
	}
	return fmt.Errorf("invalid value %s for %s: it can be %d to %d in %s", value, name, s.least, s.most, where)
}

// dynamic are the configs of brokers that may be changed while they run.
type dynamic struct{ names []string }

func expressBroker() *dynamic {
	return &dynamic{[]string{
		"advertised.listeners", "compression.type", "log.cleaner.delete.retention.ms", "log.cleaner.max.compaction.lag.ms",
		"log.cleaner.min.compaction.lag.ms", "log.cleanup.policy", "log.message.timestamp.after.max.ms", "log.message.timestamp.before.max.ms",
		"log.message.timestamp.type", "log.retention.bytes", "log.retention.ms", "max.connection.creation.rate", "max.connections",
		"max.connections.per.ip", "max.connections.per.ip.overrides", "message.max.bytes", "producer.id.expiration.ms",
	}}
}

// CheckBroker says why that config of brokers may not be changed while they run.
func (r *Rules) CheckBroker(name string) error {
	switch {
	case r.broker == nil || slices.Contains(r.broker.names, name):
		return nil
	case len(r.broker.names) == 0:
		return fmt.Errorf("%s cannot be changed: %s has no configs of brokers", name, r.name)
	}
	return fmt.Errorf("%s cannot be changed dynamically in %s. These can: %s", name, r.name, strings.Join(r.broker.names, ", "))
}
