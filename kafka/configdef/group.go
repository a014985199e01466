package configdef

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// groupConfigs must be sorted by name. They can be set for any group, whether it exists or not (KIP-848, KIP-932, KIP-1071). What a group does not set has
// the value of its synonym, a broker config.
var groupConfigs = []Config{
	{Name: "consumer.assignment.interval.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Limit: limited("group.consumer.%s.assignment.interval.ms"), Synonyms: from("group.consumer.assignment.interval.ms"), Effect: "None: the broker's setting holds for all groups.", Doc: "The least time between two assignments of a group of KIP-848."},
	{Name: "consumer.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Limit: limited("group.consumer.%s.heartbeat.interval.ms"), Synonyms: from("group.consumer.heartbeat.interval.ms"), Doc: "How often the members of a group of KIP-848 are told to send heartbeats."},
	{Name: "consumer.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Limit: limited("group.consumer.%s.session.timeout.ms"), Synonyms: from("group.consumer.session.timeout.ms"), Doc: "Time without heartbeat after which a member of a group of KIP-848 is gone."},
	{Name: "errors.deadletterqueue.copy.record.enable", Type: Boolean, Default: "false", Effect: DeadLetters, Doc: "Whether given-up records of a share group are copied whole."},
	{Name: "errors.deadletterqueue.topic.name", Type: String, Default: "", Effect: DeadLetters, Doc: "The topic of given-up records of a share group; empty is none."},
	{Name: "share.assignment.interval.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Limit: limited("group.share.%s.assignment.interval.ms"), Synonyms: from("group.share.assignment.interval.ms"), Effect: AssignmentInterval, Doc: "The least time between two assignments of a share group."},
	{Name: "share.auto.offset.reset", Type: String, Default: "latest", Check: checkReset, Doc: "Where a share group begins in a partition: earliest, latest, or by_duration: with an ISO 8601 duration."},
	{Name: "share.delivery.count.limit", Type: Int, Default: "5", Bounds: atLeast(2), Limit: limited("group.share.%s.delivery.count.limit"), Synonyms: from("group.share.delivery.count.limit"), Doc: "How often a record is delivered at most."},
	{Name: "share.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Limit: limited("group.share.%s.heartbeat.interval.ms"), Synonyms: from("group.share.heartbeat.interval.ms"), Doc: "How often the members of a share group are told to send heartbeats."},
	{Name: "share.isolation.level", Type: String, Default: "read_uncommitted", OneOf: []string{"read_committed", "read_uncommitted"}, Doc: "Whether a share group gets records of transactions before they are committed."},
	{Name: "share.partition.max.record.locks", Type: Int, Default: "2000", Bounds: atLeast(100), Limit: limited("group.share.%s.partition.max.record.locks"), Synonyms: from("group.share.partition.max.record.locks"), Doc: "The most records of a partition that are acquired or to be delivered again."},
	{Name: "share.record.lock.duration.ms", Type: Int, Default: "30000", Bounds: atLeast(1000), Limit: limited("group.share.%s.record.lock.duration.ms"), Synonyms: from("group.share.record.lock.duration.ms"), Doc: "How long a member has to acknowledge a record."},
	{Name: "share.renew.acknowledge.enable", Type: Boolean, Default: "true", Doc: "Whether members may ask for more time for a record."},
	{Name: "share.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Limit: limited("group.share.%s.session.timeout.ms"), Synonyms: from("group.share.session.timeout.ms"), Doc: "Time without heartbeat after which a member of a share group is gone."},
	{Name: "streams.assignment.interval.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Limit: limited("group.streams.%s.assignment.interval.ms"), Synonyms: from("group.streams.assignment.interval.ms"), Doc: "The least time between two assignments of a streams group."},
	{Name: "streams.assignor.name", Type: String, Default: "sticky", Limit: Limit{Among: "group.streams.assignors"}, Synonyms: from("group.streams.assignors"), Doc: "The assignor of a streams group."},
	{Name: "streams.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Limit: limited("group.streams.%s.heartbeat.interval.ms"), Synonyms: from("group.streams.heartbeat.interval.ms"), Doc: "How often the members of a streams group are told to send heartbeats."},
	{Name: "streams.initial.rebalance.delay.ms", Type: Int, Default: "3000", Bounds: atLeast(0), Synonyms: from("group.streams.initial.rebalance.delay.ms"), Effect: StreamsDelay, Doc: "How long a new streams group waits for more members."},
	{Name: "streams.num.standby.replicas", Type: Int, Default: "0", Bounds: atLeast(0), Limit: Limit{Max: "group.streams.max.standby.replicas"}, Synonyms: from("group.streams.num.standby.replicas"), Doc: "Copies of each task's state beside the active one."},
	{Name: "streams.rack.aware.assignment.tags", Type: List, Default: "", Synonyms: from("group.streams.rack.aware.assignment.tags"), Effect: StreamsTags, Doc: "Tags of clients over which copies of a task's state are spread."},
	{Name: "streams.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Limit: limited("group.streams.%s.session.timeout.ms"), Synonyms: from("group.streams.session.timeout.ms"), Doc: "Time without heartbeat after which a member of a streams group is gone."},
}

// Limit names the broker configs that bound what a group may set: numbers, or the list of the values there are.
type Limit struct{ Min, Max, Among string }

func limited(pattern string) Limit {
	return Limit{Min: fmt.Sprintf(pattern, "min"), Max: fmt.Sprintf(pattern, "max")}
}

// Group returns the group config of that name.
func Group(name string) (*Config, bool) { return find(groupConfigs, name) }

// Groups returns all group configs, sorted by name.
func Groups() []Config { return groupConfigs }

// ValidateGroup checks the configs of a group against each other and against what the brokers allow. l has the broker's configs; its Group is not used.
func (l Layers) ValidateGroup(configs map[string]string) error {
	names := slices.Sorted(maps.Keys(configs))
	for _, n := range names {
		if _, ok := Group(n); !ok {
			return fmt.Errorf("Unknown group config name: %s", n) //nolint:staticcheck // sent to clients as Kafka writes it
		}
	}
	for _, n := range names {
		c, _ := Group(n)
		if err := c.Validate(configs[n]); err != nil {
			return err
		}
	}
	for _, n := range names {
		c, _ := Group(n)
		if err := l.withinLimit(c, strings.TrimSpace(configs[n])); err != nil {
			return err
		}
	}
	l.Group = configs
	for _, kind := range []string{"consumer", "share", "streams"} {
		session, heartbeat := kind+".session.timeout.ms", kind+".heartbeat.interval.ms"
		_, sessionSet := configs[session]
		_, heartbeatSet := configs[heartbeat]
		if (sessionSet || heartbeatSet) && l.GroupInt(session) <= l.GroupInt(heartbeat) {
			return fmt.Errorf("%s must be greater than %s", session, heartbeat)
		}
	}
	return nil
}

func (l Layers) withinLimit(c *Config, v string) error {
	n, _ := strconv.ParseInt(v, 10, 64) // it is a number if there are limits
	switch lim := c.Limit; {
	case lim.Min != "":
		if lo, hi := l.BrokerInt(lim.Min), l.BrokerInt(lim.Max); n < lo || n > hi {
			return fmt.Errorf("%s must be in the range %d to %d inclusive.", c.Name, lo, hi) //nolint:staticcheck // as above
		}
	case lim.Max != "":
		if hi := l.BrokerInt(lim.Max); n > hi {
			return fmt.Errorf("%s must be less than or equal to %d", c.Name, hi)
		}
	case lim.Among != "":
		if among := SplitList(l.BrokerString(lim.Among)); !slices.Contains(among, v) {
			return fmt.Errorf("%s '%s' is not a registered task assignor. Registered assignors are: [%s].", c.Name, v, strings.Join(among, ", ")) //nolint:staticcheck // as above
		}
	}
	return nil
}

// groupEntry resolves a group config: the group itself, then the broker config that is its default.
func (l Layers) groupEntry(c *Config) Entry {
	var cs []Candidate
	if v, ok := l.Group[c.Name]; ok {
		cs = append(cs, Candidate{Name: c.Name, Value: v, Source: GroupConfig, factor: 1})
	}
	cs = append(cs, l.brokerCandidates(c.Synonyms)...)
	if c.Synonyms == nil {
		cs = append(cs, Candidate{Name: c.Name, Value: c.Default, Source: DefaultConfig, factor: 1})
	}
	return Entry{Config: c, Candidates: cs, Value: cs[0].Value, Source: cs[0].Source}
}

// DescribeGroup returns all group configs with their values.
func (l Layers) DescribeGroup() []Entry {
	es := make([]Entry, len(groupConfigs))
	for i := range groupConfigs {
		es[i] = l.groupEntry(&groupConfigs[i])
	}
	return es
}

// GroupString is the value of a group config that holds for the group: what it set, as long as the brokers allow it, else the broker's default. An
// unknown name is a bug and panics.
func (l Layers) GroupString(name string) string {
	c, ok := Group(name)
	if !ok {
		panic("configdef: no group config " + name)
	}
	v := strings.TrimSpace(l.groupEntry(c).Value)
	if c.Limit.Among != "" {
		among := SplitList(l.BrokerString(c.Limit.Among))
		if _, set := l.Group[name]; !set || !slices.Contains(among, v) {
			return among[0]
		}
	}
	return v
}

// GroupInt is the value of a numeric group config that holds for the group. A value outside of limits that the brokers got after it was set counts as
// the nearest one inside.
func (l Layers) GroupInt(name string) int64 {
	c, ok := Group(name)
	if !ok {
		panic("configdef: no group config " + name)
	}
	n, err := strconv.ParseInt(l.GroupString(name), 10, 64)
	if err != nil {
		n, _ = strconv.ParseInt(c.Default, 10, 64)
	}
	if _, set := l.Group[name]; !set {
		return n
	}
	if c.Limit.Max != "" {
		n = min(n, l.BrokerInt(c.Limit.Max))
	}
	if c.Limit.Min != "" {
		n = max(n, l.BrokerInt(c.Limit.Min))
	}
	return n
}

// GroupBool is the value of a boolean group config.
func (l Layers) GroupBool(name string) bool { return strings.EqualFold(l.GroupString(name), "true") }

const byDuration = "by_duration:"

// checkReset checks a value of share.auto.offset.reset.
func checkReset(c *Config, v string) error {
	if v == "earliest" || v == "latest" {
		return nil
	}
	if d, ok := strings.CutPrefix(v, byDuration); ok {
		if _, err := ParseDuration(d); err == nil {
			return nil
		}
	}
	return fmt.Errorf("Invalid value `%s` for configuration %s. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.", v, c.Name) //nolint:staticcheck // as above
}

// ResetDuration is the duration of a valid value of share.auto.offset.reset; ok is false if it names none.
func ResetDuration(v string) (d time.Duration, ok bool) {
	s, ok := strings.CutPrefix(strings.TrimSpace(v), byDuration)
	if !ok {
		return 0, false
	}
	d, err := ParseDuration(s)
	return d, err == nil
}
