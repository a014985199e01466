package robustness

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// TestFullDiskIsEasedByDeletion fills the file system of the data directory. Retention and DeleteRecords go on: what they give up makes room for new
// records, without anything else on the disk being removed.
func TestFullDiskIsEasedByDeletion(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		cluster.Unavailable(t, "needs root, to mount a small file system")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for name, ease := range map[string]func(*kadm.Client) error{
		"retention": func(adm *kadm.Client) error {
			_, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.bytes", Value: new("1048576")}}, topic)
			return err
		},
		"DeleteRecords": func(adm *kadm.Client) error {
			ends, err := adm.ListEndOffsets(ctx, topic)
			if err != nil {
				return err
			}
			done, err := adm.DeleteRecords(ctx, ends.Offsets())
			return errors.Join(err, done.Error())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := cluster.ShortDir(t)
			// Metadata take a quarter of it. The journal's newest file, of 128 MiB at most, is not made smaller by what is deleted.
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512m"); err != nil {
				cluster.Unavailable(t, "mount a small file system: %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(dir, 0); err != nil {
					t.Errorf("unmount: %v", err)
				}
			})
			// A broker that is idle for some seconds moves data into containers, which are kept for minutes when nobody needs them any more.
			const storage = "tick=50ms,checkpoint-interval=300ms,retain-interval=300ms,collect-interval=300ms,delete-delay=300ms"
			w := cluster.StartWeir(t, cluster.Options{Dir: dir, Brokers: 1, Storage: storage})
			cl, err := kgo.NewClient(kgo.SeedBrokers(w.Bootstrap()), kgo.DefaultProduceTopic(topic), kgo.RecordRetries(1), kgo.DisableIdempotentWrite(),
				kgo.ProducerBatchCompression(kgo.NoCompression()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cl.Close)
			adm := kadm.NewClient(cl)
			if _, err := adm.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
				t.Fatal(err)
			}
			produce := func() error { return cl.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 256<<10)}).FirstErr() }
			n := 0
			// What else is refused, because the partition is just being opened for example, is another matter.
			for ; !errors.Is(err, kerr.KafkaStorageError) && ctx.Err() == nil; n++ {
				err = produce()
			}
			if !errors.Is(err, kerr.KafkaStorageError) {
				t.Fatalf("with a full disk a producer gets %v, want %v", err, kerr.KafkaStorageError)
			}
			began := time.Now()
			if err := ease(adm); err != nil {
				t.Fatal(err)
			}
			cluster.Eventually(t, time.Minute, produce)
			t.Logf("%d records of 256 KiB before the disk was full; room again after %v", n, time.Since(began).Round(time.Millisecond))
			refused := 0
			for range n / 2 {
				if produce() == nil {
					continue
				}
				refused++
				if err := ease(adm); err != nil {
					t.Fatal(err)
				}
				cluster.Eventually(t, time.Minute, produce)
			}
			t.Logf("%d more records, %d of which waited for room", n/2, refused)
		})
	}
}
