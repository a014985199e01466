package robustness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// TestFullDiskRefusesAndRecovers fills the file system of the data directory: producers get KAFKA_STORAGE_ERROR, what was acknowledged stays
// readable, the APIs answer, and once there is room again records go in without a restart.
func TestFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		cluster.Unavailable(t, "needs root, to mount a small file system")
	}
	dir := cluster.ShortDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256m"); err != nil {
		cluster.Unavailable(t, "mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w := cluster.StartWeir(t, cluster.Options{Dir: dir})
	bootstrap := strings.Split(w.Bootstrap(), ",")
	createTopic(t, w, bootstrap)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	l := newLoad()
	n := 0
	// produce sends one record of 64 KiB to each partition and returns the errors of those that were refused.
	produce := func(cl *kgo.Client) error {
		var refused error
		for p := range int32(partitions) {
			value := make([]byte, 64<<10)
			rand.Read(value)
			r := &kgo.Record{Topic: topic, Partition: p, Key: fmt.Appendf(nil, "0/%d", n), Value: value}
			n++
			cl.Produce(ctx, r, func(r *kgo.Record, err error) {
				if err != nil {
					refused = errors.Join(refused, err)
					return
				}
				l.ack(string(r.Key), place{r.Partition, r.Offset})
			})
		}
		if err := cl.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		return refused
	}
	client := func() *kgo.Client {
		t.Helper()
		cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordRetries(3),
			kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }), kgo.DisableIdempotentWrite(),
			kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	cl := client()
	var refused error
	// What else is refused, because a partition is just being opened for example, is another matter.
	for !errors.Is(refused, kerr.KafkaStorageError) && ctx.Err() == nil {
		refused = produce(cl)
	}
	if !errors.Is(refused, kerr.KafkaStorageError) {
		t.Errorf("with a full disk a producer gets %v, want %v", refused, kerr.KafkaStorageError)
	}
	before := len(l.acked)
	t.Logf("%d records of 64 KiB acknowledged before the disk was full", before)
	l.report(t, l.seeAll(readBack(t, bootstrap)))
	if got := w.Command(t, "status"); !strings.Contains(got, "ACTIVE") {
		t.Errorf("weir status with a full disk:\n%s", got)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, time.Minute, func() error { return produce(cl) })
	l.report(t, l.seeAll(readBack(t, bootstrap)))
	if len(l.acked) < before+partitions {
		t.Errorf("%d records acknowledged after there was room again", len(l.acked)-before)
	}
	if pids := w.Brokers(); len(pids) != 3 {
		t.Errorf("%d broker processes run, want 3", len(pids))
	}
}

// seeAll counts what a read back gave as read: nothing follows these producers.
func (l *load) seeAll(log map[place]string) map[place]string {
	for at, value := range log {
		l.see(at, value)
	}
	return log
}
