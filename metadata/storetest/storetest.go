// Package storetest is the contract of metadata.Store as tests, which every implementation must pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/metadata"
)

// Run tests the contract. open returns an empty store whose lifetime is the test's.
func Run(t *testing.T, open func(t *testing.T) metadata.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, metadata.Store)
	}{
		{"MissingKeyIsNotAnError", missingKey},
		{"CommitSetsRevisions", commitSetsRevisions},
		{"ConflictWritesNothing", conflictWritesNothing},
		{"ConditionZeroMeansAbsent", conditionZero},
		{"DeletingNothingMakesNoRevision", deleteNothing},
		{"DeletePrefix", deletePrefix},
		{"RefusesTwoWritesToOneKey", refusesDuplicate},
		{"TransactionOfTheLargestSize", largestTxn},
		{"ListIsSorted", listIsSorted},
		{"WatchDeliversHistoryAndChanges", watchHistory},
		{"WatchFromNowOn", watchFromNow},
		{"WatchEndsWithItsContext", watchEnds},
		{"WatchKeepsOneRevisionTogether", watchKeepsRevisionTogether},
		{"LeaseExpires", leaseExpires},
		{"KeepAliveKeeps", keepAlive},
		{"RevokeRemovesKeys", revoke},
		{"PutWithoutLeaseDetaches", detach},
		{"UnknownLease", unknownLease},
		{"CancelledContext", cancelled},
		{"OneOfManyRacersWins", race},
		{"FollowSeesEveryState", follow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

// contextOf bounds a test, so that a store that hangs fails it.
func contextOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func commit(ctx context.Context, t *testing.T, s metadata.Store, txn metadata.Txn) metadata.Revision {
	t.Helper()
	rev, err := s.Commit(ctx, txn)
	if err != nil {
		t.Fatalf("Commit(%+v): %v", txn, err)
	}
	return rev
}

func put(ctx context.Context, t *testing.T, s metadata.Store, key, value string) metadata.Revision {
	t.Helper()
	return commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.Put(key, []byte(value))}})
}

func missingKey(t *testing.T, s metadata.Store) {
	if kv, ok, err := s.Get(contextOf(t), "a"); ok || err != nil {
		t.Fatalf("Get = %v, %v, %v; want nothing", kv, ok, err)
	}
	if kvs, rev, err := s.List(contextOf(t), "a"); len(kvs) != 0 || rev < 1 || err != nil {
		t.Fatalf("List = %v, %v, %v; want nothing at a revision of 1 or more", kvs, rev, err)
	}
}

func commitSetsRevisions(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	r1 := put(ctx, t, s, "a", "1")
	r2 := commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.Put("a", []byte("2")), metadata.Put("b", nil)}})
	if r2 != r1+1 {
		t.Errorf("second commit has revision %d; want %d", r2, r1+1)
	}
	kv, ok, err := s.Get(ctx, "a")
	want := metadata.KV{Key: "a", Value: []byte("2"), Created: r1, Modified: r2}
	if diff := cmp.Diff(want, kv); diff != "" || !ok || err != nil {
		t.Errorf("Get = %v, %v, -want +got:\n%s", ok, err, diff)
	}
	r3 := commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.Delete("a")}})
	r4 := put(ctx, t, s, "a", "3")
	if kv, _, _ := s.Get(ctx, "a"); kv.Created != r4 || r4 != r3+1 {
		t.Errorf("created again at %d: Get.Created = %d", r4, kv.Created)
	}
}

func conflictWritesNothing(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	r1 := put(ctx, t, s, "a", "1")
	put(ctx, t, s, "a", "2")
	_, err := s.Commit(ctx, metadata.Txn{
		If:   []metadata.Cond{{Key: "a", Modified: r1}},
		Then: []metadata.Op{metadata.Put("b", nil), metadata.Put("a", nil)},
	})
	if !errors.Is(err, metadata.ErrConflict) {
		t.Fatalf("Commit on an old revision = %v; want ErrConflict", err)
	}
	if _, ok, _ := s.Get(ctx, "b"); ok {
		t.Error("a refused transaction wrote")
	}
}

