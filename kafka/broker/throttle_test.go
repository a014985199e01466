package broker

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/quota"
	"weir/metadata"
)

// limit sets the limits of clients and waits until the broker has them.
func (r *rig) limit(b *rigBroker, t quota.Table) {
	r.t.Helper()
	rev := r.commit(metadata.Put(metadata.ClientQuotasKey(testCluster), metadata.Encode(t.Record())))
	if _, err := b.live.Await(r.t.Context(), rev); err != nil { // or it would be the limits before these that are known
		r.t.Fatal(err)
	}
	r.await("the limits are known", func() bool {
		b.quotaMu.Lock()
		defer b.quotaMu.Unlock()
		return b.quotaRecord != nil && b.quotaRecord == b.live.Current().ClientQuotas()
	})
}

// A client over its quota gets its answer at once, with the time to pause; what it sends before that is over is not read.
func TestQuotaMutesTheConnection(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"quota.window.num": "2"}})
	b := r.brokers[0]
	topic := r.create("t", 1)
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Produce: 1000}})

	began := time.Now()
	c := r.dial(b)
	req := produceReq(9, -1, "t", topic.ID, records(1, 1200))
	c.send(1, req)
	first := receive[*kmsg.ProduceResponse](c, req, 1)
	if first.ThrottleMillis < 100 || first.ThrottleMillis > 500 || first.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("first: %+v", first)
	}
	large := produceReq(9, -1, "t", topic.ID, records(1, 100_000))
	c.send(2, large)
	second := receive[*kmsg.ProduceResponse](c, large, 2)
	if waited := time.Since(began); waited < time.Duration(first.ThrottleMillis)*time.Millisecond {
		t.Errorf("the second request was answered after %v, a pause of %d ms was told", waited, first.ThrottleMillis)
	}
	if second.ThrottleMillis < 20_000 { // about 100 s, however slowly the test goes
		t.Errorf("second: throttle %d ms", second.ThrottleMillis)
	}
	c.send(3, req)
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, _, err := c.frame(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the third request was answered while the connection is mute: %v", err)
	}
	r.commit(metadata.Delete(metadata.ClientQuotasKey(testCluster)))
	r.await("the limits are gone", func() bool {
		b.quotaMu.Lock()
		defer b.quotaMu.Unlock()
		return b.quotaRecord == nil
	})
	if got := ask[*kmsg.ProduceResponse](r, b, req); got.ThrottleMillis != 0 {
		t.Errorf("without limits: throttle %d ms", got.ThrottleMillis)
	}
}

// throttledFetch makes a broker whose quotas are measured over two windows of so many seconds, and a topic with two batches of more than 800 bytes. What it
// returns fetches from an offset on.
func throttledFetch(t *testing.T, windowSeconds string) (*rig, func(offset int64) (throttle int32, bytes int)) {
	r := newRig(t, rigConfig{properties: map[string]string{"quota.window.num": "2", "quota.window.size.seconds": windowSeconds}})
	b := r.brokers[0]
	topic := r.create("t", 1)
	for range 2 {
		ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", topic.ID, records(1, 800)))
	}
	return r, func(offset int64) (throttle int32, bytes int) {
		got := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", topic.ID, 1, offset))
		if got.ErrorCode != 0 {
			t.Fatalf("%+v", got)
		}
		for _, p := range got.Topics {
			bytes += len(p.Partitions[0].RecordBatches)
		}
		return got.ThrottleMillis, bytes
	}
}

// A fetch that would exceed the quota is answered without records. The windows are so long that it does not matter how fast the test goes.
func TestThrottledFetchComesEmpty(t *testing.T) {
	r, fetch := throttledFetch(t, "100")
	b := r.brokers[0]
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Fetch: 10}})
	if throttle, bytes := fetch(0); throttle != 0 || bytes < 800 || bytes > 1000 {
		t.Errorf("the first: %d bytes, throttle %d ms", bytes, throttle)
	}
	if throttle, bytes := fetch(1); throttle < 10_000 || bytes != 0 {
		t.Errorf("the second: %d bytes, throttle %d ms", bytes, throttle)
	}
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Fetch: 1000}})
	if throttle, bytes := fetch(1); throttle != 0 || bytes < 800 {
		t.Errorf("with more room: %d bytes, throttle %d ms", bytes, throttle)
	}
}

// It brings them once the client has paused; one whose records would never be within the quota brings them at once, with the pause.
func TestThrottledFetchBringsRecordsAfterThePause(t *testing.T) {
	r, fetch := throttledFetch(t, "1")
	b := r.brokers[0]
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Fetch: 1000}})
	fetch(0)
	r.await("the records come after a pause", func() bool { _, bytes := fetch(1); return bytes > 0 })

	r.limit(b, quota.Table{{Client: quota.One("test")}: {Fetch: 100}})
	r.await("a batch that is larger than the quota comes", func() bool { throttle, bytes := fetch(1); return bytes > 0 && throttle > 1000 })
}

