package partition

import (
	"math"
	"strconv"
	"testing"
	"time"

	"weir/kafka/configdef"
	"weir/storage/stream"
	"weir/storage/tier"
)

func TestPolicyIsWhatTheConfigsSay(t *testing.T) {
	const maxLong = "9223372036854775807"
	defaults := DefaultLogConfig()
	want := LogConfig{
		MaxMessageBytes: 1_048_588, TimestampBeforeMs: math.MaxInt64, TimestampAfterMs: 3_600_000,
		Policy: tier.Policy{
			Delete: true, RetentionTime: 7 * 24 * time.Hour, RetentionBytes: -1, SegmentBytes: 1 << 30, SegmentTime: 7 * 24 * time.Hour,
			MinCleanableRatio: 0.5, MaxCompactionLag: -1, DeleteRetention: 24 * time.Hour, FileDeleteDelay: time.Minute, MaxBatchBytes: 1_048_588,
		},
	}
	if defaults != want {
		t.Errorf("defaults:\n got %+v\nwant %+v", defaults, want)
	}
	tests := []struct {
		name, value string
		change      func(*LogConfig)
	}{
		{"cleanup.policy", "compact", func(c *LogConfig) { c.Policy.Delete, c.Policy.Compact = false, true }},
		{"cleanup.policy", "compact, delete", func(c *LogConfig) { c.Policy.Compact = true }},
		{"cleanup.policy", "", func(c *LogConfig) { c.Policy.Delete = false }},
		{"retention.ms", "-1", func(c *LogConfig) { c.Policy.RetentionTime = -1 }},
		{"retention.ms", "0", func(c *LogConfig) { c.Policy.RetentionTime = 0 }},
		{"retention.ms", maxLong, func(c *LogConfig) { c.Policy.RetentionTime = -1 }},
		{"retention.bytes", "-7", func(*LogConfig) {}},
		{"retention.bytes", "1000", func(c *LogConfig) { c.Policy.RetentionBytes = 1000 }},
		{"segment.bytes", "1048576", func(c *LogConfig) { c.Policy.SegmentBytes = 1 << 20 }},
		{"segment.ms", maxLong, func(c *LogConfig) { c.Policy.SegmentTime = millis(math.MaxInt64) }},
		{"segment.jitter.ms", "5", func(c *LogConfig) { c.SegmentJitter = 5 * time.Millisecond }},
		{"min.cleanable.dirty.ratio", "0.01", func(c *LogConfig) { c.Policy.MinCleanableRatio = 0.01 }},
		{"min.compaction.lag.ms", "7", func(c *LogConfig) { c.Policy.MinCompactionLag = 7 * time.Millisecond }},
		{"max.compaction.lag.ms", "9", func(c *LogConfig) { c.Policy.MaxCompactionLag = 9 * time.Millisecond }},
		{"delete.retention.ms", "0", func(c *LogConfig) { c.Policy.DeleteRetention = 0 }},
		{"file.delete.delay.ms", "1", func(c *LogConfig) { c.Policy.FileDeleteDelay = time.Millisecond }},
		{"max.message.bytes", "10", func(c *LogConfig) { c.MaxMessageBytes, c.Policy.MaxBatchBytes = 10, 10 }},
	}
	for _, tt := range tests {
		want := defaults
		tt.change(&want)
		if got := ConfigFrom(configdef.Layers{Topic: map[string]string{tt.name: tt.value}}); got != want {
			t.Errorf("%s=%s:\n got %+v\nwant %+v", tt.name, tt.value, got, want)
		}
	}
	if millis(math.MaxInt64) <= 0 {
		t.Error("the longest time is not positive")
	}
}

func TestSegmentJitterSpreadsPartitions(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	c := ConfigFrom(configdef.Layers{Topic: map[string]string{
		"segment.ms": strconv.Itoa(3_600_000), "segment.jitter.ms": strconv.Itoa(600_000),
	}})
	seen := make(map[time.Duration]bool)
	for i := range int32(100) {
		p := r.open(key(i), 0, nil)
		p.Configure(&c)
		got := p.Policy().SegmentTime
		if got <= 50*time.Minute || got > time.Hour {
			t.Errorf("partition %d: %v", i, got)
		}
		if got != p.Policy().SegmentTime {
			t.Errorf("partition %d: it changes", i)
		}
		seen[got] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 partitions have %d different times", len(seen))
	}
}
