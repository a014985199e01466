package broker

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

// The volume of a broker is a quota of what it keeps on its disk: how large it is stands in the cluster's settings, so that a larger one holds as soon as
// its record is seen. Records of users are refused a little before its end, which leaves room for what groups and transactions write: they are not
// refused, so that consumers can go on, and drain it.

// volumeLevels are the shares of a volume in percent from which on somebody should act: the log says so once on the way up. The last level, a
// volume that takes no more records, has no share of its own.
var volumeLevels = [...]int64{60, 80} //nolint:gochecknoglobals // a table

const (
	levelFull  = len(volumeLevels) + 1
	levelSlack = 2 // percent below a level at which it is left again
)

// volume is how full the broker's volume is.
type volume struct {
	used  atomic.Int64 // as measured last
	since atomic.Int64 // bytes of records taken since

	mu    sync.Mutex
	level int // that the log told of: 0, 1 and 2 for volumeLevels, levelFull
}

// MeasureVolume takes note of how much of its disk the broker uses. What is taken while measure runs may count twice until the next time; what was taken
// before, and is not durable yet, not at all, which is no more than the budget of produce requests.
func (b *Broker) MeasureVolume(measure func() int64) {
	v := &b.pressure.volume
	v.mu.Lock()
	defer v.mu.Unlock()
	v.since.Store(0)
	v.used.Store(measure())
	b.tellVolumeLocked()
}

// volumeSize is how large the broker's volume is; zero: without a limit of its own.
func volumeSize(img *image.Image) int64 {
	if s := img.Settings(); s != nil {
		return s.VolumeBytes
	}
	return 0
}

// take says why the volume has no room for so many bytes of records, or counts them.
func (v *volume) take(img *image.Image, bytes int64) error {
	size := volumeSize(img)
	if size <= 0 {
		return nil
	}
	used := v.used.Load() + v.since.Load()
	if used+bytes <= metadata.VolumeWall(size) {
		v.since.Add(bytes)
		return nil
	}
	return fmt.Errorf("the broker's volume of %s has no room: %s are used, and records may fill %s of it; make the volume larger, or delete data: %w",
		gibibytes(size), gibibytes(used), gibibytes(metadata.VolumeWall(size)), kerr.KafkaStorageError)
}

func gibibytes(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}

// tellVolumeLocked shows how full the volume is, in metrics always and in the log when it comes to a level or leaves one.
func (b *Broker) tellVolumeLocked() {
	v, size, used := &b.pressure.volume, volumeSize(b.image.Current()), b.pressure.volume.used.Load()
	b.metrics.volumeUsed.Set(float64(used))
	b.metrics.volumeLimit.Set(float64(size))
	before := v.level
	v.level = volumeLevel(before, used, size)
	b.metrics.volumeLevel.Set(float64(v.level))
	switch now := v.level; {
	case now == before:
	case now < before:
		b.log.Info("volume has room again", "bytes", used, "limit_bytes", size)
	case now == levelFull:
		b.log.Error("volume is full: records are refused until it is made larger or data are deleted", "bytes", used, "limit_bytes", size)
	default:
		b.log.Warn("volume fills: make it larger, or keep less", "bytes", used, "limit_bytes", size, "percent", volumeLevels[now-1])
	}
}

// volumeLevel is the level of a volume that was at another one before.
func volumeLevel(before int, used, size int64) (level int) {
	if size <= 0 {
		return 0
	}
	reached := func(level int, from int64) bool {
		if level <= before {
			from -= size / 100 * levelSlack
		}
		return used >= from
	}
	for i, percent := range volumeLevels {
		if reached(i+1, size/100*percent) {
			level = i + 1
		}
	}
	if reached(levelFull, metadata.VolumeWall(size)) {
		level = levelFull
	}
	return level
}
