package topic

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

// settings writes what the control plane wants of partitions.
func settings(t *testing.T, a *Admin, b metadata.Balance) *image.Image {
	t.Helper()
	rev, err := a.store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(metadata.Settings{Number: 1, Balance: b})),
	}})
	if err != nil {
		t.Fatal(err)
	}
	img, err := a.image.Await(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// A move happens to the partition that was seen, and to no other.
func TestMovesAreGuarded(t *testing.T) {
	a, _ := start(t, 4, nil)
	topic := create(t, a, manual("t", 1, 2))
	img := a.image.Current()
	seen := a.partition(t, "t")
	move := Move{Topic: topic.ID, Seen: seen, Replicas: ids{3, 2}, Leader: 3, Cause: metadata.MoveDrain}
	for i, want := range []int{1, 0} { // the second is as if another broker had decided the same
		done, begun, err := a.Move(t.Context(), img, []Move{move})
		if err != nil || done != 0 || begun != want {
			t.Fatalf("try %d: %d done, %d begun, %v", i, done, begun, err)
		}
	}
	want := metadata.PartitionAssignment{Leader: 1, Replicas: ids{3, 2, 1}, Adding: ids{3}, Removing: ids{1}, Target: 3, Cause: metadata.MoveDrain}
	if diff := cmp.Diff(want, a.partition(t, "t")); diff != "" {
		t.Errorf("(want, got):\n%s", diff)
	}
	wantFault(t, a.Reassign(t.Context(), Reassignment{Topic: "t"}), kerr.PolicyViolation, "removed from the cluster")
	if _, begun, err := a.Move(t.Context(), a.image.Current(), []Move{{Topic: topic.ID, Seen: want}}); err != nil || begun != 1 {
		t.Fatal(begun, err)
	}
	if diff := cmp.Diff(metadata.PartitionAssignment{Leader: 1, Replicas: ids{2, 1}}, a.partition(t, "t")); diff != "" {
		t.Errorf("called off (want, got):\n%s", diff)
	}
	// The leader stays: that is all.
	done, _, err := a.Move(t.Context(), a.image.Current(), []Move{{Topic: topic.ID, Seen: a.partition(t, "t"), Replicas: ids{1, 4}, Leader: 1}})
	if err != nil || done != 1 || !cmp.Equal(a.partition(t, "t").Replicas, ids{1, 4}) {
		t.Errorf("%d done, %v: %+v", done, err, a.partition(t, "t"))
	}
	// What was decided on other settings does not happen.
	old := a.image.Current()
	settings(t, a, metadata.Balance{Drain: ids{3}})
	done, begun, err := a.Move(t.Context(), old, []Move{{Topic: topic.ID, Seen: a.partition(t, "t"), Replicas: ids{1, 3}, Leader: 1}})
	if err != nil || done+begun != 0 {
		t.Errorf("%d done, %d begun, %v", done, begun, err)
	}
}

// Nothing new comes to a broker that is being emptied.
func TestDrainedBrokersGetNothing(t *testing.T) {
	a, _ := start(t, 4, nil)
	create(t, a, manual("t", 1, 2))
	settings(t, a, metadata.Balance{Drain: ids{4}})
	made := create(t, a, NewTopic{Name: "new", Partitions: 12, Replication: 3})
	if err := a.Grow(t.Context(), Growth{Name: "new", Total: 24}, false); err != nil {
		t.Fatal(err)
	}
	got, _ := a.image.Current().TopicByID(made.ID)
	for i, p := range got.Partitions {
		for _, b := range p.Replicas {
			if b == 4 {
				t.Errorf("partition %d: %v", i, p.Replicas)
			}
		}
	}
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "x", Partitions: 1, Replication: 4}}, false)[0].Err, kerr.InvalidReplicationFactor, "only 3 broker(s) are registered, not counting those that are being emptied")
	wantFault(t, a.Create(t.Context(), []NewTopic{manual("x", 4)}, false)[0].Err, kerr.InvalidReplicaAssignment, "broker 4, which is being emptied")
	wantFault(t, a.Grow(t.Context(), Growth{Name: "t", Total: 2, Replicas: []ids{{4, 1}}}, false), kerr.InvalidReplicaAssignment, "broker 4, which is being emptied")
	wantFault(t, a.Reassign(t.Context(), Reassignment{Topic: "t", Replicas: ids{4, 1}}), kerr.InvalidReplicaAssignment, "broker 4, which is being emptied")
	if err := a.Reassign(t.Context(), Reassignment{Topic: "t", Replicas: ids{2, 1}}); err != nil {
		t.Error(err)
	}
}

// A broker whose image is behind does not place anything on one that is being emptied, either.
func TestPlacementNeedsTheSettingsThatItSaw(t *testing.T) {
	a, store := start(t, 2, nil)
	stale := a.image.Current()
	if _, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(metadata.Settings{Balance: metadata.Balance{Drain: ids{2}}})),
	}}); err != nil {
		t.Fatal(err)
	}
	var out Created
	p, err := a.plan(stale, NewTopic{Name: "t", Partitions: 8, Replication: 1}, nil, a.ruled(stale))
	if err != nil {
		t.Fatal(err)
	}
	p.out = &out
	if rev := a.commitCreations(t.Context(), []*creation{p}); rev == 0 || out.Err != nil {
		t.Fatal(rev, out.Err)
	}
	if _, err := a.caughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, replicas := range p.replicas {
		if !cmp.Equal(replicas, ids{1}) {
			t.Errorf("partition %d is placed on %v", i, replicas)
		}
	}
}

// While the cluster balances itself, clients do not.
func TestReassignmentIsRefusedWhileBalancing(t *testing.T) {
	a, _ := start(t, 2, nil)
	create(t, a, manual("t", 1))
	settings(t, a, metadata.Balance{Active: true})
	wantFault(t, a.Reassign(t.Context(), Reassignment{Topic: "t", Replicas: ids{2}}), kerr.PolicyViolation, "Pause its rebalancing first")
	settings(t, a, metadata.Balance{})
	if err := a.Reassign(t.Context(), Reassignment{Topic: "t", Replicas: ids{2}}); err != nil {
		t.Error(err)
	}
}
