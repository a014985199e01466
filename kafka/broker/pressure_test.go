package broker

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The steps of a journal that fills: slow, held, refused, and back.
func TestProducersFeelTheJournal(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	produce := func() *kmsg.ProduceResponse {
		return ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", topic.ID, records(1, 10)))
	}
	for _, s := range []struct {
		share    float64
		throttle int32
		code     int16
	}{{0, 0, 0}, {0.7499, 0, 0}, {0.825, 500, 0}, {1, 1000, kerr.KafkaStorageError.Code}, {1.7, 1000, kerr.KafkaStorageError.Code}, {0.1, 0, 0}} {
		b.SetJournalShare(s.share)
		got := produce()
		if got.ThrottleMillis != s.throttle || got.Topics[0].Partitions[0].ErrorCode != s.code {
			t.Errorf("journal at %v of its limit: throttle %d ms, %+v", s.share, got.ThrottleMillis, got.Topics[0].Partitions[0])
		}
	}
	if got := counter(b.metrics.journalRefused); got != 2 {
		t.Errorf("%d requests were counted as refused", got)
	}

	b.SetJournalShare(0.95)
	c := r.dial(b)
	req := produceReq(9, -1, "t", topic.ID, records(1, 10))
	c.send(1, req)
	r.await("the request is held", func() bool { return gauge(b.metrics.produceHeld) == 1 })
	// Consumers do not feel it.
	if got := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", topic.ID, 1, 0)); got.Topics[0].Partitions[0].ErrorCode != 0 || got.ThrottleMillis != 0 {
		t.Errorf("fetch: %+v", got)
	}
	b.SetJournalShare(0.96)
	b.SetJournalShare(0.5)
	if got := receive[*kmsg.ProduceResponse](c, req, 1); got.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("after the journal eased: %+v", got)
	}
	if got := gauge(b.metrics.produceHeld); got != 0 {
		t.Errorf("%d requests are held", got)
	}
}

// A held connection does not hold up the broker's end.
func TestHeldProducersEndWithTheBroker(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	b.SetJournalShare(0.95)
	c := r.dial(b)
	c.send(1, produceReq(9, -1, "t", topic.ID, records(1, 10)))
	r.await("the request is held", func() bool { return gauge(b.metrics.produceHeld) == 1 })
	if err := b.stop(); err != nil {
		t.Error(err)
	}
}

func TestPressureWakesAllWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Broker{metrics: newMetrics(nil, table())}
		b.SetJournalShare(0.95)
		done := make(chan error, 3)
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			go func() { done <- b.pressure.await(t.Context()) }()
		}
		go func() { done <- b.pressure.await(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, errStopped) {
			t.Errorf("got %v", err)
		}
		b.SetJournalShare(1) // they are read to be refused
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestMutedConnectionIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m muting
		began := time.Now()
		m.mute(2 * time.Second)
		m.mute(time.Second)
		go func() {
			time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // in a bubble
			m.mute(time.Second)
		}()
		if err := m.awaitUnmuted(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 2500*time.Millisecond {
			t.Errorf("muted for %v", took)
		}
		if err := m.awaitUnmuted(t.Context()); err != nil || time.Since(began) != 2500*time.Millisecond {
			t.Errorf("it stays muted: %v", err)
		}
		m.mute(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.awaitUnmuted(ctx); !errors.Is(err, errStopped) {
			t.Errorf("got %v", err)
		}
	})
}

// One connection that floods the broker gets its share, and no more: others come in turn.
func TestOneConnectionCannotStarveOthers(t *testing.T) {
	r := newRig(t, rigConfig{limits: Limits{ProduceBytesMax: 2 << 20}})
	b := r.brokers[0]
	topic := r.create("t", 1)
	b.log.keepNothing()
	release := b.log.hold()
	flood := func() *wireConn {
		c := r.dial(b)
		go func() {
			req := produceReq(9, -1, "t", topic.ID, records(1, 500<<10))
			frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, 1)
			for {
				if _, err := c.Write(frame); err != nil {
					return
				}
			}
		}()
		go func() {
			for {
				if _, _, err := c.frame(); err != nil {
					return
				}
			}
		}()
		return c
	}
	var floods []net.Conn
	for range 3 {
		floods = append(floods, flood())
	}
	r.await("the budget is used up", func() bool { return counter(b.metrics.budgetWaits.WithLabelValues("produce")) >= 3 })
	small := r.dial(b)
	req := produceReq(9, -1, "t", topic.ID, records(1, 10))
	small.send(7, req)
	r.await("the small one waits as well", func() bool { return counter(b.metrics.budgetWaits.WithLabelValues("produce")) >= 4 })
	release()
	got := receive[*kmsg.ProduceResponse](small, req, 7).Topics[0].Partitions[0]
	// What was in hand (4) and what waited before it (3) may go first, and, if its turn comes at a moment when the machine has none for it, what comes in
	// meanwhile; not the whole flood, which has no end. Each has one record.
	if got.ErrorCode != 0 || got.BaseOffset > 500 {
		t.Errorf("%d large requests went first: %+v", got.BaseOffset, got)
	}
	for _, c := range floods {
		_ = c.Close()
	}
}
