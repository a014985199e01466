package ownership_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/metadata/etcd"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/disk"
	"weir/storage/tier"
)

// start is a broker on real parts.
func start(b *testing.B, store metadata.Store, fs disk.FS, id metadata.BrokerID) (o *ownership.Owner, stop func()) {
	b.Helper()
	return startWith(b, store, fs, id, tier.Config{})
}

func startWith(b *testing.B, store metadata.Store, fs disk.FS, id metadata.BrokerID, tiers tier.Config) (o *ownership.Owner, stop func()) {
	b.Helper()
	img := image.New(store, "bench")
	ctx, cancel := context.WithCancel(context.Background())
	images, runs := make(chan error, 1), make(chan error, 1)
	go func() { images <- img.Run(ctx) }()
	log := slog.New(slog.DiscardHandler)
	o, err := ownership.Acquire(ctx, ownership.Config{Cluster: "bench", Broker: id, Tier: tiers}, ownership.Deps{
		Log: log, Store: store, Image: img, Disk: fs, Pool: buffer.NewPool(16 << 20),
	})
	if err != nil {
		b.Fatal(err)
	}
	go func() { runs <- o.Run(ctx) }()
	return o, func() {
		cancel()
		<-images
		if err := <-runs; err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkStartOnEtcd is from nothing to Session.Ready, for a broker without and with a past.
func BenchmarkStartOnEtcd(b *testing.B) {
	dir, err := os.MkdirTemp("", "weir") // a socket's path must be short
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server, err := etcd.Start(b.Context(), etcd.Config{Dir: filepath.Join(dir, "etcd"), Socket: filepath.Join(dir, "s"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	id := metadata.BrokerID(0)
	b.Run("empty", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			id++
			fs := disk.OS(b.TempDir())
			b.StartTimer()
			o, stop := start(b, server.Store(), fs, id)
			if err := o.MarkReady(context.Background(), nil); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			stop()
			b.StartTimer()
		}
	})
	b.Run("restart", func(b *testing.B) {
		id++
		fs := disk.OS(b.TempDir())
		for b.Loop() {
			o, stop := start(b, server.Store(), fs, id)
			if err := o.MarkReady(context.Background(), nil); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			stop()
			b.StartTimer()
		}
	})
}

// BenchmarkAppendOnDisk is acknowledged appends of 1 KiB batches, by writers that wait for each.
func BenchmarkAppendOnDisk(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(map[int]string{1: "1 writer", 16: "16 writers", 64: "64 writers"}[writers], func(b *testing.B) {
			store := metadata.NewMem()
			defer store.Close()
			topic := metadata.Topic{Name: "t", ID: metadata.NewTopicID(), Partitions: 1}
			_, err := store.Commit(b.Context(), metadata.Txn{Then: []metadata.Op{
				metadata.Put(metadata.TopicKey("bench", "t"), metadata.Encode(topic)),
				metadata.Put(metadata.AssignmentKey("bench", topic.ID, 0),
					metadata.Encode(metadata.Assignment{Partitions: []metadata.PartitionAssignment{{Leader: 1}}})),
			}})
			if err != nil {
				b.Fatal(err)
			}
			o, stop := start(b, store, disk.OS(b.TempDir()), 1)
			defer stop()
			p, err := o.Leaders().Get(partition.Key{Topic: topic.ID})
			if err != nil {
				b.Fatal(err)
			}
			src := batch.NewBuilder()
			src.Add(1_700_000_000_000, nil, make([]byte, 950))
			one := src.Batch()
			var failed atomic.Int64
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			b.SetParallelism(max(1, writers/2))
			b.RunParallel(func(pb *testing.PB) {
				done := make(chan error, 1)
				fn := func(_ partition.Appended, err error) { done <- err }
				for pb.Next() {
					if err := p.Append(partition.Append{Batches: append([]byte(nil), one...)}, fn); err != nil {
						failed.Add(1)
						continue
					}
					if err := <-done; err != nil {
						failed.Add(1)
					}
				}
			})
			if failed.Load() > 0 {
				b.Errorf("%d appends failed", failed.Load())
			}
		})
	}
}

// BenchmarkRestart5000Partitions is a restart after a kill, with one record in each partition.
func BenchmarkRestart5000Partitions(b *testing.B) {
	store := metadata.NewMem()
	defer store.Close()
	var keys []partition.Key
	for i := range 20 {
		topic := metadata.Topic{Name: string(rune('a' + i)), ID: metadata.NewTopicID(), Partitions: 250}
		a := metadata.Assignment{Partitions: make([]metadata.PartitionAssignment, 250)}
		for j := range a.Partitions {
			a.Partitions[j] = metadata.PartitionAssignment{Leader: 1, Replicas: []metadata.BrokerID{1}}
			keys = append(keys, partition.Key{Topic: topic.ID, Index: int32(j)})
		}
		_, err := store.Commit(b.Context(), metadata.Txn{Then: []metadata.Op{
			metadata.Put(metadata.TopicKey("bench", topic.Name), metadata.Encode(topic)),
			metadata.Put(metadata.AssignmentKey("bench", topic.ID, 0), metadata.Encode(a)),
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	fs := disk.OS(b.TempDir())
	o, stop := start(b, store, fs, 1)
	done := make(chan error, len(keys))
	for _, k := range keys {
		p, err := o.Leaders().Get(k)
		if err != nil {
			b.Fatal(err)
		}
		src := batch.NewBuilder()
		src.Add(1_700_000_000_000, nil, make([]byte, 100))
		if err := p.Append(partition.Append{Batches: src.Batch()}, func(_ partition.Appended, err error) { done <- err }); err != nil {
			b.Fatal(err)
		}
	}
	for range keys {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	stop()
	for b.Loop() {
		o, stop := start(b, store, fs, 1)
		if err := o.MarkReady(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/float64(len(keys)), "heap-B/partition")
		stop()
		b.StartTimer()
	}
}

// BenchmarkRestartWithCheckpoint is a restart after a kill, with 10,000 partitions that hold 2 GiB in the journal, 200 MiB of it behind the newest
// checkpoint. The metadata are in memory.
func BenchmarkRestartWithCheckpoint(b *testing.B) {
	const topics, perTopic, before, behind = 40, 250, 30_000, 3_200
	store := metadata.NewMem()
	defer store.Close()
	var keys []partition.Key
	for i := range topics {
		topic := metadata.Topic{Name: fmt.Sprintf("t%d", i), ID: metadata.NewTopicID(), Partitions: perTopic}
		a := metadata.Assignment{Partitions: make([]metadata.PartitionAssignment, perTopic)}
		for j := range a.Partitions {
			a.Partitions[j] = metadata.PartitionAssignment{Leader: 1, Replicas: []metadata.BrokerID{1}}
			keys = append(keys, partition.Key{Topic: topic.ID, Index: int32(j)})
		}
		_, err := store.Commit(b.Context(), metadata.Txn{Then: []metadata.Op{
			metadata.Put(metadata.TopicKey("bench", topic.Name), metadata.Encode(topic)),
			metadata.Put(metadata.AssignmentKey("bench", topic.ID, 0), metadata.Encode(a)),
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	fs := disk.OS(b.TempDir())
	life := func(appends int) (o *ownership.Owner, kill func()) {
		o, stop := startWith(b, store, fs, 1, tier.Config{CheckpointBytes: -1, CheckpointInterval: -1, FlushBytes: -1, FlushAge: -1, FlushExtents: -1, FlushIdle: -1, Tick: time.Hour})
		done := make(chan error, 64)
		flying := 0
		settle := func() {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			flying--
		}
		for i := range appends {
			p, err := o.Leaders().Get(keys[i%len(keys)])
			if err != nil {
				b.Fatal(err)
			}
			src := batch.NewBuilder()
			src.Add(1_700_000_000_000, nil, make([]byte, 64<<10))
			for flying == cap(done) {
				settle()
			}
			if err := p.Append(partition.Append{Batches: src.Batch()}, func(_ partition.Appended, err error) { done <- err }); err != nil {
				b.Fatal(err)
			}
			flying++
		}
		for flying > 0 {
			settle()
		}
		return o, func() {
			store.SetFault(func(c metadata.Call) metadata.Fault {
				if c.Method == "Commit" {
					return metadata.Fault{Before: errors.New("killed")}
				}
				return metadata.Fault{}
			})
			stop()
			store.SetFault(nil)
		}
	}
	_, kill := life(before)
	kill()
	o, kill := life(0) // older data, in a stream of its own
	if err := o.Tiers().Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	}
	kill()
	_, kill = life(behind)
	kill()
	var used time.Duration
	for b.Loop() {
		began := cpu()
		o, stop := start(b, store, fs, 1)
		if err := o.MarkReady(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
		used += cpu() - began
		b.StopTimer()
		store.SetFault(func(c metadata.Call) metadata.Fault {
			if c.Method == "Commit" {
				return metadata.Fault{Before: errors.New("killed")}
			}
			return metadata.Fault{}
		})
		stop()
		store.SetFault(nil)
		b.StartTimer()
	}
	b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op")
}

// cpu is what the process used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