func TestRequestTimeThrottlesAllRequests(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Request: 1e-9}})
	for i, req := range []kmsg.Request{
		kmsg.NewPtrMetadataRequest(), kmsg.NewPtrDescribeClientQuotasRequest(), kmsg.NewPtrApiVersionsRequest(),
		produceReq(9, -1, "t", topic.ID, records(1, 10)), fetchReq(12, "t", topic.ID, 1, 0),
	} {
		if i < 3 {
			req.SetVersion([]int16{3, 1, 1}[i])
		}
		c := r.dial(b)
		c.send(1, req)
		throttled, ok := receive[kmsg.Response](c, req, 1).(kmsg.ThrottleResponse)
		if !ok {
			t.Fatalf("%T has no throttle time", req)
		}
		if ms, _ := throttled.Throttle(); ms < 1 || ms > 1000 {
			t.Errorf("%T: throttle %d ms, want one window at most", throttled, ms)
		}
	}
}

// KIP-599: new versions are refused, with the time after which to try again; old ones are done and have to wait.
func TestMutationQuota(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"controller.quota.window.num": "1", "controller.quota.window.size.seconds": "100"}})
	b := r.brokers[0]
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Mutation: 0.05}}) // a bucket of 5 that hardly fills while the test runs
	create := func(version int16, name string, partitions int32) *kmsg.CreateTopicsResponse {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.TimeoutMillis = version, 60_000
		in := kmsg.NewCreateTopicsRequestTopic()
		in.Topic, in.NumPartitions, in.ReplicationFactor = name, partitions, 1
		req.Topics = append(req.Topics, in)
		return ask[*kmsg.CreateTopicsResponse](r, b, req)
	}
	if got := create(7, "a", 9); got.Topics[0].ErrorCode != 0 || got.ThrottleMillis != 0 {
		t.Fatalf("a bucket in credit: %+v", got)
	}
	if got := create(7, "b", 1); got.Topics[0].ErrorCode != kerr.ThrottlingQuotaExceeded.Code || got.ThrottleMillis < 1 || got.ThrottleMillis > 80_000 {
		t.Fatalf("overdrawn: %+v", got)
	}
	if got := create(5, "c", 10); got.Topics[0].ErrorCode != 0 || got.ThrottleMillis < 200_000 {
		t.Fatalf("an old version: %+v", got)
	}
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Version, grow.TimeoutMillis = 3, 60_000
	in := kmsg.NewCreatePartitionsRequestTopic()
	in.Topic, in.Count = "a", 12
	grow.Topics = append(grow.Topics, in)
	if got := ask[*kmsg.CreatePartitionsResponse](r, b, grow); got.Topics[0].ErrorCode != kerr.ThrottlingQuotaExceeded.Code || got.ThrottleMillis < 1 {
		t.Errorf("CreatePartitions: %+v", got)
	}
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.Version, remove.TimeoutMillis = 5, 60_000
	remove.TopicNames = []string{"a"}
	if got := ask[*kmsg.DeleteTopicsResponse](r, b, remove); got.Topics[0].ErrorCode != kerr.ThrottlingQuotaExceeded.Code || got.ThrottleMillis < 1 {
		t.Errorf("DeleteTopics: %+v", got)
	}
	r.limit(b, quota.Table{{Client: quota.One("test")}: {Mutation: 1000}})
	r.await("the bucket fills", func() bool { return ask[*kmsg.DeleteTopicsResponse](r, b, remove).Topics[0].ErrorCode == 0 })
}

// KIP-612: a connection too many is closed, but not at once.
func TestConnectionRateByAddress(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"quota.window.num": "2", "quota.window.size.seconds": "100"}})
	b := r.brokers[0]
	r.limit(b, quota.Table{{IP: quota.One("127.0.0.1")}: {Connection: 0.01}})
	first, second := r.dial(b), r.dial(b)
	versions := kmsg.NewPtrApiVersionsRequest()
	first.send(1, versions)
	receive[*kmsg.ApiVersionsResponse](first, versions, 1)
	r.await("the second is kept waiting", func() bool { return b.held.Load() == 1 })
	_ = second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while it waits: %v", err)
	}
}

// Its pause is a window at most. How many of these come in one window depends on the machine, but not all of them have their own.
func TestConnectionTooManyIsClosed(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"quota.window.num": "2"}})
	b := r.brokers[0]
	r.limit(b, quota.Table{{IP: quota.One("127.0.0.1")}: {Connection: 1}})
	outcomes := make(chan error, 50)
	for range cap(outcomes) {
		c := r.dial(b)
		go func() {
			_, err := c.Read(make([]byte, 1))
			outcomes <- err
		}()
	}
	if err := <-outcomes; !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if n := counter(b.metrics.throttled.WithLabelValues("connection")); n == 0 {
		t.Error("it is not counted")
	}
}
