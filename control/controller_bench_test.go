package control

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"weir/control/resource"
	"weir/metadata/etcd"
)

// BenchmarkLife creates and deletes a cluster of three on an embedded etcd, with brokers that take no time to start: what is left is the
// control plane's own time, and etcd's. create-ms and delete-ms are from the accepted call to ACTIVE and to gone.
func BenchmarkLife(b *testing.B) {
	dir, err := os.MkdirTemp("", "w") //nolint:usetesting // short: sockets have short paths
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	log := slog.New(slog.DiscardHandler)
	server, err := etcd.Start(b.Context(), etcd.Config{Dir: filepath.Join(dir, "e"), Socket: filepath.Join(dir, "s"), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	store := server.Store()
	ctx, cancel := context.WithCancel(b.Context())
	var bg sync.WaitGroup
	f := newFleet("n1", store)
	f.startsIn = 0
	bg.Go(func() { _ = f.run(ctx) })
	bg.Go(func() { _ = New(Config{}, store, log).Run(ctx) })
	b.Cleanup(func() {
		cancel()
		bg.Wait()
		if err := server.Close(); err != nil {
			b.Error(err)
		}
	})
	c := caller{store: store, scope: resource.Scope{Account: "000000000000", Region: "us-east-1"}}
	await := func(key string, done func(resource.Cluster, bool) bool) {
		if _, err := resource.Await(ctx, store, key, done); err != nil {
			b.Fatal(err)
		}
	}
	var creating, deleting time.Duration
	for b.Loop() {
		begin := time.Now()
		key, err := c.create(ctx, "orders", 3)
		if err != nil {
			b.Fatal(err)
		}
		await(key, func(c resource.Cluster, _ bool) bool { return c.State == resource.Active })
		creating += time.Since(begin)
		begin = time.Now()
		if err := c.delete(ctx, key); err != nil {
			b.Fatal(err)
		}
		await(key, func(_ resource.Cluster, ok bool) bool { return !ok })
		deleting += time.Since(begin)
	}
	b.ReportMetric(float64(creating.Microseconds())/1000/float64(b.N), "create-ms/op")
	b.ReportMetric(float64(deleting.Microseconds())/1000/float64(b.N), "delete-ms/op")
}