func conditionZero(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	create := metadata.Txn{If: []metadata.Cond{{Key: "a"}}, Then: []metadata.Op{metadata.Put("a", nil)}}
	commit(ctx, t, s, create)
	if _, err := s.Commit(ctx, create); !errors.Is(err, metadata.ErrConflict) {
		t.Fatalf("second create = %v; want ErrConflict", err)
	}
	commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.Delete("a")}})
	commit(ctx, t, s, create)
}

func deleteNothing(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	r1 := put(ctx, t, s, "a", "")
	r2 := commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.Delete("b"), metadata.DeletePrefix("c/")}})
	if r3 := commit(ctx, t, s, metadata.Txn{}); r2 != r1 || r3 != r1 {
		t.Errorf("commits that change nothing have revisions %d and %d; want %d", r2, r3, r1)
	}
}

func deletePrefix(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	for _, k := range []string{"a", "a/1", "a/2", "a0", "b"} {
		put(ctx, t, s, k, "")
	}
	commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.DeletePrefix("a/"), metadata.Put("c", nil)}})
	if diff := cmp.Diff([]string{"a", "a0", "b", "c"}, keys(ctx, t, s, "")); diff != "" {
		t.Errorf("keys left, -want +got:\n%s", diff)
	}
}

func keys(ctx context.Context, t *testing.T, s metadata.Store, prefix string) []string {
	t.Helper()
	kvs, _, err := s.List(ctx, prefix)
	if err != nil {
		t.Fatalf("List(%q): %v", prefix, err)
	}
	ks := make([]string, len(kvs))
	for i, kv := range kvs {
		ks[i] = kv.Key
	}
	return ks
}

func refusesDuplicate(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	for _, ops := range [][]metadata.Op{
		{metadata.Put("a", nil), metadata.Put("a", nil)},
		{metadata.Put("a", nil), metadata.Delete("a")},
		{metadata.Put("a/b", nil), metadata.DeletePrefix("a/")},
		{metadata.Put("", nil)},
		make([]metadata.Op, metadata.TxnOpsMax+1),
	} {
		if _, err := s.Commit(ctx, metadata.Txn{Then: ops}); err == nil || errors.Is(err, metadata.ErrUnavailable) {
			t.Errorf("Commit of %d writes = %v; want it refused", len(ops), err)
		}
	}
	if got := keys(ctx, t, s, ""); len(got) != 0 {
		t.Errorf("refused transactions wrote %v", got)
	}
}

func largestTxn(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	var txn metadata.Txn
	for i := range metadata.TxnOpsMax {
		key := fmt.Sprintf("k/%04d", i)
		txn.If = append(txn.If, metadata.Cond{Key: key})
		txn.Then = append(txn.Then, metadata.Put(key, []byte("v")))
	}
	for lost := false; ; {
		_, err := s.Commit(ctx, txn)
		if err == nil || lost && errors.Is(err, metadata.ErrConflict) {
			break
		}
		if lost = errors.Is(err, metadata.ErrUnavailable); !lost || ctx.Err() != nil { // a busy machine is slow at so much, and then it may have been done
			t.Fatal(err)
		}
	}
	if n := len(keys(ctx, t, s, "k/")); n != metadata.TxnOpsMax {
		t.Errorf("%d keys; want %d", n, metadata.TxnOpsMax)
	}
}

