package node

import "time"

// backoff decides how long to wait before a broker is started again. Two kinds of ends are told apart. A broker that served and then
// ended (killed, out of memory, a bug) is needed back at once: the pause grows to a second only. One that ended before it served (its
// address is taken, its configuration or data is bad) will not get better by haste: the pause doubles up to 10 s, and after
// crashStarts starts within crashWindow it is crashPause.
type backoff struct {
	starts []time.Time // that ended before serving, within crashWindow
	served []time.Time // ends after serving, within servedWindow
}

const (
	crashStarts  = 5
	crashWindow  = 5 * time.Minute
	crashPause   = 30 * time.Second
	failPauseMin = 200 * time.Millisecond
	failPauseMax = 10 * time.Second

	servedWindow   = time.Minute
	servedPauseMin = 50 * time.Millisecond
	servedPauseMax = time.Second
)

// after returns the pause after a process that served or did not, ending now.
func (b *backoff) after(served bool, now time.Time) time.Duration {
	if served {
		b.starts = nil
		b.served = append(within(b.served, now, servedWindow), now)
		if n := len(b.served); n > 1 {
			return doubled(servedPauseMin, n-2, servedPauseMax)
		}
		return 0
	}
	b.starts = append(within(b.starts, now, crashWindow), now)
	if n := len(b.starts); n < crashStarts {
		return doubled(failPauseMin, n-1, failPauseMax)
	}
	return crashPause
}

// reset forgets: somebody asked for a start.
func (b *backoff) reset() { b.starts, b.served = nil, nil }

func within(ts []time.Time, now time.Time, window time.Duration) []time.Time {
	for len(ts) > 0 && now.Sub(ts[0]) > window {
		ts = ts[1:]
	}
	return ts
}

func doubled(d time.Duration, times int, most time.Duration) time.Duration {
	for range times {
		if d >= most {
			return most
		}
		d *= 2
	}
	return min(d, most)
}
