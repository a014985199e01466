package group

import (
	"strconv"
	"strings"
	"time"

	"weir/kafka/configdef"
)

// Settings are the broker configs that matter to groups. None of them changes while a broker runs.
type Settings struct {
	InitialRebalanceDelay                                                        time.Duration // group.initial.rebalance.delay.ms
	SessionTimeoutMin, SessionTimeoutMax                                         time.Duration
	SizeMax                                                                      int           // group.max.size
	GroupsMax                                                                    int           // of one partition of the offsets topic, beyond which no new one begins; 10,000
	OffsetMetadataMax                                                            int           // offset.metadata.max.bytes
	CommitTimeout                                                                time.Duration // offsets.commit.timeout.ms
	OffsetRetention                                                              time.Duration // offsets.retention.minutes
	RetentionCheck                                                               time.Duration // offsets.retention.check.interval.ms
	ConsumerSessionTimeout, ConsumerSessionTimeoutMin, ConsumerSessionTimeoutMax time.Duration // group.consumer.*session.timeout.ms
	ConsumerHeartbeat, ConsumerHeartbeatMin, ConsumerHeartbeatMax                time.Duration // group.consumer.*heartbeat.interval.ms
	ConsumerSizeMax                                                              int           // group.consumer.max.size
	ShareSessionTimeout, ShareSessionTimeoutMin, ShareSessionTimeoutMax          time.Duration // group.share.*session.timeout.ms
	ShareHeartbeat, ShareHeartbeatMin, ShareHeartbeatMax                         time.Duration // group.share.*heartbeat.interval.ms
	ShareSizeMax                                                                 int           // group.share.max.size
	StreamsSessionTimeout, StreamsSessionTimeoutMin, StreamsSessionTimeoutMax    time.Duration // group.streams.*session.timeout.ms
	StreamsHeartbeat, StreamsHeartbeatMin, StreamsHeartbeatMax                   time.Duration // group.streams.*heartbeat.interval.ms
	StreamsInterval, StreamsIntervalMin, StreamsIntervalMax                      time.Duration // group.streams.*assignment.interval.ms
	StreamsInitialDelay                                                          time.Duration // group.streams.initial.rebalance.delay.ms
	StreamsSizeMax                                                               int           // group.streams.max.size
	StreamsStandbys, StreamsStandbysMax                                          int           // group.streams.num.standby.replicas and its bound
	StreamsTags                                                                  string        // group.streams.rack.aware.assignment.tags
	Assignors                                                                    []string      // group.consumer.assignors; the first is the default
	Migration                                                                    string        // group.consumer.migration.policy
	AssignmentInterval                                                           time.Duration // group.consumer.assignment.interval.ms
	// GroupConfig returns the dynamic configs of a group; nil if there are none. It must not block.
	GroupConfig func(group string) map[string]string

	OffsetsPartitions   int32  // offsets.topic.num.partitions, when the topic is created
	OffsetsReplication  int16  // offsets.topic.replication.factor, when the topic is created
	OffsetsSegmentBytes string // offsets.topic.segment.bytes, when the topic is created
}

// groupsMax bounds groups: their ids are the clients' choice, and an offset that is committed keeps one for a week.
const groupsMax = 10_000

