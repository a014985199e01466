package quota

import "time"

// window is how much came in the last samples, and how fast. It follows Kafka's SampledStat and Rate, so that clients are slowed alike.
type window struct {
	samples []sample
	current int
}

type sample struct {
	start, last int64 // milliseconds
	sum         float64
}

// span says how samples are taken.
type span struct {
	count  int           // samples
	length time.Duration // of each
}

func (s span) millis() int64 { return s.length.Milliseconds() }

// add counts v, which may be negative to take back.
func (w *window) add(s span, v float64, now int64) {
	switch {
	case len(w.samples) == 0:
		w.samples = append(w.samples, sample{start: now})
	case now-w.samples[w.current].start >= s.millis():
		// One more than are measured: the oldest may still reach into the time that is.
		if w.current = (w.current + 1) % (s.count + 1); w.current < len(w.samples) {
			w.samples[w.current] = sample{start: now}
		} else {
			w.samples = append(w.samples, sample{start: now})
			w.current = len(w.samples) - 1
		}
	}
	at := &w.samples[w.current]
	at.sum += v
	at.last = now
}

// measure returns the sum of what is not too old, and the time that it is divided by for a rate, in milliseconds.
func (w *window) measure(s span, now int64) (sum float64, over int64) {
	oldest := now
	for i := range w.samples {
		at := &w.samples[i]
		if now-at.last >= int64(s.count)*s.millis() {
			*at = sample{start: now, last: now}
		}
		sum += at.sum
		oldest = min(oldest, at.start)
	}
	over = now - oldest
	if missing := int64(s.count-1) - over/s.millis(); missing > 0 {
		over += missing * s.millis()
	}
	return sum, max(over, 1)
}

// pause is the time after which the rate would be limit if nothing more came; 0 if it is not above.
func (w *window) pause(s span, limit float64, now int64) time.Duration {
	sum, over := w.measure(s, now)
	if sum*1000 <= limit*float64(over) {
		return 0
	}
	return millis(sum*1000/limit - float64(over))
}

// idle reports whether nothing of it counts any more.
func (w *window) idle(s span, now int64) bool {
	for i := range w.samples {
		if now-w.samples[i].last < int64(s.count)*s.millis() {
			return false
		}
	}
	return true
}

// pauseMax is the longest pause that a response can tell.
const pauseMax = 1<<31 - 1

// millis rounds to whole milliseconds, as clients are told, and at least one.
func millis(ms float64) time.Duration {
	return time.Duration(min(max(ms+0.5, 1), pauseMax)) * time.Millisecond
}

// tokens is a bucket that fills with so many tokens a second up to what the span's time brings. It may be overdrawn.
type tokens struct {
	left  float64
	at    int64 // milliseconds
	begun bool
}

func (t *tokens) flow(s span, rate float64, now int64) {
	full := rate * float64(s.count) * s.length.Seconds()
	if !t.begun {
		t.left, t.begun = full, true
	} else if now > t.at {
		t.left += rate * float64(now-t.at) / 1000
	}
	t.left = min(t.left, full)
	t.at = max(t.at, now)
}

// pause is the time until it is not overdrawn any more.
func (t *tokens) pause(rate float64) time.Duration {
	if t.left >= 0 {
		return 0
	}
	return millis(-t.left / rate * 1000)
}
