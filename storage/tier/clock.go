package tier

import (
	"log/slog"
	"sync"
	"time"
)

// clock is the time that retention goes by: the wall clock, unless that jumped. A wall clock that is wrong by years must delete nothing
// (reliability design, R2), so one that runs ahead of the time that passed is followed only after it kept to it for some hours of
// running, or when an operator says that it is right. Until then time passes as the machine's monotonic clock has it.
type clock struct {
	wall       func() time.Time
	jump, hold time.Duration
	log        *slog.Logger

	mu      sync.Mutex
	trusted time.Time // what the time was
	at      time.Time // when that was, on the monotonic clock
	since   time.Time // since when the wall clock has been off, on the monotonic clock; zero if it is not
	off     time.Duration
}

// newClock trusts the wall clock if it is not far ahead of known, the newest time that the data on disk show to have been. Nothing is known if that is
// zero or before 1970.
func newClock(wall func() time.Time, known time.Time, jump, hold time.Duration, log *slog.Logger) *clock {
	c := &clock{wall: wall, jump: jump, hold: hold, log: log, at: time.Now(), trusted: wall()}
	if known.Unix() > 0 && c.trusted.Sub(known) > jump && jump >= 0 {
		c.trusted = known
	}
	return c
}

// now returns the time to go by, and whether the wall clock is not followed.
func (c *clock) now() (now time.Time, held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mono := time.Now()
	expected := c.trusted.Add(mono.Sub(c.at))
	wall := c.wall()
	off := wall.Sub(expected)
	if c.jump < 0 || off.Abs() <= c.jump {
		c.trusted, c.at, c.since = wall, mono, time.Time{}
		return wall, false
	}
	switch {
	case c.since.IsZero() || (off-c.off).Abs() > c.jump:
		c.since, c.off = mono, off
		c.log.Error("the clock jumped: retention does not follow it until it has stayed so, or is confirmed",
			"wall", wall, "expected", expected, "hold", c.hold)
	case mono.Sub(c.since) >= c.hold:
		c.log.Warn("the clock has stayed where it jumped to: retention follows it", "wall", wall, "expected", expected)
		c.trusted, c.at, c.since = wall, mono, time.Time{}
		return wall, false
	}
	if wall.Before(expected) {
		return wall, true // deletes less
	}
	return expected, true
}

// confirm makes the wall clock right.
func (c *clock) confirm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trusted, c.at, c.since = c.wall(), time.Now(), time.Time{}
}
