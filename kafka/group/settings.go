package group

import (
	"time"

	"weir/kafka/configdef"
)

// Settings are the broker configs that matter to groups. None of them changes while a broker runs.
type Settings struct {
	InitialRebalanceDelay                time.Duration // group.initial.rebalance.delay.ms
	SessionTimeoutMin, SessionTimeoutMax time.Duration
	SizeMax                              int           // group.max.size
	GroupsMax                            int           // of one partition of the offsets topic, beyond which no new one begins; 10,000
	OffsetMetadataMax                    int           // offset.metadata.max.bytes
	CommitTimeout                        time.Duration // offsets.commit.timeout.ms
	OffsetRetention                      time.Duration // offsets.retention.minutes
	RetentionCheck                       time.Duration // offsets.retention.check.interval.ms
	OffsetsPartitions                    int32         // offsets.topic.num.partitions, when the topic is created
	OffsetsReplication                   int16         // offsets.topic.replication.factor, when the topic is created
	OffsetsSegmentBytes                  string        // offsets.topic.segment.bytes, when the topic is created
}

// groupsMax bounds groups: their ids are the clients' choice, and an offset that is committed keeps one for a week.
const groupsMax = 10_000

// SettingsFrom reads server.properties.
func SettingsFrom(properties map[string]string) Settings {
	l := configdef.Layers{Static: properties}
	ms := func(name string) time.Duration { return time.Duration(l.BrokerInt(name)) * time.Millisecond }
	return Settings{
		InitialRebalanceDelay: ms("group.initial.rebalance.delay.ms"),
		SessionTimeoutMin:     ms("group.min.session.timeout.ms"),
		SessionTimeoutMax:     ms("group.max.session.timeout.ms"),
		SizeMax:               int(l.BrokerInt("group.max.size")),
		GroupsMax:             groupsMax,
		OffsetMetadataMax:     int(l.BrokerInt("offset.metadata.max.bytes")),
		CommitTimeout:         ms("offsets.commit.timeout.ms"),
		OffsetRetention:       time.Duration(l.BrokerInt("offsets.retention.minutes")) * time.Minute,
		RetentionCheck:        ms("offsets.retention.check.interval.ms"),
		OffsetsPartitions:     int32(l.BrokerInt("offsets.topic.num.partitions")),
		OffsetsReplication:    int16(l.BrokerInt("offsets.topic.replication.factor")),
		OffsetsSegmentBytes:   l.BrokerString("offsets.topic.segment.bytes"),
	}
}
