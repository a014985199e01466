package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
	"weir/metadata"
)

// A request that comes while its partition is handed over is answered when the next leader is known, with its name.
func TestProduceWaitsForTheNextLeader(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2, limits: Limits{HandOverWait: time.Minute}})
	tp := r.create("t", 1)
	old := r.brokers[tp.Partitions[0].Leader-1]
	next := 3 - tp.Partitions[0].Leader
	p, err := old.leaders.Get(partition.Key{Topic: tp.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.Fence()
	c := r.dial(old)
	req := produceReq(12, -1, "t", tp.ID, records(1, 10))
	c.send(1, req)
	answer := make(chan *kmsg.ProduceResponse, 1)
	go func() { answer <- receive[*kmsg.ProduceResponse](c, req, 1) }()
	r.await("the request is there", func() bool { return valueOf(old.metrics.produceBytes) > 0 })
	select {
	case a := <-answer:
		t.Fatalf("it is answered before there is another leader: %+v", a.Topics[0].Partitions[0])
	case <-time.After(50 * time.Millisecond):
	}
	r.commit(metadata.Put(metadata.AssignmentKey(testCluster, tp.ID, 0), metadata.Encode(metadata.Assignment{
		Partitions: []metadata.PartitionAssignment{{Leader: next, Epoch: 1, Replicas: []metadata.BrokerID{next}}},
	})))
	a := <-answer
	if got := a.Topics[0].Partitions[0]; got.ErrorCode != kerr.NotLeaderForPartition.Code || got.CurrentLeader.LeaderID != int32(next) || got.CurrentLeader.LeaderEpoch != 1 {
		t.Errorf("%+v", got)
	}
	if len(a.Brokers) != 1 || a.Brokers[0].NodeID != int32(next) {
		t.Errorf("where it is: %+v", a.Brokers)
	}
}

// Nobody waits for ever.
func TestProduceWaitsForTheNextLeaderOnlySoLong(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 1})
	tp := r.create("t", 1)
	p, err := r.brokers[0].leaders.Get(partition.Key{Topic: tp.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.Fence()
	c := r.dial(r.brokers[0])
	req := produceReq(12, -1, "t", tp.ID, records(1, 10))
	c.send(1, req)
	a := receive[*kmsg.ProduceResponse](c, req, 1)
	if got := a.Topics[0].Partitions[0]; got.ErrorCode != kerr.NotLeaderForPartition.Code || got.CurrentLeader.LeaderID != 1 {
		t.Errorf("%+v", got)
	}
}
