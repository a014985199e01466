package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/sharestate"
	"weir/metadata"
)

// fromStart lets a share group begin at the start of partitions.
func (r *rig) fromStart(group string, more ...string) {
	r.t.Helper()
	configs := map[string]string{"share.auto.offset.reset": "earliest"}
	for i := 0; i < len(more); i += 2 {
		configs[more[i]] = more[i+1]
	}
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for k, v := range configs {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = k, &v
		res.Configs = append(res.Configs, c)
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, res)
	if resp, err := req.RequestWith(context.Background(), r.client()); err != nil || resp.Resources[0].ErrorCode != 0 {
		r.t.Fatal(err, resp)
	}
	for _, b := range r.brokers {
		r.await("the group's configs are known", func() bool { return len(b.live.Current().GroupConfigs(group)) == len(configs) })
	}
}

// Members of a share group that are more than the partitions get each record once, and a later member only what is new.
func TestShareGroupConsumes(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 3, properties: map[string]string{"share.coordinator.state.topic.num.partitions": "8"}, quiet: true})
	r.create("trips", 2)
	r.fromStart("g")
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	const total = 600
	produce(ctx, t, r.client(), "trips", 0, total)
	var mu sync.Mutex
	seen := make(map[string]int)
	consume := func(want int) {
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			cl := r.client(kgo.ShareGroup("g"), kgo.ConsumeTopics("trips"), kgo.FetchMaxWait(50*time.Millisecond), kgo.ShareMaxRecords(50))
			wg.Go(func() {
				defer cl.Close()
				for {
					select {
					case <-done:
						return
					default:
					}
					pctx, stop := context.WithTimeout(ctx, 200*time.Millisecond)
					fs := cl.PollRecords(pctx, 20)
					stop()
					mu.Lock()
					fs.EachRecord(func(rec *kgo.Record) {
						seen[string(rec.Value)]++
						rec.Ack(kgo.AckAccept)
					})
					if len(seen) == want {
						select {
						case <-done:
						default:
							close(done)
						}
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	consume(total)
	produce(ctx, t, r.client(), "trips", total, total+100)
	consume(total + 100)
	for v, n := range seen {
		if n != 1 {
			t.Errorf("record %s was delivered %d times", v, n)
		}
	}
	adm := r.client()
	describe := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	describe.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: "g"}}
	r.await("nothing is left to be delivered", func() bool {
		resp, err := describe.RequestWith(ctx, adm)
		if err != nil || len(resp.Groups) != 1 || resp.Groups[0].ErrorCode != 0 || len(resp.Groups[0].Topics) != 1 {
			t.Fatal(err, resp)
		}
		for _, p := range resp.Groups[0].Topics[0].Partitions {
			if p.Lag != 0 {
				return false
			}
		}
		return len(resp.Groups[0].Topics[0].Partitions) == 2
	})
	list := kmsg.NewPtrListGroupsRequest()
	list.TypesFilter = []string{"share"}
	if resp, err := list.RequestWith(ctx, adm); err != nil || fmt.Sprint(groupTypes(resp)) != "[g/share/share]" {
		t.Errorf("%v %v", groupTypes(resp), err)
	}
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{"g"}
	r.await("the members are gone", func() bool {
		resp, err := del.RequestWith(ctx, adm)
		return err == nil && resp.Groups[0].ErrorCode == 0
	})
}

func groupTypes(resp *kmsg.ListGroupsResponse) (out []string) {
	if resp != nil {
		for _, g := range resp.Groups {
			out = append(out, g.Group+"/"+g.ProtocolType+"/"+g.GroupType)
		}
	}
	return out
}

// sharing is one member on a connection of its own, request by request.
type sharing struct {
	*rig
	c      *wireConn
	member string
	topic  *image.Topic
	epoch  int32
	next   int32
}

// sharer makes a member of the group "g"; the partitions of the topic have states that begin at offset 0.
func (r *rig) sharer(member string, topic *image.Topic) *sharing {
	b := r.brokers[0]
	for i := range topic.Partitions {
		err := b.shares.client.InitializeState(r.t.Context(), sharestate.Key{Group: "g", Topic: topic.ID, Partition: int32(i)}, 1, 0)
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return &sharing{rig: r, c: r.dial(b), member: member, topic: topic}
}

func (s *sharing) request(wait time.Duration, acks ...kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch) *kmsg.ShareFetchRequest {
	group := "g"
	req := kmsg.NewPtrShareFetchRequest()
	req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch = 2, &group, &s.member, s.epoch
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.MaxRecords, req.BatchSize = int32(wait.Milliseconds()), 1, 1<<20, 500, 500
	p := kmsg.NewShareFetchRequestTopicPartition()
	p.AcknowledgementBatches = acks
	if s.epoch == 0 || len(acks) > 0 {
		req.Topics = []kmsg.ShareFetchRequestTopic{{TopicID: s.topic.ID, Partitions: []kmsg.ShareFetchRequestTopicPartition{p}}}
	}
	return req
}

func (s *sharing) send(req *kmsg.ShareFetchRequest) (got func() *kmsg.ShareFetchResponse) {
	s.next++
	id := s.next
	s.c.send(id, req)
	if s.epoch >= 0 {
		s.epoch++
	}
	return func() *kmsg.ShareFetchResponse { return receive[*kmsg.ShareFetchResponse](s.c, req, id) }
}

func (s *sharing) fetch(wait time.Duration, acks ...kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch) *kmsg.ShareFetchResponse {
	return s.send(s.request(wait, acks...))()
}

func acks(first, last int64, types ...int8) kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch {
	return kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{FirstOffset: first, LastOffset: last, AcknowledgeTypes: types}
}

// shared is the one partition of a response: "acquired ranges" or errors.
func shared(resp *kmsg.ShareFetchResponse) string {
	if resp.ErrorCode != 0 {
		return kerr.ErrorForCode(resp.ErrorCode).(*kerr.Error).Message //nolint:errcheck,errorlint // it is one
	}
	if len(resp.Topics) == 0 {
		return "nothing"
	}
	out := ""
	p := resp.Topics[0].Partitions[0]
	for _, c := range []int16{p.ErrorCode, p.AcknowledgeErrorCode} {
		if c != 0 {
			out += kerr.ErrorForCode(c).(*kerr.Error).Message + " " //nolint:errcheck,errorlint // it is one
		}
	}
	for _, a := range p.AcquiredRecords {
		out += fmt.Sprintf("%d-%d x%d ", a.FirstOffset, a.LastOffset, a.DeliveryCount)
	}
	if (len(p.Records) > 0) != (len(p.AcquiredRecords) > 0) {
		out += "records without being acquired"
	}
	return out
}

func TestShareFetch(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"share.coordinator.state.topic.num.partitions": "2"}})
	b := r.brokers[0]
	topic := r.create("t", 1)
	want := func(what string, resp *kmsg.ShareFetchResponse, want string) {
		t.Helper()
		if got := shared(resp); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	write := func() { ask[*kmsg.ProduceResponse](r, b, produceReq(9, 1, "t", topic.ID, records(5, 10))) }

	one := r.sharer("one", topic)
	one.epoch = 1
	want("no session", one.fetch(0), "SHARE_SESSION_NOT_FOUND")
	one.epoch = 0
	want("an empty partition", one.fetch(0), "nothing")
	got := one.send(one.request(time.Minute))
	r.await("it waits", func() bool { return gauge(b.metrics.fetchWaiting) == 1 })
	write()
	want("woken by a record", got(), "0-4 x1 ")
	two := r.sharer("two", topic)
	want("held by another", two.fetch(0), "nothing")
	got = two.send(two.request(time.Minute))
	r.await("it waits", func() bool { return gauge(b.metrics.fetchWaiting) == 1 })
	release := one.request(0, acks(0, 3, 2), acks(4, 4, 1))
	release.MaxRecords = 0 // or it could get them itself
	want("released, one kept", one.send(release)(), "")
	want("woken by a release", got(), "0-3 x2 ")
	want("not mine", one.fetch(0, acks(0, 0, 1)), "INVALID_RECORD_STATE ")
	want("no such type", one.fetch(0, acks(0, 0, 9)), "INVALID_REQUEST ")
	want("types do not fit", one.fetch(0, acks(0, 3, 1, 1)), "INVALID_REQUEST ")
	one.epoch--
	want("an old epoch", one.fetch(0), "INVALID_SHARE_SESSION_EPOCH")

	renew := two.request(0, acks(0, 3, 4))
	renew.IsRenewAck = true
	want("a renewal that fetches", two.send(renew)(), "INVALID_REQUEST")
	two.epoch--
	renew = two.request(0, acks(0, 3, 4))
	renew.IsRenewAck, renew.MaxBytes, renew.MinBytes, renew.MaxRecords = true, 0, 0, 0
	if resp := two.send(renew)(); shared(resp) != "" || resp.AcquisitionLockTimeoutMillis != 30_000 {
		t.Errorf("renewed: %q, %d ms", shared(resp), resp.AcquisitionLockTimeoutMillis)
	}

	// The end of a connection ends its session.
	three := r.sharer("three", topic)
	three.fetch(0)
	got = three.send(three.request(time.Minute))
	r.await("it waits", func() bool { return gauge(b.metrics.fetchWaiting) == 1 })
	two.c.Close()
	want("released by the end of a connection", got(), "0-3 x3 ")

	// Strictly limited (KIP-1206).
	write()
	four := r.sharer("four", topic)
	strict := four.request(0)
	strict.ShareAcquireMode, strict.MaxRecords = 1, 2
	want("two records only", four.send(strict)(), "5-6 x1 ")

	// The last request of a session acknowledges and releases.
	last := three.request(0, acks(0, 1, 1))
	last.ShareSessionEpoch = -1
	three.epoch = -1
	want("the end of a session", three.send(last)(), "")
	r.await("what was not acknowledged is free", func() bool { return shared(four.fetch(0)) == "2-3 x4 " })
	want("the session is gone", three.send(last)(), "SHARE_SESSION_NOT_FOUND")

	// Others.
	five := r.sharer("five", topic)
	none := five.request(0)
	none.Topics[0].TopicID = metadata.NewTopicID()
	want("an unknown topic", five.send(none)(), "UNKNOWN_TOPIC_ID ")
	five.epoch = 0
	none = five.request(0)
	none.Topics[0].Partitions[0].Partition = 7
	want("an unknown partition", five.send(none)(), "UNKNOWN_TOPIC_OR_PARTITION ")
	five.member, five.epoch = "a member id that is longer than thirty-six", 0
	want("a bad member", five.fetch(0), "INVALID_REQUEST")
}

func TestShareAcknowledge(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"share.coordinator.state.topic.num.partitions": "2"}})
	b := r.brokers[0]
	topic := r.create("t", 1)
	ask[*kmsg.ProduceResponse](r, b, produceReq(9, 1, "t", topic.ID, records(5, 10)))
	one := r.sharer("one", topic)
	if got := shared(one.fetch(time.Minute)); got != "0-4 x1 " {
		t.Fatal(got)
	}
	group := "g"
	ack := func(epoch int32, first, last int64, types ...int8) (int16, int16) {
		req := kmsg.NewPtrShareAcknowledgeRequest()
		req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch = 2, &group, &one.member, epoch
		req.Topics = []kmsg.ShareAcknowledgeRequestTopic{{TopicID: topic.ID, Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{{
			AcknowledgementBatches: []kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{{FirstOffset: first, LastOffset: last, AcknowledgeTypes: types}},
		}}}}
		one.next++
		one.c.send(one.next, req)
		resp := receive[*kmsg.ShareAcknowledgeResponse](one.c, req, one.next)
		if resp.ErrorCode != 0 {
			return resp.ErrorCode, 0
		}
		return 0, resp.Topics[0].Partitions[0].ErrorCode
	}
	want := func(what string, whole, part int16, wantWhole, wantPart *kerr.Error) {
		t.Helper()
		for _, x := range []struct {
			got  int16
			want *kerr.Error
		}{{whole, wantWhole}, {part, wantPart}} {
			if x.want == nil && x.got != 0 || x.want != nil && x.got != x.want.Code {
				t.Errorf("%s: got %v, want %v", what, kerr.ErrorForCode(x.got), x.want)
			}
		}
	}
	whole, part := ack(0, 0, 0, 1)
	want("a first epoch", whole, part, kerr.InvalidShareSessionEpoch, nil)
	whole, part = ack(1, 0, 4, 1, 2, 3, 0, 1)
	want("all kinds", whole, part, nil, nil)
	whole, part = ack(2, 0, 0, 4)
	want("a renewal that does not say so", whole, part, nil, kerr.InvalidRequest)
	whole, part = ack(3, 1, 1, 1)
	want("what was released", whole, part, nil, kerr.InvalidRecordState)
	one.epoch = 4
	if got := shared(one.fetch(0)); got != "1-1 x2 " {
		t.Error(got)
	}
	whole, part = ack(-1, 1, 1, 1)
	want("the last", whole, part, nil, nil)
	whole, part = ack(5, 1, 1, 1)
	want("after the last", whole, part, kerr.ShareSessionNotFound, nil)
	s, err := b.shares.client.ReadState(t.Context(), sharestate.Key{Group: "g", Topic: topic.ID}, int32(topic.Partitions[0].Epoch)+1)
	if err != nil || s.Start != 0 && s.Start != 1 || len(s.Batches) == 0 {
		t.Errorf("%+v %v", s, err)
	}
	// Somebody else leads, as far as the coordinator knows: we have nothing to say any more.
	two := &sharing{rig: r, c: r.dial(b), member: "two", topic: topic}
	if got := shared(two.fetch(time.Minute)); got != "NOT_LEADER_FOR_PARTITION " {
		t.Errorf("an old leader: %q", got)
	}
}

