package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// recorder is a reconciler that notes its calls and answers what it is told.
type recorder struct {
	mu     sync.Mutex
	start  time.Time
	calls  []call
	answer func(key string, n int) (Result, error)
}

type call struct {
	key string
	at  time.Duration
}

func (r *recorder) reconcile(_ context.Context, key string) (Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call{key, time.Since(r.start)})
	if r.answer == nil {
		return Result{}, nil
	}
	n := 0
	for _, c := range r.calls {
		if c.key == key {
			n++
		}
	}
	return r.answer(key, n)
}

func (r *recorder) of(key string) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var at []time.Duration
	for _, c := range r.calls {
		if c.key == key {
			at = append(at, c.at)
		}
	}
	return at
}

// pass lets the bubble's time go by.
func pass(d time.Duration) { <-time.After(d) }

// run starts a queue in the bubble and stops it at the test's end.
func run(t *testing.T, cfg Config, fn Func[string]) *Queue[string] {
	t.Helper()
	q := NewQueue(cfg, slog.New(slog.DiscardHandler), fn)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return q
}

func TestKeyIsReconciledOncePerBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now()}
		q := NewQueue(Config{}, slog.New(slog.DiscardHandler), r.reconcile)
		for range 100 {
			q.Enqueue("a") // before Run: nothing is lost
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- q.Run(ctx) }()
		synctest.Wait()
		if got := r.of("a"); len(got) != 1 {
			t.Errorf("calls of a: %v, want one", got)
		}
		cancel()
		<-done
	})
}

func TestEventDuringReconcileLeadsToAnotherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		calls := 0
		q := run(t, Config{Workers: 3}, func(context.Context, string) (Result, error) {
			calls++ // without a lock: one key is never in two workers at once
			entered <- struct{}{}
			<-release
			return Result{}, nil
		})
		q.Enqueue("a")
		<-entered
		q.Enqueue("a")
		q.Enqueue("a")
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("the key is reconciled by two workers at once")
		default:
		}
		release <- struct{}{}
		<-entered
		release <- struct{}{}
		synctest.Wait()
		if calls != 2 {
			t.Errorf("%d calls, want 2", calls)
		}
	})
}

func TestRequeueAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now(), answer: func(_ string, n int) (Result, error) {
			if n < 3 {
				return Result{RequeueAfter: time.Minute}, nil
			}
			return Result{}, nil
		}}
		run(t, Config{}, r.reconcile).Enqueue("a")
		pass(time.Hour)
		if got, want := r.of("a"), []time.Duration{0, time.Minute, 2 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("calls at %v, want %v", got, want)
		}
	})
}

func TestEventCutsTheWaitShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now(), answer: func(string, int) (Result, error) {
			return Result{RequeueAfter: time.Minute}, nil
		}}
		q := run(t, Config{}, r.reconcile)
		q.Enqueue("a")
		pass(10 * time.Second)
		q.Enqueue("a")
		pass(65 * time.Second)
		if got, want := r.of("a"), []time.Duration{0, 10 * time.Second, 70 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("calls at %v, want %v", got, want)
		}
	})
}

func TestErrorsBackOffWithGrowingPausesAndSuccessResetsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failures = 12
		r := &recorder{start: time.Now(), answer: func(_ string, n int) (Result, error) {
			if n%(failures+1) != 0 {
				return Result{RequeueAfter: time.Nanosecond}, errors.New("not now") // the error decides, not the wish
			}
			return Result{}, nil
		}}
		cfg := Config{RetryMin: 10 * time.Millisecond, RetryMax: time.Second}
		q := run(t, cfg, r.reconcile)
		for round := range 2 {
			q.Enqueue("a")
			pass(time.Minute)
			at := r.of("a")
			if len(at) != (round+1)*(failures+1) {
				t.Fatalf("round %d: %d calls, want %d", round, len(at), (round+1)*(failures+1))
			}
			at = at[round*(failures+1):]
			want := cfg.RetryMin
			for i := 1; i < len(at); i++ {
				if got := at[i] - at[i-1]; got < want/2 || got > want {
					t.Errorf("pause after error %d was %v, want within %v..%v", i, got, want/2, want)
				}
				want = min(2*want, cfg.RetryMax)
			}
		}
	})
}

func TestAFailingKeyDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now(), answer: func(key string, _ int) (Result, error) {
			if key == "bad" {
				return Result{}, errors.New("always")
			}
			return Result{}, nil
		}}
		q := run(t, Config{Workers: 1}, r.reconcile)
		q.Enqueue("bad")
		pass(time.Minute)
		at := time.Since(r.start)
		q.Enqueue("good")
		synctest.Wait()
		if got := r.of("good"); !slices.Equal(got, []time.Duration{at}) {
			t.Errorf("good was reconciled at %v, want at %v", got, at)
		}
	})
}

func TestRunWaitsForRunningReconcilers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := false
		entered := make(chan struct{})
		q := NewQueue(Config{}, slog.New(slog.DiscardHandler), func(ctx context.Context, _ string) (Result, error) {
			close(entered)
			<-ctx.Done()
			pass(time.Second) // finishing what it was at
			returned = true
			return Result{}, ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- q.Run(ctx) }()
		q.Enqueue("a")
		<-entered
		cancel()
		if err := <-done; err != nil || !returned {
			t.Errorf("Run returned %v before its reconciler did (%v)", err, returned)
		}
	})
}

func TestManyKeysAreEachReconciled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now()}
		q := run(t, Config{}, r.reconcile)
		for i := range 1000 {
			q.Enqueue(string(rune('A' + i%26)))
		}
		synctest.Wait()
		for i := range 26 {
			if key := string(rune('A' + i)); len(r.of(key)) == 0 {
				t.Errorf("%s was never reconciled", key)
			}
		}
	})
}
