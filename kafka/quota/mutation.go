package quota

import "time"

// Mutations is what one request may change of the cluster's partitions (KIP-599). Nil is without a limit.
type Mutations struct {
	q      *Quotas
	bucket Entity
	rate   float64
	strict bool
	pause  time.Duration // that was found
	at     time.Time     // when
}

// Mutations begins a request of the client. A strict one refuses what comes while the client has overdrawn; one that is not, of a version of the protocol
// that knows no such refusal, takes everything and makes the client pause.
func (q *Quotas) Mutations(user, client string, strict bool) *Mutations {
	l := q.limits.Load()
	if l == nil || !l.mutations {
		return nil
	}
	rate, bucket := l.table.find(user, client, func(l *Limits) float64 { return l.Mutation })
	if rate <= 0 {
		return nil
	}
	return &Mutations{q: q, bucket: bucket, rate: rate, strict: strict}
}

// Take counts n partitions that are made or deleted and reports whether they may be.
func (m *Mutations) Take(n int) bool {
	if m == nil {
		return true
	}
	q := m.q
	q.mu.Lock()
	defer q.mu.Unlock()
	moment := q.now()
	now := moment.UnixMilli()
	t := q.buckets[m.bucket]
	if t == nil {
		q.sweepLocked(ofBuckets, now)
		t = new(tokens)
		q.buckets[m.bucket] = t
	}
	t.flow(q.mutations, m.rate, now)
	if m.strict && t.left < 0 {
		m.pause, m.at = t.pause(m.rate), moment
		return false
	}
	t.left -= float64(n)
	if !m.strict && t.left < 0 {
		m.pause, m.at = t.pause(m.rate), moment
	}
	return true
}

// Pause is how long the client has to pause from now on.
func (m *Mutations) Pause() time.Duration {
	if m == nil || m.pause == 0 {
		return 0
	}
	return max(m.pause-m.q.now().Sub(m.at), 0)
}
