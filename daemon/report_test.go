package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/kafka/broker"
	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/topic"
	"weir/metadata"
	"weir/storage/buffer"
	"weir/storage/disk"
	"weir/storage/tier"
	"weir/storage/wal"
)

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A broker with a small volume, as it is: it fills, refuses records, goes on with everything else, takes them again when there is room, and reports.
func TestVolumeIsAQuota(t *testing.T) {
	const cluster, id, mib = "c1", 1, int64(1) << 20
	dir := t.TempDir() // it is removed after the broker has ended
	store := metadata.NewMem()
	t.Cleanup(func() { _ = store.Close() })
	number := int64(0)
	resize := func(bytes int64) {
		t.Helper()
		number++
		_, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
			metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(metadata.Settings{Number: number, VolumeBytes: bytes})),
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	resize(16 * mib)

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var group sync.WaitGroup
	t.Cleanup(func() { cancel(); group.Wait() })
	log := slog.New(slog.DiscardHandler)
	live := image.New(store, cluster)
	group.Go(func() { _ = live.Run(ctx) })
	pool := buffer.NewPool(4 << 20)
	const soon = 20 * time.Millisecond
	owner, err := ownership.Acquire(ctx, ownership.Config{
		Cluster: cluster, Broker: id, WAL: wal.Config{FirstFileBytes: 64 << 10, FileBytes: 1 << 20},
		Tier: tier.Config{Tick: soon, CheckpointInterval: soon, FlushAge: soon, CollectInterval: soon, DeleteDelay: time.Millisecond, RetainInterval: soon},
	}, ownership.Deps{Log: log, Store: store, Image: live, Disk: disk.OS(dir), Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	group.Go(func() { _ = owner.Run(ctx) })
	topics := topic.New(topic.Config{Cluster: cluster, Broker: id}, topic.Deps{Store: store, Image: live, Log: log})
	b, err := broker.New(broker.Config{Cluster: cluster, ClusterID: "test-cluster-id-000000", Broker: id}, broker.Deps{
		Log: log, Store: store, Image: live, Leaders: owner.Leaders(), Topics: topics, Storage: owner, Buffers: pool, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr) //nolint:errcheck // it is one
	group.Go(func() { _ = b.Run(ctx, []broker.Listener{{Name: "CLIENT", Listener: l}}) })
	r := &reporter{cluster: cluster, id: id, log: log, store: store, live: live, tiers: owner.Tiers(), broker: b}
	group.Go(func() { r.run(ctx) })
	if err := owner.MarkReady(ctx, []metadata.Endpoint{{Name: "CLIENT", Host: addr.IP.String(), Port: int32(addr.Port)}}); err != nil {
		t.Fatal(err)
	}

	cl, err := kgo.NewClient(kgo.SeedBrokers(addr.String()), kgo.RecordRetries(0), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.DisableIdempotentWrite(), kgo.MetadataMinAge(10*time.Millisecond), kgo.ProduceRequestTimeout(30*time.Second), kgo.RecordDeliveryTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(ctx, 1, 1, map[string]*string{"file.delete.delay.ms": new("0")}, "t"); err != nil {
		t.Fatal(err)
	}
	value := []byte(strings.Repeat("x", 256<<10))
	produce := func() error { return cl.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr() }
	var produced int64
	until(t, "the first record is taken", func() bool { return produce() == nil })
	produced++
	until(t, "the volume is full", func() bool {
		err := produce()
		if err == nil {
			produced++
		}
		return errors.Is(err, kerr.KafkaStorageError)
	})
	if produced >= 100 {
		t.Fatalf("%d records of 256 KiB were taken", produced)
	}
	offsets, err := admin.ListEndOffsets(ctx, "t")
	if err != nil || offsets["t"][0].Offset < produced {
		t.Errorf("%d records were acknowledged, there are %+v, %v", produced, offsets, err)
	}
	var commit kadm.Offsets
	commit.Add(kadm.Offset{Topic: "t", At: produced, LeaderEpoch: -1})
	until(t, "a group commits", func() bool { return admin.CommitAllOffsets(ctx, "g", commit) == nil })

	resize(64 * mib)
	until(t, "records are taken after the volume grew", func() bool { return produce() == nil })
	resize(mib) // less than there is
	until(t, "records are refused after the volume shrank", func() bool { return errors.Is(produce(), kerr.KafkaStorageError) })
	resize(16 * mib)
	if offsets, err = admin.ListEndOffsets(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	until(t, "the records are deleted", func() bool {
		deleted, err := admin.DeleteRecords(ctx, offsets.Offsets())
		return err == nil && deleted.Error() == nil
	})
	until(t, "deleting made room", func() bool { return owner.Tiers().Used() < 8*mib })
	until(t, "records are taken again", func() bool { return produce() == nil })

	until(t, "the report has the settings and what is there", func() bool {
		kv, ok, err := store.Get(ctx, metadata.BrokerReportKey(cluster, id))
		if err != nil || !ok {
			return false
		}
		got, err := metadata.Decode[metadata.BrokerReport](kv)
		return err == nil && got.Settings == number && got.UsedBytes > 0 && got.UsedBytes < 16*mib && got.Leaders >= 2 && got.Partitions == got.Leaders
	})
}
