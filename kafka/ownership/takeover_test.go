package ownership

import (
	"testing"

	"weir/metadata"
)

// TestTakeOverKeepsTheSession: from an incarnation that leaves its session to the next one, until that is ready, everyone sees a broker that serves.
func TestTakeOverKeepsTheSession(t *testing.T) {
	w := newWorld(t)
	endpoints := []metadata.Endpoint{{Name: "CLIENT", Host: "127.0.1.1", Port: 9092}}
	session := func() (metadata.KV, metadata.Session) {
		t.Helper()
		kv, found, err := w.store.Get(t.Context(), metadata.SessionKey(cluster, 1))
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			return kv, metadata.Session{}
		}
		s, err := metadata.Decode[metadata.Session](kv)
		if err != nil {
			t.Fatal(err)
		}
		return kv, s
	}
	first := w.mustStart()
	if err := first.MarkReady(t.Context(), endpoints); err != nil {
		t.Fatal(err)
	}
	before, _ := session()
	first.LeaveSession(t.Context())
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	cfg := w.config()
	cfg.TakeOver = true
	second, err := w.start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if kv, s := session(); !s.Ready || kv.Created != before.Created {
		t.Errorf("before the second is ready: %+v, created at %d; want what the first left, created at %d", s, kv.Created, before.Created)
	}
	if err := second.MarkReady(t.Context(), endpoints); err != nil {
		t.Fatal(err)
	}
	after, s := session()
	if !s.Ready || s.Incarnation != second.Incarnation() || after.Created <= before.Created {
		t.Errorf("once the second is ready: %+v, created at %d after %d, incarnation %d", s, after.Created, before.Created, second.Incarnation())
	}
	// One that leaves nothing behind is followed all the same, and so is one that left its session and whose successor never came.
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	if _, s := session(); s.Ready {
		t.Errorf("the second left %+v unasked", s)
	}
	third, err := w.start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.MarkReady(t.Context(), endpoints); err != nil {
		t.Fatal(err)
	}
	third.LeaveSession(t.Context())
	if err := third.stop(); err != nil {
		t.Fatal(err)
	}
	fourth := w.mustStart()
	if err := fourth.MarkReady(t.Context(), endpoints); err != nil {
		t.Fatal(err)
	}
	if _, s := session(); !s.Ready || s.Incarnation != fourth.Incarnation() {
		t.Errorf("the fourth shows %+v, is incarnation %d", s, fourth.Incarnation())
	}
}
