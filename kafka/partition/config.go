package partition

import (
	"math"
	"slices"
	"time"

	"weir/kafka/configdef"
	"weir/storage/tier"
)

// LogConfig holds the topic configs that matter to a partition's log. It is comparable.
type LogConfig struct {
	MaxMessageBytes   int   // max.message.bytes, of a whole batch; 0 is no limit
	LogAppendTime     bool  // message.timestamp.type
	TimestampBeforeMs int64 // message.timestamp.before.max.ms; not used with LogAppendTime
	TimestampAfterMs  int64 // message.timestamp.after.max.ms; not used with LogAppendTime

	Compression Compression

	Policy        tier.Policy   // what becomes of the data; if it names compact, records need keys
	SegmentJitter time.Duration // segment.jitter.ms: the most that a partition's Policy takes off SegmentTime
}

// DefaultLogConfig is what Kafka 4 does without any config.
func DefaultLogConfig() LogConfig { return ConfigFrom(configdef.Layers{}) }

// ConfigFrom resolves a topic's configs.
func ConfigFrom(l configdef.Layers) LogConfig {
	policies := configdef.SplitList(l.TopicString("cleanup.policy"))
	c := LogConfig{
		MaxMessageBytes:   int(l.TopicInt("max.message.bytes")),
		LogAppendTime:     l.TopicString("message.timestamp.type") == "LogAppendTime",
		TimestampBeforeMs: l.TopicInt("message.timestamp.before.max.ms"),
		TimestampAfterMs:  l.TopicInt("message.timestamp.after.max.ms"),
		Compression:       compressionFrom(l),
		Policy: tier.Policy{
			Delete:            slices.Contains(policies, "delete"),
			Compact:           slices.Contains(policies, "compact"),
			RetentionTime:     limit(l.TopicInt("retention.ms")),
			RetentionBytes:    max(l.TopicInt("retention.bytes"), -1),
			SegmentBytes:      l.TopicInt("segment.bytes"),
			SegmentTime:       millis(l.TopicInt("segment.ms")),
			MinCleanableRatio: l.TopicFloat("min.cleanable.dirty.ratio"),
			MinCompactionLag:  millis(l.TopicInt("min.compaction.lag.ms")),
			MaxCompactionLag:  limit(l.TopicInt("max.compaction.lag.ms")),
			DeleteRetention:   millis(l.TopicInt("delete.retention.ms")),
			FileDeleteDelay:   millis(l.TopicInt("file.delete.delay.ms")),
		},
		SegmentJitter: millis(l.TopicInt("segment.jitter.ms")),
	}
	c.Policy.MaxBatchBytes = c.MaxMessageBytes
	return c
}

// millisMax is the longest time that a Duration holds: 292 years.
const millisMax = math.MaxInt64 / int64(time.Millisecond)

// millis is ms as a Duration, the longest there is if it is more than that.
func millis(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), millisMax)) * time.Millisecond
}

// limit is millis for a time without a limit, which is negative.
func limit(ms int64) time.Duration {
	if ms < 0 || ms > millisMax {
		return -1
	}
	return millis(ms)
}

// window returns the range of timestamps that batches may have now.
func (c *LogConfig) window(nowMs int64) (from, to int64) {
	if c.LogAppendTime {
		return 0, 0 // not bounded
	}
	from, to = math.MinInt64, math.MaxInt64
	if c.TimestampBeforeMs <= nowMs { // nothing lies further back than 1970
		from = nowMs - c.TimestampBeforeMs
	}
	if c.TimestampAfterMs <= math.MaxInt64-nowMs {
		to = nowMs + c.TimestampAfterMs
	}
	return from, to
}