// Groups and members of clusters whose share.version is 0 do not exist.
func TestShareGroupsNeedTheirFeature(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	b.features["share.version"] = 0
	for _, req := range []kmsg.Request{
		kmsg.NewPtrShareGroupHeartbeatRequest(), kmsg.NewPtrShareFetchRequest(), kmsg.NewPtrShareAcknowledgeRequest(),
		kmsg.NewPtrAlterShareGroupOffsetsRequest(), kmsg.NewPtrDeleteShareGroupOffsetsRequest(),
	} {
		req.SetVersion(req.MaxVersion())
		resp := ask[kmsg.Response](r, b, req)
		var code int16
		switch resp := resp.(type) {
		case *kmsg.ShareGroupHeartbeatResponse:
			code = resp.ErrorCode
		case *kmsg.ShareFetchResponse:
			code = resp.ErrorCode
		case *kmsg.ShareAcknowledgeResponse:
			code = resp.ErrorCode
		case *kmsg.AlterShareGroupOffsetsResponse:
			code = resp.ErrorCode
		case *kmsg.DeleteShareGroupOffsetsResponse:
			code = resp.ErrorCode
		}
		if code != kerr.UnsupportedVersion.Code {
			t.Errorf("%T: %v", resp, kerr.ErrorForCode(code))
		}
	}
}
