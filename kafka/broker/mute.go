package broker

import (
	"context"
	"sync/atomic"
	"time"

	"weir/kafka/image"
	"weir/kafka/quota"
	"weir/metadata"
)

// muting is the part of a connection that keeps it from being read for a while: the client was told to pause (throttle_time_ms, KIP-219), and one
// that does not is made to.
type muting struct {
	until atomic.Int64 // UnixNano; 0: not muted
}

// mute leaves the connection unread for d from now on, what is on its way to be handled excepted. A longer pause that was ordered before stays.
func (m *muting) mute(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		old := m.until.Load()
		if old >= until || m.until.CompareAndSwap(old, until) {
			return
		}
	}
}

// awaitUnmuted waits until the connection may be read.
func (m *muting) awaitUnmuted(ctx context.Context) error {
	for {
		until := m.until.Load()
		if until == 0 {
			return nil
		}
		left := time.Until(time.Unix(0, until))
		if left <= 0 {
			m.until.CompareAndSwap(until, 0)
			continue
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return errStopped
		}
	}
}

// throttleMillis is d as responses tell it: rounded up, so that a client does not come back early.
func throttleMillis(d time.Duration) int32 {
	return int32((d + time.Millisecond - 1) / time.Millisecond)
}

// anonymous is the user of a connection that did not say who it is.
const anonymous = "ANONYMOUS"

// throttleProduce decides for how long the client of a produce request pauses, and makes it.
func (b *Broker) throttleProduce(r *Request) time.Duration {
	if d := b.quotas.Produced(anonymous, r.ClientID, int64(len(r.input.Bytes()))); d > 0 {
		b.throttle(r, "quota", d)
		return d
	}
	d := b.pressure.throttle()
	if d > 0 {
		b.throttle(r, "journal", d)
	}
	return d
}

// throttleFetch is throttleProduce for a fetch that is answered with that many bytes of records.
func (b *Broker) throttleFetch(r *Request, bytes int64) time.Duration {
	d := b.quotas.Fetched(anonymous, r.ClientID, bytes)
	if d > 0 {
		b.throttle(r, "quota", d)
	}
	return d
}

func (b *Broker) throttle(r *Request, why string, d time.Duration) {
	b.metrics.throttled.WithLabelValues(why).Inc()
	b.metrics.throttledSeconds.Add(d.Seconds())
	r.conn.mute(d)
}

// configureQuotas takes the limits of clients from the newest image.
func (b *Broker) configureQuotas(*image.Image) {
	b.quotaMu.Lock()
	defer b.quotaMu.Unlock()
	r := b.image.Current().ClientQuotas()
	if r == b.quotaRecord {
		return
	}
	b.quotaRecord = r
	if r == nil {
		r = &metadata.ClientQuotas{}
	}
	b.quotas.Configure(quota.FromRecord(r))
}
