package broker

import (
	"context"
	"math"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/quota"
	"weir/kafka/topic"
	"weir/metadata"
)

// throttleMillis is d as responses tell it: rounded up, so that a client does not come back early.
func throttleMillis(d time.Duration) int32 {
	return int32((d + time.Millisecond - 1) / time.Millisecond)
}

// anonymous is the user of a connection that did not say who it is.
const anonymous = "ANONYMOUS"

// throttleProduce decides for how long the client of a produce request that kept us busy for so long pauses, and makes it. Without
// an answer (acks=0) the time does not count, as in Kafka.
func (b *Broker) throttleProduce(r *Request, acks int16, busy time.Duration) time.Duration {
	pause, why := b.quotas.Produced(anonymous, r.ClientID, int64(len(r.input.Bytes()))), "quota"
	if acks != 0 && b.quotas.LimitsRequests() {
		if d := b.quotas.Requested(anonymous, r.ClientID, busy); d > pause {
			pause, why = d, "request"
		}
	}
	if d := b.kind.countIn(int64(len(r.input.Bytes())), r.produce); d > pause {
		pause, why = d, "kind"
	}
	if pause == 0 {
		pause, why = b.pressure.throttle(), "journal"
	}
	b.throttle(r, why, pause)
	return pause
}

// throttleFetch is throttleProduce for a fetch that is to be answered with that many bytes of records. If there is a pause, they are sent only
// if they are alone (see quota.Quotas.Fetched).
func (b *Broker) throttleFetch(r *Request, bytes int64, busy time.Duration) (pause time.Duration, alone bool) {
	pause, alone = b.quotas.Fetched(anonymous, r.ClientID, bytes)
	why := "quota"
	if b.quotas.LimitsRequests() {
		if d := b.quotas.Requested(anonymous, r.ClientID, busy); d > pause {
			pause, why, alone = d, "request", false
		}
	}
	if pause > 0 && !alone {
		b.quotas.Unfetched(anonymous, r.ClientID, bytes)
	}
	b.throttle(r, why, pause)
	return pause, alone
}

// throttleResponse is throttleProduce for all other requests: it counts what the handler took and what it changed of the cluster, and
// tells the client of the pause in resp.
func (b *Broker) throttleResponse(r *Request, resp kmsg.Response) {
	var pause time.Duration
	var why string
	if r.conn != nil {
		pause, why = b.kind.countRequest(r.Body.Key()), "kind"
	}
	if r.mutations != nil {
		if d := r.mutations.Pause(); d > pause {
			pause, why = d, "mutation"
		}
	}
	if r.conn != nil && b.quotas.LimitsRequests() {
		if d := b.quotas.Requested(anonymous, r.ClientID, r.busy); d > pause {
			pause, why = d, "request"
		}
	}
	if pause == 0 {
		return
	}
	if t, ok := resp.(kmsg.SetThrottleResponse); ok {
		t.SetThrottle(throttleMillis(pause))
	}
	b.throttle(r, why, pause)
}

// waits tells whether a request of that key spends its time waiting, for the metadata store, for the disk or for other clients: Kafka's broker hands those
// to the controller or parks them, and does not count the time either. All others look up what is there.
func waits(key int16) bool {
	switch key {
	case 2, 3, 9, 10, 15, 16, 18, 23, 29, 32, 35, 46, 48, 50, 55, 60, 61, 65, 66, 69, 71, 72, 74, 75, 77, 80, 89, 90, 92:
		return false
	}
	return true
}

// limited is what makes and deletes topics for the client of r. Versions before strictSince know no refusal for its quota.
func (b *Broker) limited(r *Request, strictSince int16) *topic.Admin {
	if r.mutations == nil {
		r.mutations = b.quotas.Mutations(anonymous, r.ClientID, r.Body.GetVersion() >= strictSince)
	}
	if r.mutations == nil {
		return b.topics
	}
	return b.topics.Limited(r.mutations.Take)
}

func (b *Broker) throttle(r *Request, why string, d time.Duration) {
	if d == 0 {
		return
	}
	b.metrics.throttled.WithLabelValues(why).Inc()
	b.metrics.throttledSeconds.Add(d.Seconds())
	b.kafka.request(r.Body.Key()).throttle.Observe(d)
	if r.conn != nil {
		r.conn.mute(d)
	}
}

// configureQuotas takes the limits of clients from the newest image.
func (b *Broker) configureQuotas(*image.Image) {
	b.quotaMu.Lock()
	defer b.quotaMu.Unlock()
	rate := b.topics.Layers().BrokerInt("max.connection.creation.rate")
	if rate == math.MaxInt32 { // the default: no limit
		rate = 0
	}
	b.quotas.LimitConnections(float64(rate))
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

// heldMax is how many connections that came too fast are kept waiting at once. Beyond it they are closed without a pause.
const heldMax = 1000

// admitRate closes a connection that comes from an address faster than its quota allows (KIP-612), though not before the address could have another: a
// client that tries again at once would only come more often. It reports whether nc may be served.
func (b *Broker) admitRate(ctx context.Context, nc net.Conn, conns interface{ Go(func()) }) bool {
	d := b.quotas.Connected(remote(nc))
	if d == 0 {
		return true
	}
	b.metrics.throttled.WithLabelValues("connection").Inc()
	b.metrics.throttledSeconds.Add(d.Seconds())
	if b.held.Add(1) > heldMax {
		b.held.Add(-1)
		_ = nc.Close() // refused anyway
		return false
	}
	conns.Go(func() {
		defer b.held.Add(-1)
		hold(ctx, d)
		_ = nc.Close() // refused anyway
	})
	return false
}

// hold waits for d or until ctx ends.
func hold(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
