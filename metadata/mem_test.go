package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/leak"
	"weir/metadata"
	"weir/metadata/storetest"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

func TestMemKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) metadata.Store {
		m := metadata.NewMem()
		t.Cleanup(func() { _ = m.Close() })
		return m
	})
}

func TestMemLeaseExpiresInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metadata.NewMem()
		defer m.Close()
		id, err := m.Grant(t.Context(), 6*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.PutLeased("a", nil, id)}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5999 * time.Millisecond)
		if err := m.KeepAlive(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5999 * time.Millisecond)
		if _, ok, _ := m.Get(t.Context(), "a"); !ok {
			t.Fatal("key is gone before its time")
		}
		time.Sleep(2 * time.Millisecond)
		if _, ok, _ := m.Get(t.Context(), "a"); ok {
			t.Fatal("key outlived its lease")
		}
	})
}

func TestMemFaults(t *testing.T) {
	m := metadata.NewMem()
	defer m.Close()
	ctx := t.Context()
	lost := fmt.Errorf("%w: connection lost", metadata.ErrUnavailable)
	m.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "Commit" {
			return metadata.Fault{After: lost}
		}
		return metadata.Fault{Before: lost}
	})
	if _, err := m.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.Put("a", nil)}}); !errors.Is(err, metadata.ErrUnavailable) {
		t.Errorf("Commit = %v; want ErrUnavailable", err)
	}
	if _, _, err := m.Get(ctx, "a"); !errors.Is(err, metadata.ErrUnavailable) {
		t.Errorf("Get = %v; want ErrUnavailable", err)
	}
	if b := <-m.Watch(ctx, "", 1); !errors.Is(b.Err, metadata.ErrUnavailable) {
		t.Errorf("Watch = %v; want ErrUnavailable", b.Err)
	}
	m.SetFault(nil)
	if _, ok, err := m.Get(ctx, "a"); !ok || err != nil {
		t.Errorf("the ambiguous commit took no effect: %v, %v", ok, err)
	}
}

func TestMemCloseEndsWatchesNobodyReads(t *testing.T) {
	m := metadata.NewMem()
	ch := m.Watch(t.Context(), "", 1)
	for i := range 5 {
		if _, err := m.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(fmt.Sprint(i), nil)}}); err != nil {
			t.Fatal(err)
		}
	}
	_ = m.Close()
	for range ch {
	}
	if _, _, err := m.Get(t.Context(), "0"); !errors.Is(err, metadata.ErrUnavailable) {
		t.Errorf("Get after Close = %v", err)
	}
}

func TestFollowListsAgainAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metadata.NewMem()
		defer m.Close()
		put := func(k string) {
			if _, err := m.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(k, nil)}}); err != nil {
				t.Fatal(err)
			}
		}
		put("a")
		var seen []metadata.Update
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			result <- metadata.Follow(ctx, m, "", func(u metadata.Update) error { seen = append(seen, u); return nil })
		}()
		synctest.Wait()
		m.SetFault(func(c metadata.Call) metadata.Fault {
			if c.Method == "List" || c.Method == "Watch" {
				return metadata.Fault{Before: metadata.ErrUnavailable}
			}
			return metadata.Fault{}
		})
		m.DropWatches(metadata.ErrUnavailable)
		put("b")
		put("c")
		time.Sleep(time.Minute)
		if len(seen) != 1 {
			t.Fatalf("updates while the store is away: %+v", seen)
		}
		m.SetFault(nil)
		time.Sleep(3 * time.Second)
		m.DropWatches(metadata.ErrCompacted)
		put("d")
		synctest.Wait()
		if len(seen) < 3 || !seen[1].Full || len(seen[1].Events) != 3 || !seen[2].Full {
			t.Fatalf("got %+v; want full states after the gaps", seen)
		}
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestFollowReturnsTheErrorOfItsFunction(t *testing.T) {
	m := metadata.NewMem()
	defer m.Close()
	boom := errors.New("boom")
	if err := metadata.Follow(t.Context(), m, "", func(metadata.Update) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("Follow = %v; want %v", err, boom)
	}
}

func TestMemCompactedWatch(t *testing.T) {
	m := metadata.NewMem()
	defer m.Close()
	for i := range 5 {
		if _, err := m.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(fmt.Sprint(i), nil)}}); err != nil {
			t.Fatal(err)
		}
	}
	m.Compact(4)
	if b := <-m.Watch(t.Context(), "", 3); !errors.Is(b.Err, metadata.ErrCompacted) {
		t.Errorf("Watch from a compacted revision = %+v", b)
	}
	if b := <-m.Watch(t.Context(), "", 5); len(b.Events) != 2 {
		t.Errorf("Watch from a kept revision = %+v; want 2 events", b)
	}
}
