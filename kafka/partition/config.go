package partition

import "math"

// LogConfig holds the topic configs that matter to a partition's log.
type LogConfig struct {
	MaxMessageBytes   int   // max.message.bytes, of a whole batch; 0 is no limit
	LogAppendTime     bool  // message.timestamp.type
	TimestampBeforeMs int64 // message.timestamp.before.max.ms; not used with LogAppendTime
	TimestampAfterMs  int64 // message.timestamp.after.max.ms; not used with LogAppendTime
	Compacted         bool  // cleanup.policy names compact: records need keys
}

// DefaultLogConfig is what Kafka 4 does without any config.
func DefaultLogConfig() LogConfig {
	return LogConfig{MaxMessageBytes: 1_048_588, TimestampBeforeMs: math.MaxInt64, TimestampAfterMs: 3_600_000}
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