// SettingsFrom reads server.properties.
func SettingsFrom(properties map[string]string) Settings {
	l := configdef.Layers{Static: properties}
	ms := func(name string) time.Duration { return time.Duration(l.BrokerInt(name)) * time.Millisecond }
	return Settings{
		InitialRebalanceDelay:     ms("group.initial.rebalance.delay.ms"),
		SessionTimeoutMin:         ms("group.min.session.timeout.ms"),
		SessionTimeoutMax:         ms("group.max.session.timeout.ms"),
		SizeMax:                   int(l.BrokerInt("group.max.size")),
		GroupsMax:                 groupsMax,
		ConsumerSessionTimeout:    ms("group.consumer.session.timeout.ms"),
		ConsumerSessionTimeoutMin: ms("group.consumer.min.session.timeout.ms"),
		ConsumerSessionTimeoutMax: ms("group.consumer.max.session.timeout.ms"),
		ConsumerHeartbeat:         ms("group.consumer.heartbeat.interval.ms"),
		ConsumerHeartbeatMin:      ms("group.consumer.min.heartbeat.interval.ms"),
		ConsumerHeartbeatMax:      ms("group.consumer.max.heartbeat.interval.ms"),
		ConsumerSizeMax:           int(l.BrokerInt("group.consumer.max.size")),
		ShareSessionTimeout:       ms("group.share.session.timeout.ms"),
		ShareSessionTimeoutMin:    ms("group.share.min.session.timeout.ms"),
		ShareSessionTimeoutMax:    ms("group.share.max.session.timeout.ms"),
		ShareHeartbeat:            ms("group.share.heartbeat.interval.ms"),
		ShareHeartbeatMin:         ms("group.share.min.heartbeat.interval.ms"),
		ShareHeartbeatMax:         ms("group.share.max.heartbeat.interval.ms"),
		ShareSizeMax:              int(l.BrokerInt("group.share.max.size")),
		StreamsSessionTimeout:     ms("group.streams.session.timeout.ms"),
		StreamsSessionTimeoutMin:  ms("group.streams.min.session.timeout.ms"),
		StreamsSessionTimeoutMax:  ms("group.streams.max.session.timeout.ms"),
		StreamsHeartbeat:          ms("group.streams.heartbeat.interval.ms"),
		StreamsHeartbeatMin:       ms("group.streams.min.heartbeat.interval.ms"),
		StreamsHeartbeatMax:       ms("group.streams.max.heartbeat.interval.ms"),
		StreamsInterval:           ms("group.streams.assignment.interval.ms"),
		StreamsIntervalMin:        ms("group.streams.min.assignment.interval.ms"),
		StreamsIntervalMax:        ms("group.streams.max.assignment.interval.ms"),
		StreamsInitialDelay:       ms("group.streams.initial.rebalance.delay.ms"),
		StreamsSizeMax:            int(l.BrokerInt("group.streams.max.size")),
		StreamsStandbys:           int(l.BrokerInt("group.streams.num.standby.replicas")),
		StreamsStandbysMax:        int(l.BrokerInt("group.streams.max.standby.replicas")),
		StreamsTags:               l.BrokerString("group.streams.rack.aware.assignment.tags"),
		Assignors:                 assignorNames(l.BrokerString("group.consumer.assignors")),
		Migration:                 l.BrokerString("group.consumer.migration.policy"),
		AssignmentInterval:        ms("group.consumer.assignment.interval.ms"),
		OffsetMetadataMax:         int(l.BrokerInt("offset.metadata.max.bytes")),
		CommitTimeout:             ms("offsets.commit.timeout.ms"),
		OffsetRetention:           time.Duration(l.BrokerInt("offsets.retention.minutes")) * time.Minute,
		RetentionCheck:            ms("offsets.retention.check.interval.ms"),
		OffsetsPartitions:         int32(l.BrokerInt("offsets.topic.num.partitions")),
		OffsetsReplication:        int16(l.BrokerInt("offsets.topic.replication.factor")),
		OffsetsSegmentBytes:       l.BrokerString("offsets.topic.segment.bytes"),
	}
}

// assignorNames are the assignors of a list, by Kafka's short names. There is at least one.
func assignorNames(list string) []string {
	var out []string
	known := assignors()
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); known[name] != nil {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		out = []string{"uniform"}
	}
	return out
}

// groupDuration is a group's own config in milliseconds, within the broker's bounds, or the broker's value.
func (s *Settings) groupDuration(group, name string, broker, least, most time.Duration) time.Duration {
	if s.GroupConfig == nil {
		return broker
	}
	ms, err := strconv.ParseInt(s.GroupConfig(group)[name], 10, 64)
	if err != nil {
		return broker
	}
	return min(max(time.Duration(ms)*time.Millisecond, least), most)
}
