package ownership

import "sync/atomic"

// MoveStats counts what the broker did about partitions that move.
type MoveStats struct {
	Copying   int64 // partitions that are being copied to this broker
	TakenOver int64 // that it leads since it copied them
	Forgotten int64 // that it led before others took them over, and whose data it let go
	TakenBack int64 // that it had handed over to a broker that did not take them
	Failed    int64 // attempts at any of it that failed and are made again
	Copied    int64 // bytes
}

// moveCounts are what MoveStats shows.
type moveCounts struct {
	copying, takenOver, forgotten, takenBack, failed, copied atomic.Int64
}

// MoveStats says what the broker did about partitions that move.
func (o *Owner) MoveStats() MoveStats {
	c := &o.follow.counts
	return MoveStats{
		Copying: c.copying.Load(), TakenOver: c.takenOver.Load(), Forgotten: c.forgotten.Load(), TakenBack: c.takenBack.Load(), Failed: c.failed.Load(),
		Copied: c.copied.Load(),
	}
}
