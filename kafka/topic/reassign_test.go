package topic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

type ids = []metadata.BrokerID

func (a *Admin) partition(t *testing.T, name string) metadata.PartitionAssignment {
	t.Helper()
	tp, ok := a.image.Current().Topic(name)
	if !ok {
		t.Fatal("no topic")
	}
	return tp.Partitions[0]
}

func manual(name string, replicas ...metadata.BrokerID) NewTopic {
	return NewTopic{Name: name, Partitions: -1, Replication: -1, Replicas: []ids{replicas}}
}

// Replicas are virtual: only a leader that goes makes a reassignment last.
func TestReassignChangesReplicas(t *testing.T) {
	a, _ := start(t, 4, nil)
	create(t, a, manual("t", 1, 2))
	steps := []struct {
		name string
		want ids
		got  metadata.PartitionAssignment
	}{
		{"another follower", ids{1, 3}, metadata.PartitionAssignment{Leader: 1, Replicas: ids{1, 3}}},
		{"another order, more replicas", ids{4, 3, 1}, metadata.PartitionAssignment{Leader: 1, Replicas: ids{4, 3, 1}}},
		{"fewer", ids{1, 2}, metadata.PartitionAssignment{Leader: 1, Replicas: ids{1, 2}}},
		{"another leader", ids{3, 2}, metadata.PartitionAssignment{Leader: 1, Replicas: ids{3, 2, 1}, Adding: ids{3}, Removing: ids{1}, Target: 3}},
		{"instead of that, others", ids{4}, metadata.PartitionAssignment{Leader: 1, Replicas: ids{4, 2, 1}, Adding: ids{4}, Removing: ids{2, 1}, Target: 4}},
		{"nothing of it", nil, metadata.PartitionAssignment{Leader: 1, Replicas: ids{2, 1}}},
		{"what is there", ids{2, 1}, metadata.PartitionAssignment{Leader: 1, Replicas: ids{2, 1}}},
	}
	for _, s := range steps {
		if err := a.Reassign(t.Context(), Reassignment{Topic: "t", Replicas: s.want}); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if diff := cmp.Diff(s.got, a.partition(t, "t")); diff != "" {
			t.Errorf("%s (want, got):\n%s", s.name, diff)
		}
	}
}

func TestReassignRefusals(t *testing.T) {
	a, _ := start(t, 3, nil)
	create(t, a, manual("t", 1, 2))
	tests := []struct {
		r    Reassignment
		code *kerr.Error
		text string
	}{
		{Reassignment{Topic: "x", Replicas: ids{1}}, kerr.UnknownTopicOrPartition, "Unable to find a topic named x."},
		{Reassignment{Topic: "t", Partition: 1, Replicas: ids{1}}, kerr.UnknownTopicOrPartition, "Unable to find partition t:1."},
		{Reassignment{Topic: "t", Partition: -1}, kerr.UnknownTopicOrPartition, "t:-1"},
		{Reassignment{Topic: "t"}, kerr.NoReassignmentInProgress, "No partition reassignment is in progress."},
		{Reassignment{Topic: "t", Replicas: ids{}}, kerr.InvalidReplicaAssignment, "empty replica list"},
		{Reassignment{Topic: "t", Replicas: ids{1, 1}}, kerr.InvalidReplicaAssignment, "more than once"},
		{Reassignment{Topic: "t", Replicas: ids{1, 9}}, kerr.InvalidReplicaAssignment, "broker 9, but no such broker is registered"},
		{Reassignment{Topic: "t", Replicas: ids{1, -2}}, kerr.InvalidReplicaAssignment, "broker -2"},
		{Reassignment{Topic: "t", Replicas: ids{1, 2, 3}, SameFactor: true}, kerr.InvalidReplicationFactor, "changed from 2 to 3"},
	}
	for _, tt := range tests {
		wantFault(t, a.Reassign(t.Context(), tt.r), tt.code, tt.text)
	}
}

func TestElections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, store := start(t, 3, nil)
		create(t, a, manual("t", 1, 2))
		elect := func(ctx context.Context, e Election) error { return a.Elect(ctx, []Election{e})[0] }
		wantFault(t, elect(t.Context(), Election{Topic: "x"}), kerr.UnknownTopicOrPartition, "x")
		wantFault(t, elect(t.Context(), Election{Topic: "t"}), kerr.ElectionNotNeeded, "not needed")
		wantFault(t, elect(t.Context(), Election{Topic: "t", Unclean: true}), kerr.ElectionNotNeeded, "not needed")

		if err := a.Reassign(t.Context(), Reassignment{Topic: "t", Replicas: ids{2, 1}}); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		wantFault(t, elect(short, Election{Topic: "t"}), kerr.RequestTimedOut, "Broker 2 is still copying")
		if p := a.partition(t, "t"); p.Target != 2 || p.Leader != 1 {
			t.Errorf("after an election that takes longer: %+v", p)
		}

		// The target takes over.
		done := make(chan error, 1)
		go func() { done <- elect(t.Context(), Election{Topic: "t"}) }()
		if _, err := a.editPartition(t.Context(), "t", 0, func(_ *image.Image, p *metadata.PartitionAssignment) (bool, error) {
			p.Leader, p.Epoch, p.Target = 2, p.Epoch+1, 0
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil && !errors.Is(err, kerr.ElectionNotNeeded) { // it may look after the target took over
			t.Errorf("elected: %v", err)
		}

		// A leader that is down keeps its data, so nobody else can lead.
		rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Delete(metadata.SessionKey(cluster, 2))}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.image.Await(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		wantFault(t, elect(t.Context(), Election{Topic: "t"}), kerr.PreferredLeaderNotAvailable, "preferred leader")
		wantFault(t, elect(t.Context(), Election{Topic: "t", Unclean: true}), kerr.EligibleLeadersNotAvailable, "not available")
	})
}

// Brokers that belong to the cluster and do not serve count for the replication factor, are replicas, and lead nothing new.
func TestFencedBrokersHaveReplicas(t *testing.T) {
	a, store := start(t, 2, nil)
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "t", Partitions: 1, Replication: 3}}, false)[0].Err, kerr.InvalidReplicationFactor, "only 2 broker(s) are registered")
	rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.RegistrationKey(cluster, 3), metadata.Encode(metadata.Registration{Broker: 3, Rack: "az3"})),
		metadata.Put(metadata.RegistrationKey(cluster, 1), metadata.Encode(metadata.Registration{Broker: 1, Rack: "az1"})),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.image.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	topic := create(t, a, NewTopic{Name: "t", Partitions: 6, Replication: 3})
	got, _ := a.image.Current().TopicByID(topic.ID)
	for i, p := range got.Partitions {
		if len(p.Replicas) != 3 || p.Leader == 3 || p.Leader != p.Replicas[0] {
			t.Errorf("partition %d: %+v", i, p)
		}
	}
	create(t, a, manual("m", 3, 2))
	if p := a.partition(t, "m"); p.Leader != 2 || !cmp.Equal(p.Replicas, ids{3, 2}) {
		t.Errorf("%+v", p)
	}
	wantFault(t, a.Create(t.Context(), []NewTopic{manual("n", 3)}, false)[0].Err, kerr.InvalidReplicaAssignment, "are fenced")
	if err := a.Reassign(t.Context(), Reassignment{Topic: "m", Replicas: ids{2, 3}}); err != nil {
		t.Error(err)
	}
}
