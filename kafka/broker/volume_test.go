package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// A volume that fills: users' records are refused before its end with what to do, groups and consumers go on, and more room counts at once.
func TestProducersFeelTheVolume(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	produce := func() kmsg.ProduceResponseTopicPartition {
		t.Helper()
		return ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", topic.ID, records(1, 10))).Topics[0].Partitions[0]
	}
	size := int64(0)
	number := int64(0)
	resize := func(bytes int64) {
		number++
		size = bytes
		r.wants(metadata.Settings{Number: number, VolumeBytes: bytes})
	}
	use := func(percent int64) {
		b.MeasureVolume(func() int64 { return size / 100 * percent })
	}

	b.MeasureVolume(func() int64 { return 1 << 50 })
	if got := produce(); got.ErrorCode != 0 {
		t.Fatalf("without a limit: %+v", got)
	}
	resize(1 << 20)
	for _, s := range []struct {
		percent int64
		level   int
		code    int16
	}{{59, 0, 0}, {60, 1, 0}, {59, 1, 0}, {57, 0, 0}, {80, 2, 0}, {94, 2, 0}, {96, 3, kerr.KafkaStorageError.Code}, {300, 3, kerr.KafkaStorageError.Code}, {79, 2, 0}, {10, 0, 0}} {
		use(s.percent)
		if got := produce(); got.ErrorCode != s.code {
			t.Errorf("at %d %%: %+v", s.percent, got)
		}
		if got := gauge(b.metrics.volumeLevel); got != s.level {
			t.Errorf("at %d %%: level %d, want %d", s.percent, got, s.level)
		}
	}
	use(100)
	got := produce()
	if got.ErrorMessage == nil || !strings.Contains(*got.ErrorMessage, "the broker's volume of 1.0 MiB has no room") {
		t.Errorf("refused with %+v", got)
	}
	refused := counter(b.metrics.volumeRefused)
	if refused != 3 {
		t.Errorf("%d requests were counted as refused", refused)
	}
	if got := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", topic.ID, 1, 0)); got.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("fetch: %+v", got)
	}
	join := kmsg.NewPtrFindCoordinatorRequest()
	join.Version, join.CoordinatorKeys = 4, []string{"g"}
	r.await("the group's partition is made and open", func() bool {
		return ask[*kmsg.FindCoordinatorResponse](r, b, join).Coordinators[0].ErrorCode == 0
	})
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 8, "g", -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}
	r.await("the group commits", func() bool {
		return ask[*kmsg.OffsetCommitResponse](r, b, commit).Topics[0].Partitions[0].ErrorCode == 0
	})

	resize(2 << 20) // without another look at the disk
	if got := produce(); got.ErrorCode != 0 {
		t.Errorf("after the volume grew: %+v", got)
	}
	resize(1 << 19) // smaller than what is used
	if got := produce(); got.ErrorCode != kerr.KafkaStorageError.Code {
		t.Errorf("after the volume shrank: %+v", got)
	}
	resize(0)
	if got := produce(); got.ErrorCode != 0 {
		t.Errorf("after the limit went: %+v", got)
	}
}

// What is taken between two looks at the disk counts.
func TestVolumeIsNotOverrunBetweenLooks(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	r.wants(metadata.Settings{Number: 1, VolumeBytes: 100_000})
	b.MeasureVolume(func() int64 { return 50_000 })
	taken := 0
	for range 100 {
		out := ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", topic.ID, records(1, 5_000))).Topics[0].Partitions[0]
		if out.ErrorCode != 0 {
			break
		}
		taken++
	}
	if taken != 8 { // 95,000 may be used
		t.Errorf("%d batches of 5 kB were taken", taken)
	}
}

func TestWall(t *testing.T) {
	for size, want := range map[int64]int64{100: 95, 1 << 30: 1<<30 - 1<<30/20, 100 << 30: 98 << 30} {
		if got := metadata.VolumeWall(size); got != want {
			t.Errorf("of %d: %d, want %d", size, got, want)
		}
	}
}
