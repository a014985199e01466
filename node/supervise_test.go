package node

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/control/resource"
	"weir/metadata"
)

func TestBackoff(t *testing.T) {
	start := time.Now()
	tests := []struct {
		name   string
		served bool
		every  time.Duration // between ends
		want   []time.Duration
	}{
		{"crash loop", false, time.Second, []time.Duration{
			200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, crashPause, crashPause,
		}},
		{"rare failures", false, 10 * time.Minute, []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond}},
		{"killed again and again", true, 2 * time.Second, []time.Duration{
			0, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second,
		}},
		{"killed now and then", true, 2 * time.Minute, []time.Duration{0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b backoff
			var got []time.Duration
			for i := range tt.want {
				got = append(got, b.after(tt.served, start.Add(time.Duration(i)*tt.every)))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	taken := map[Address]bool{{"127.0.1.2", 9092}: true} // another program has one address of the first block
	a := newAddresses(t.TempDir())
	a.free = func(addr Address) bool { return !taken[addr] }
	a.usable = func() bool { return true }
	a.hold = noHold
	give := func(cluster string, b metadata.BrokerID, size int) string {
		addr, err := a.give(brokerKey{cluster, b}, size)
		if err != nil {
			return err.Error()
		}
		taken[addr] = true
		return addr.String()
	}
	a.keep(brokerKey{"old", 1}, Address{"127.0.3.1", 9092})
	got := []string{give("c", 1, 3), give("c", 2, 3), give("c", 3, 3), give("d", 1, 3), give("old", 1, 1), give("old", 2, 2), give("c", 255, 1)}
	want := []string{
		"127.0.2.1:9092", "127.0.2.2:9092", "127.0.2.3:9092", "127.0.4.1:9092", "127.0.3.1:9092", "127.0.3.2:9092",
		"broker 255: a cluster's brokers on one machine are numbered 1 to 254",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	a = newAddresses(t.TempDir())
	a.free = func(addr Address) bool { return !taken[addr] }
	a.usable = func() bool { return false }
	a.hold = noHold
	got = []string{give("c", 1, 3), give("c", 2, 3), give("d", 1, 3)}
	if diff := cmp.Diff([]string{"127.0.0.1:9092", "127.0.0.1:9192", "127.0.0.1:9292"}, got); diff != "" {
		t.Errorf("without a block, -want +got:\n%s", diff)
	}
}

func noHold(Address) (io.Closer, error) { return io.NopCloser(nil), nil }

func TestTwoNodesChooseDifferentBlocks(t *testing.T) {
	if !hasLoopbackBlock() {
		t.Skip("this system has no addresses in 127.0.1.0/24")
	}
	a, b := newAddresses(t.TempDir()), newAddresses(t.TempDir())
	defer a.close()
	defer b.close()
	one, err := a.give(brokerKey{"c", 1}, 3)
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.give(brokerKey{"d", 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if blockOf(one) == blockOf(two) {
		t.Errorf("both chose the block of %s", one)
	}
	b.keep(brokerKey{"e", 1}, one)
	if _, err := b.give(brokerKey{"e", 1}, 3); err == nil {
		t.Error("an address was given that another node has reserved")
	}
}

func TestClaimsOutliveTheirNode(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ours, other := t.TempDir(), t.TempDir()
	mine, theirs := newClaims(ours), newClaims(other)
	if !theirs.take("127.0.1", "c") || mine.take("127.0.1", "c") || !theirs.take("127.0.1", "c") {
		t.Error("a claim does not keep others out, or keeps its owner out")
	}
	if mine.drop("127.0.1", "c"); mine.take("127.0.1", "c") {
		t.Error("a claim was dropped by another")
	}
	// A cluster that is gone does not need its block any more.
	long := time.Now().Add(-2 * youngClaim)
	if err := os.Chtimes(filepath.Join(theirs.dir, "127.0.1"), long, long); err != nil {
		t.Fatal(err)
	}
	if !mine.take("127.0.1", "c") {
		t.Error("a claim outlives its cluster")
	}
	mine.drop("127.0.1", "c")
	if !theirs.take("127.0.1", "d") {
		t.Error("a claim that was dropped is kept")
	}
	if err := os.RemoveAll(other); err != nil {
		t.Fatal(err)
	}
	if !mine.take("127.0.1", "c") {
		t.Error("a claim outlives its data directory")
	}
}

// To look at an address is to have it for a moment. A block that another cluster has is not even looked at: its broker may be starting just then.
func TestClaimedBlocksAreNotTouched(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if !newClaims(t.TempDir()).take("127.0.1", "c") {
		t.Fatal("the claim is refused")
	}
	a := newAddresses(t.TempDir())
	var touched []string
	a.free = func(addr Address) bool { touched = append(touched, addr.IP); return true }
	a.usable = func() bool { return true }
	a.hold = func(addr Address) (io.Closer, error) {
		touched = append(touched, addr.IP)
		return io.NopCloser(nil), nil
	}
	addr, err := a.give(brokerKey{"d", 1}, 3)
	if err != nil || addr.IP != "127.0.2.1" {
		t.Fatal(addr, err)
	}
	for _, ip := range touched {
		if !strings.HasPrefix(ip, "127.0.2.") {
			t.Errorf("%s of another cluster was touched", ip)
		}
	}
}

// Two nodes that choose at the same moment both leave their claims.
func TestClaimsWaitForEachOther(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mine, theirs := newClaims(t.TempDir()), newClaims(t.TempDir())
	mine.take("127.0.1", "c")
	synctest.Test(t, func(t *testing.T) {
		unlock, err := mine.lock()
		if err != nil {
			t.Fatal(err)
		}
		taken := make(chan bool)
		go func() { taken <- theirs.take("127.0.2", "d") }()
		<-time.After(lockWait / 2)
		unlock()
		if !<-taken || mine.take("127.0.2", "c") {
			t.Error("the claim was not written")
		}
	})
}

// fakeProcess is a process without a process.
func fakeProcess(pid int, end exit, after time.Duration) *process {
	p := &process{pid: pid, started: time.Now(), ready: make(chan struct{}), done: make(chan struct{})}
	stop := make(chan struct{}, 2)
	p.terminate = func() error { stop <- struct{}{}; return nil }
	p.kill = p.terminate
	go func() {
		select {
		case <-stop:
		case <-time.After(after):
		}
		p.end = end
		close(p.done)
	}()
	return p
}

// fakeNode is a node without addresses and processes. What it runs has no session.
func fakeNode(t *testing.T, store metadata.Store) *Node {
	t.Helper()
	n, err := New(Config{ID: "n1", Dir: t.TempDir(), Program: "/weir", HungAfter: -1}, Deps{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	n.addresses.free = func(Address) bool { return true }
	n.addresses.usable = func() bool { return true }
	n.addresses.hold = noHold
	return n
}

func TestBrokerThatServedIsRestartedAtOnce(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		defer store.Close()
		n := fakeNode(t, store)
		var starts []time.Duration
		began := time.Now()
		n.launch = func(*Handover, int) (*process, error) {
			starts = append(starts, time.Since(began))
			p := fakeProcess(len(starts), exit{code: -1, killed: true}, 2*time.Minute)
			close(p.ready)
			return p, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- n.Run(ctx) }()
		put := metadata.Put(resource.BrokerSpecKey("n1", "c1", "1"), metadata.Encode(resource.BrokerSpec{Cluster: "c1"}))
		if _, err := store.Commit(ctx, metadata.Txn{Then: []metadata.Op{put}}); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Minute)
		cancel()
		<-result
		if diff := cmp.Diff([]time.Duration{0, 2 * time.Minute, 4 * time.Minute}, starts); diff != "" {
			t.Errorf("starts, -want +got:\n%s", diff)
		}
	})
}

func TestCrashLoopSlowsDownAndGoesOn(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		defer store.Close()
		n := fakeNode(t, store)
		var starts []time.Duration
		began := time.Now()
		n.launch = func(*Handover, int) (*process, error) {
			starts = append(starts, time.Since(began).Round(time.Second))
			return fakeProcess(len(starts), exit{code: 1, reason: "bad"}, 0), nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- n.Run(ctx) }()
		spec := metadata.Encode(resource.BrokerSpec{Cluster: "c1"})
		put := metadata.Put(resource.BrokerSpecKey("n1", "c1", "1"), spec)
		if _, err := store.Commit(ctx, metadata.Txn{Then: []metadata.Op{put}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		kv, _, _ := store.Get(ctx, resource.BrokerStatusKey("n1", "c1", "1"))
		s, err := metadata.Decode[resource.BrokerStatus](kv)
		if err != nil || s.State != resource.BrokerBackOff || s.LastExit != "bad" || s.Restarts != len(starts) {
			t.Errorf("status %+v after %d starts, %v", s, len(starts), err)
		}
		cancel()
		<-result
		want := []time.Duration{0, 0, time.Second, time.Second, 3 * time.Second, 33 * time.Second, 63 * time.Second, 93 * time.Second}
		if diff := cmp.Diff(want, starts); diff != "" {
			t.Errorf("starts, -want +got:\n%s", diff)
		}
	})
}

func TestStatusIsReportedOnceTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		defer store.Close()
		r := newReporter(store, "k", slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.run(ctx) }()
		store.SetFault(func(metadata.Call) metadata.Fault { return metadata.Fault{Before: metadata.ErrUnavailable} })
		r.set(resource.BrokerStatus{PID: 1})
		r.set(resource.BrokerStatus{PID: 2})
		time.Sleep(time.Minute)
		store.SetFault(nil)
		if err := r.flush(ctx); err != nil {
			t.Fatal(err)
		}
		kv, _, _ := store.Get(ctx, "k")
		if s, err := metadata.Decode[resource.BrokerStatus](kv); err != nil || s.PID != 2 {
			t.Errorf("got %+v, %v", s, err)
		}
		cancel()
		<-done
	})
}
