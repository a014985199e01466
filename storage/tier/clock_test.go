package tier

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// A wall clock that is wrong by years is not followed, one that stays where it is for hours is (reliability design, R2).
func TestRetentionDoesNotFollowAClockThatJumps(t *testing.T) {
	const year = 365 * 24 * time.Hour
	tests := []struct {
		name  string
		known time.Duration // before the start; 0: unknown
		jump  time.Duration // of the wall clock, after an hour
		back  bool          // it jumps back an hour later
	}{
		{name: "no jump"},
		{name: "ten years ahead", jump: 10 * year},
		{name: "ten years back", jump: -10 * year},
		{name: "ahead and back", jump: 10 * year, back: true},
		{name: "back and ahead", jump: -10 * year, back: true},
		{name: "wrong from the start", known: 10 * year},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var off time.Duration
				wall := func() time.Time { return time.Now().Add(off) }
				var known time.Time
				if tt.known > 0 {
					known = start.Add(-tt.known)
				}
				c := newClock(wall, known, time.Hour, 6*time.Hour, slog.New(slog.DiscardHandler))
				check := func(want time.Time, wantHeld bool) {
					t.Helper()
					if got, held := c.now(); !got.Equal(want) || held != wantHeld {
						t.Errorf("after %v: now is %v, held %v; want %v, %v", time.Since(start), got, held, want, wantHeld)
					}
				}
				run := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
						c.now()
					}
				}
				ago := tt.known
				check(start.Add(-ago), ago > 0)
				run(time.Hour)
				check(time.Now().Add(-ago), ago > 0)
				off = tt.jump
				trusted := func() time.Time { // nothing younger than it should be is deleted
					return time.Now().Add(min(off, 0) - ago)
				}
				check(trusted(), ago > 0 || off != 0)
				run(time.Hour)
				check(trusted(), ago > 0 || off != 0)
				if tt.back {
					off = 0
					check(time.Now(), false)
				}
				run(6 * time.Hour)
				check(wall(), false)
			})
		})
	}
}

func TestOperatorConfirmsTheClock(t *testing.T) {
	wall := time.Now()
	c := newClock(func() time.Time { return wall }, time.Time{}, time.Hour, 6*time.Hour, slog.New(slog.DiscardHandler))
	wall = wall.Add(100 * 24 * time.Hour)
	if _, held := c.now(); !held {
		t.Error("the jump was followed")
	}
	c.confirm()
	if now, held := c.now(); held || !now.Equal(wall) {
		t.Errorf("after it was confirmed: %v, held %v", now, held)
	}
}