func listIsSorted(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	for _, k := range []string{"p/b", "p/a", "q", "p/c", "o", "p"} {
		put(ctx, t, s, k, "")
	}
	if diff := cmp.Diff([]string{"p/a", "p/b", "p/c"}, keys(ctx, t, s, "p/")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// collect reads batches until it has n events.
func collect(ctx context.Context, t *testing.T, ch <-chan metadata.Batch, n int) []metadata.Event {
	t.Helper()
	var events []metadata.Event
	for len(events) < n {
		select {
		case b, ok := <-ch:
			if !ok || b.Err != nil {
				t.Fatalf("watch ended with %v after %d of %d events", b.Err, len(events), n)
			}
			events = append(events, b.Events...)
			if last := events[len(events)-1].Modified; b.Revision != last {
				t.Fatalf("batch has revision %d, its last event %d", b.Revision, last)
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d events came", len(events), n)
		}
	}
	return events
}

func watchHistory(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	put(ctx, t, s, "p/before", "")
	r1 := put(ctx, t, s, "p/a", "1")
	put(ctx, t, s, "q", "")
	r2 := commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.Delete("p/a")}})
	ch := s.Watch(ctx, "p/", r1)
	later := s.Watch(ctx, "p/", r2+1)
	got := collect(ctx, t, ch, 2)
	r3 := put(ctx, t, s, "p/b", "2")
	got = append(got, collect(ctx, t, ch, 1)...)
	want := []metadata.Event{
		{KV: metadata.KV{Key: "p/a", Value: []byte("1"), Created: r1, Modified: r1}},
		{KV: metadata.KV{Key: "p/a", Modified: r2}, Deleted: true},
		{KV: metadata.KV{Key: "p/b", Value: []byte("2"), Created: r3, Modified: r3}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := collect(ctx, t, later, 1); got[0].Key != "p/b" {
		t.Errorf("a watch from the next revision on got %v", got)
	}
}

func watchFromNow(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	before := put(ctx, t, s, "p/before", "")
	ch := s.Watch(ctx, "p/", 0)
	if b := <-ch; b.Err != nil || len(b.Events) != 0 || b.Revision != before {
		t.Fatalf("first batch = %+v; want revision %d and no events", b, before)
	}
	after := put(ctx, t, s, "p/after", "")
	if got := collect(ctx, t, ch, 1); got[0].Key != "p/after" || got[0].Modified != after {
		t.Errorf("got %+v; want the change at %d", got, after)
	}
}

func watchEnds(t *testing.T, s metadata.Store) {
	ctx, cancel := context.WithCancel(contextOf(t))
	ch := s.Watch(ctx, "", 1)
	cancel()
	for b := range ch {
		if b.Err != nil {
			t.Errorf("a watch ended by its context got %v", b.Err)
		}
	}
}

func watchKeepsRevisionTogether(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	ch := s.Watch(ctx, "", 1)
	var txn metadata.Txn
	for i := range 100 {
		txn.Then = append(txn.Then, metadata.Put(fmt.Sprint(i), nil))
	}
	commit(ctx, t, s, txn)
	if b := <-ch; len(b.Events) != len(txn.Then) {
		t.Errorf("first batch has %d events; want %d", len(b.Events), len(txn.Then))
	}
}

func leaseExpires(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	var id metadata.LeaseID
	var rev metadata.Revision
	inTime(t, time.Second, func(ttl time.Duration, _ func()) (err error) {
		if id, err = s.Grant(ctx, ttl); err != nil {
			return err
		}
		rev, err = s.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.PutLeased("a", nil, id), metadata.PutLeased("b", nil, id)}})
		if err != nil {
			return err
		}
		if kv, _, err := s.Get(ctx, "a"); err != nil || kv.Lease != id {
			return fmt.Errorf("lease of the key is %d, %v; want %d", kv.Lease, err, id)
		}
		return nil
	})
	events := collect(ctx, t, s.Watch(ctx, "", rev+1), 2)
	if !events[0].Deleted || !events[1].Deleted || events[0].Modified != events[1].Modified {
		t.Errorf("expiry: got %+v; want both keys deleted at one revision", events)
	}
	if err := s.KeepAlive(ctx, id); !errors.Is(err, metadata.ErrLeaseNotFound) {
		t.Errorf("KeepAlive after expiry = %v; want ErrLeaseNotFound", err)
	}
}

func keepAlive(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	inTime(t, 2*time.Second, func(ttl time.Duration, renewed func()) error {
		id, err := s.Grant(ctx, ttl)
		if err != nil {
			return err
		}
		if _, err := s.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.PutLeased("a", nil, id)}}); err != nil {
			return err
		}
		tick := time.NewTicker(ttl / 4)
		defer tick.Stop()
		for range 8 {
			<-tick.C
			renewed()
			if err := s.KeepAlive(ctx, id); err != nil {
				return err
			}
		}
		if _, ok, err := s.Get(ctx, "a"); !ok || err != nil {
			return fmt.Errorf("Get = %v, %v; want the key to be kept", ok, err)
		}
		return nil
	})
}

