package tier

import "time"

// Config says when the tiers do what. A field that is zero means its default; a negative trigger never fires, a negative limit does not limit.
type Config struct {
	// A checkpoint bounds what a restart replays.
	CheckpointBytes    int64         // appended to the journal since the last one; 256 MiB
	CheckpointInterval time.Duration // since something changed; 30 s

	// A flush moves data from the journal into bundles and segments.
	FlushBytes     int64         // that the journal keeps for data not flushed yet; 2 GiB
	FlushAge       time.Duration // of the oldest data in the journal; 10 min
	FlushExtents   int64         // memory of extents, bytes; 16 MiB
	FlushIdle      time.Duration // without an append, when FlushIdleBytes wait; 5 s
	FlushIdleBytes int64         // 64 MiB
	UnitFiles      int           // journal files that one flush empties; 2
	UnitBytes      int64         // the same in bytes, but at least one file; 256 MiB
	JournalLimit   int64         // what the journal may take at all: from half of it on, flushing goes first and at full speed; 10 GiB
	BundleBytes    int64         // of one bundle, at least one chunk; 64 MiB
	OwnBytes       int64         // of a partition in a flush, from which on it gets a segment of its own; 8 MiB

	// Promotion moves a partition's data from bundles into its own segment.
	PromoteBytes  int64         // in bundles; 64 MiB
	PromoteAge    time.Duration // of its oldest chunk in a bundle; 60 min
	PromoteChunks int           // in bundles; 512
	TinyBytes     int64         // less than this gets a chunk in a newer bundle instead of a segment; 1 MiB
	SparsePercent int           // of a bundle in use, below which what is left moves out of it; 50

	// Merging makes few large pieces of many small ones.
	MergeCount   int   // pieces that are merged at least; 4
	SegmentBytes int64 // no segment grows larger by merging, nor than segment.bytes; 1 GiB

	RetainInterval  time.Duration // 30 s
	ClockJump       time.Duration // how far the wall clock may run ahead of the time that passed, before retention holds back; 1 h
	ClockHold       time.Duration // how long it holds back; 6 h
	CollectInterval time.Duration // 1 min
	DeleteDelay     time.Duration // how long a container stays that nobody refers to, where no topic says otherwise; 60 s
	ScrubInterval   time.Duration // for one pass over everything; 7 days
	ScrubBytes      int64         // read by it in a second at most; 8 MiB

	ReadBack   bool          // verify each container before partitions refer to it, and write a damaged one anew; false
	BusyBytes  int64         // written in a second at most while appends are in flight; 64 MiB
	Tick       time.Duration // how often triggers are looked at; 500 ms
	RetryAfter time.Duration // after a failure, doubling up to a minute; 1 s
	StuckAfter time.Duration // until data of a partition that could not be moved are tried again; 10 min
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *int64
		value int64
	}{
		{&c.CheckpointBytes, 256 << 20},
		{&c.FlushBytes, 2 << 30},
		{&c.FlushExtents, 16 << 20},
		{&c.FlushIdleBytes, 64 << 20},
		{&c.UnitBytes, 256 << 20},
		{&c.JournalLimit, 10 << 30},
		{&c.BundleBytes, 64 << 20},
		{&c.OwnBytes, 8 << 20},
		{&c.PromoteBytes, 64 << 20},
		{&c.TinyBytes, 1 << 20},
		{&c.SegmentBytes, 1 << 30},
		{&c.ScrubBytes, 8 << 20},
		{&c.BusyBytes, 64 << 20},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.CheckpointInterval, 30 * time.Second},
		{&c.FlushAge, 10 * time.Minute},
		{&c.FlushIdle, 5 * time.Second},
		{&c.PromoteAge, time.Hour},
		{&c.RetainInterval, 30 * time.Second},
		{&c.ClockJump, time.Hour},
		{&c.ClockHold, 6 * time.Hour},
		{&c.CollectInterval, time.Minute},
		{&c.DeleteDelay, time.Minute},
		{&c.ScrubInterval, 7 * 24 * time.Hour},
		{&c.Tick, 500 * time.Millisecond},
		{&c.RetryAfter, time.Second},
		{&c.StuckAfter, 10 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&c.UnitFiles, 2}, {&c.PromoteChunks, 512}, {&c.SparsePercent, 50}, {&c.MergeCount, 4}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	c.Tick = max(c.Tick, time.Millisecond)
	c.RetryAfter = max(c.RetryAfter, time.Millisecond)
	c.MergeCount = max(c.MergeCount, 2)
}

// due reports whether a trigger fires.
func due[T ~int | ~int64](value, trigger T) bool { return trigger >= 0 && value >= trigger }
