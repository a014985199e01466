package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

func failing(mode string) resource.BrokerSpec {
	return resource.BrokerSpec{Properties: map[string]string{"mode": mode}}
}

func TestRecovererRunsInsteadOfABrokerThatCannotStart(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", failing("fail"))
	s := m.await("1", "BACKOFF", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerBackOff && !s.Down.IsZero() })
	if since := time.Since(s.Down); since < 0 || since > time.Hour || s.IsTakenOver() {
		t.Errorf("status %+v", s)
	}
	// What is asked for another time of being down is not for this one.
	spec := failing("fail")
	spec.TakeOver = s.Down.Add(-time.Minute)
	m.want("1", spec)
	s = m.await("1", "another failure", func(now resource.BrokerStatus) bool {
		return now.State == resource.BrokerBackOff && now.Restarts > s.Restarts
	})
	spec.TakeOver = s.Down
	m.want("1", spec)
	rec := m.await("1", "RECOVERING", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerRecovering })
	if !rec.Down.Equal(s.Down) || !strings.Contains(rec.LastExit, "the log is corrupt") {
		t.Errorf("status %+v, was %+v", rec, s)
	}
	// Nothing but its end comes between it and its work.
	spec.Restart, spec.Replace = 9, 1
	m.want("1", spec)
	dir := BrokerDir(m.dir, "c1", 1)
	if err := os.WriteFile(filepath.Join(dir, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := m.await("1", "everything is taken over", func(s resource.BrokerStatus) bool { return s.IsTakenOver() })
	if alive(rec.PID) || done.State == resource.BrokerRecovering {
		t.Errorf("status %+v after the recoverer's end", done)
	}
	// The broker is tried again, and not the recoverer.
	m.await("1", "another try", func(s resource.BrokerStatus) bool {
		return s.Restarts > done.Restarts && s.State == resource.BrokerBackOff && s.IsTakenOver()
	})
	spec.Properties = nil
	m.want("1", spec)
	if s = m.await("1", "RUNNING", running); !s.Down.IsZero() || !s.TakenOver.IsZero() {
		t.Errorf("status %+v of a broker that serves", s)
	}
}

func TestRecovererThatFailsAndTheBrokerTakeTurns(t *testing.T) {
	m := newMachine(t)
	m.start()
	spec := failing("fail all")
	m.want("1", spec)
	s := m.await("1", "BACKOFF", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerBackOff })
	spec.TakeOver = s.Down
	m.want("1", spec)
	s = m.await("1", "a recoverer that failed", func(s resource.BrokerStatus) bool {
		return s.State == resource.BrokerBackOff && strings.Contains(s.LastExit, "could not be handed over") && strings.Contains(s.LastExit, "for recoverers too")
	})
	if s.IsTakenOver() {
		t.Errorf("status %+v", s)
	}
	// What was in the way is gone, whoever's turn it is.
	if err := os.WriteFile(filepath.Join(BrokerDir(m.dir, "c1", 1), "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spec.Properties = nil
	m.want("1", spec)
	m.await("1", "RUNNING", running)
}

func TestRecovererOfAnEarlierNodeIsEnded(t *testing.T) {
	m := newMachine(t)
	m.start()
	spec := failing("fail")
	m.want("1", spec)
	s := m.await("1", "BACKOFF", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerBackOff })
	spec.TakeOver = s.Down
	m.want("1", spec)
	rec := m.await("1", "RECOVERING", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerRecovering })
	dir := BrokerDir(m.dir, "c1", 1)
	for deadline := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) { // it claims the broker a moment after its start
		if c, ok, err := readClaim(dir); err == nil && ok && c.Recoverer && c.Identity.PID == rec.PID {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the recoverer does not claim the broker")
		}
	}
	// Another node finds it by its claim, as after the end of the first by a kill.
	other := m.node.newSupervisor(brokerKey{"c1", 1}, rec)
	other.take(&spec)
	other.findLeftover()
	if other.proc != nil {
		t.Errorf("it adopted %+v", other.proc)
	}
	for deadline := time.Now().Add(time.Minute); alive(rec.PID); <-time.After(5 * time.Millisecond) { // until its parent has heard of its end
		if time.Now().After(deadline) {
			t.Fatalf("process %d runs on", rec.PID)
		}
	}
}

// session makes it look as if the broker had one, or had lost it.
func (m *machine) session(has bool) {
	m.t.Helper()
	key := metadata.SessionKey("c1", 1)
	op := metadata.Delete(key)
	if has {
		op = metadata.Put(key, metadata.Encode(metadata.Session{Broker: 1, Ready: true}))
	}
	if _, err := m.store.Commit(m.t.Context(), metadata.Txn{Then: []metadata.Op{op}}); err != nil {
		m.t.Fatal(err)
	}
}

func TestHungProcessIsKilledAndStartedAnew(t *testing.T) {
	m := newMachine(t)
	m.hungAfter = 300 * time.Millisecond
	m.session(true)
	m.start()
	m.want("1", resource.BrokerSpec{})
	before := m.await("1", "RUNNING", running)
	if err := syscall.Kill(before.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	m.session(false)
	after := m.await("1", "another process", func(s resource.BrokerStatus) bool { return s.PID != 0 && s.PID != before.PID })
	m.session(true)
	if !strings.Contains(after.LastExit, "it had no session for 300ms: its process was hung, and was killed") || alive(before.PID) {
		t.Errorf("status %+v, was %+v", after, before)
	}
	m.await("1", "RUNNING", func(s resource.BrokerStatus) bool { return running(s) && s.Down.IsZero() })
}

func TestProcessThatNeverServesIsKilled(t *testing.T) {
	m := newMachine(t)
	m.startIn = 300 * time.Millisecond
	m.start()
	m.want("1", failing("mute"))
	m.await("1", "a process that was killed", func(s resource.BrokerStatus) bool {
		return strings.Contains(s.LastExit, "it did not serve within 300ms of its start") && !s.Down.IsZero()
	})
	m.end()
	m.want("1", resource.BrokerSpec{}) // before a node could start a mute one again
	m.startIn = 0                      // a start takes what it takes
	m.start()
	m.await("1", "RUNNING", running)
}

// A process without a session counts as hung only if the metadata say so all the time.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		defer store.Close()
		p := newPulse(store, "k", 8*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.run(ctx) }()
		after := func(d time.Duration) (silent bool) {
			time.Sleep(d)
			synctest.Wait()
			select {
			case s := <-p.silent:
				return p.isOf(s)
			default:
				return false
			}
		}
		put := func(op metadata.Op) {
			if _, err := store.Commit(ctx, metadata.Txn{Then: []metadata.Op{op}}); err != nil {
				t.Fatal(err)
			}
		}
		if after(time.Minute) {
			t.Error("nobody was watched")
		}
		p.watch(8 * time.Second)
		if after(7*time.Second) || !after(3*time.Second) {
			t.Error("a process that never had a session: want it to count as hung after 8 s")
		}
		put(metadata.Put("k", nil))
		p.watch(8 * time.Second)
		if after(time.Minute) {
			t.Error("it has a session")
		}
		store.SetFault(func(metadata.Call) metadata.Fault { return metadata.Fault{Before: errors.New("away")} })
		if after(time.Minute) {
			t.Error("the metadata did not answer")
		}
		store.SetFault(nil)
		put(metadata.Delete("k"))
		if after(6*time.Second) || !after(4*time.Second) {
			t.Error("it lost its session: want it to count as hung after 8 s")
		}
		p.rest()
		if after(time.Minute) {
			t.Error("nobody is watched any more")
		}
		cancel()
		<-ended
	})
}