// inTime runs what must work while a lease of the given time lasts. On a busy machine it may come too late for that; then it is run with a lease that
// lasts longer. It calls renewed before it renews the lease.
func inTime(t *testing.T, ttl time.Duration, run func(ttl time.Duration, renewed func()) error) {
	t.Helper()
	for ; ; ttl *= 2 {
		late := false
		before, last := time.Now(), time.Now() // the store had the former in any case
		look := func() { late = late || time.Since(before) >= ttl }
		err := run(ttl, func() {
			look()
			before, last = last, time.Now()
		})
		if look(); err == nil {
			return
		}
		if !late || ttl > 10*time.Second {
			t.Fatal(err)
		}
	}
}

func revoke(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	id, err := s.Grant(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.PutLeased("a", nil, id)}})
	if err := s.Revoke(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.Get(ctx, "a"); ok {
		t.Error("the key outlived its lease")
	}
	if err := s.Revoke(ctx, id); !errors.Is(err, metadata.ErrLeaseNotFound) {
		t.Errorf("second Revoke = %v; want ErrLeaseNotFound", err)
	}
}

func detach(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	id, err := s.Grant(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	commit(ctx, t, s, metadata.Txn{Then: []metadata.Op{metadata.PutLeased("a", nil, id)}})
	put(ctx, t, s, "a", "kept")
	if err := s.Revoke(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.Get(ctx, "a"); !ok {
		t.Error("a key put without a lease went with its former lease")
	}
}

func unknownLease(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	_, err := s.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.PutLeased("a", nil, 12345)}})
	if !errors.Is(err, metadata.ErrLeaseNotFound) {
		t.Errorf("Commit with an unknown lease = %v; want ErrLeaseNotFound", err)
	}
	if err := s.KeepAlive(ctx, 12345); !errors.Is(err, metadata.ErrLeaseNotFound) {
		t.Errorf("KeepAlive of an unknown lease = %v; want ErrLeaseNotFound", err)
	}
}

func cancelled(t *testing.T, s metadata.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Get(ctx, "a"); !errors.Is(err, context.Canceled) || !errors.Is(err, metadata.ErrUnavailable) {
		t.Errorf("Get = %v; want context.Canceled and ErrUnavailable", err)
	}
	if _, err := s.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.Put("a", nil)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v; want context.Canceled", err)
	}
}

func race(t *testing.T, s metadata.Store) {
	ctx := contextOf(t)
	const racers = 20
	results := make(chan error, racers)
	for range racers {
		go func() {
			_, err := s.Commit(ctx, metadata.Txn{If: []metadata.Cond{{Key: "a"}}, Then: []metadata.Op{metadata.Put("a", nil)}})
			results <- err
		}()
	}
	won := 0
	for range racers {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, metadata.ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d racers created the key; want 1", won)
	}
}

func follow(t *testing.T, s metadata.Store) {
	ctx, cancel := context.WithCancel(contextOf(t))
	put(ctx, t, s, "p/0", "")
	updates := make(chan metadata.Update, 1000)
	result := make(chan error, 1)
	go func() {
		result <- metadata.Follow(ctx, s, "p/", func(u metadata.Update) error { updates <- u; return nil })
	}()
	first := <-updates
	if !first.Full || len(first.Events) != 1 {
		t.Fatalf("first update = %+v; want the full state", first)
	}
	var last metadata.Revision
	for i := range 50 {
		last = put(ctx, t, s, fmt.Sprintf("p/%d", i), "x")
	}
	n := 0
	for rev := first.Revision; rev < last; {
		u := <-updates
		if u.Full || u.Revision <= rev {
			t.Fatalf("update = %+v after revision %d", u, rev)
		}
		rev, n = u.Revision, n+len(u.Events)
	}
	if n != 50 {
		t.Errorf("%d events; want 50", n)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v; want context.Canceled", err)
	}
}
