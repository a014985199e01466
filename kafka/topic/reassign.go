package topic

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

// Reassignment asks for other replicas of a partition, or, if Replicas is nil, for the end of a reassignment that runs, as if it had never been.
type Reassignment struct {
	Topic     string
	Partition int32
	Replicas  []metadata.BrokerID
	// SameFactor refuses another number of replicas (KIP-860).
	SameFactor bool
}

// Reassign changes a partition's replicas. Replicas are virtual, so if the leader is among the new ones that is all. If not, one of them, the first that is
// alive, becomes the target: it copies the log and takes over in its own time, and until then the partition has the old replicas as well. Refusals are
// Faults: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR, NO_REASSIGNMENT_IN_PROGRESS, and POLICY_VIOLATION while the
// cluster balances itself.
func (a *Admin) Reassign(ctx context.Context, r Reassignment) error {
	img := a.image.Current()
	if r.Replicas != nil {
		img = a.withReplicas(ctx, r.Replicas)
		if err := checkManual(img, [][]metadata.BrokerID{r.Replicas}); err != nil {
			return err
		}
	}
	rev, err := a.editPartition(ctx, r.Topic, r.Partition, func(now *image.Image, as *metadata.PartitionAssignment) (bool, error) {
		if s := now.Settings(); s != nil && s.Balance.Active {
			return false, fault(kerr.PolicyViolation, "The cluster balances its partitions itself, so they cannot be reassigned. "+
				"Pause its rebalancing first (UpdateRebalancing with status PAUSED).")
		}
		if r.Replicas == nil {
			if as.Cause == metadata.MoveDrain {
				return false, fault(kerr.PolicyViolation, "The partition leaves a broker that is removed from the cluster; this cannot be called off by a reassignment.")
			}
			return true, cancelReassignment(as)
		}
		if slices.ContainsFunc(r.Replicas, now.Draining) {
			return false, checkManual(now, [][]metadata.BrokerID{r.Replicas})
		}
		if now := len(as.Replicas) - len(as.Adding); r.SameFactor && len(r.Replicas) != now {
			return false, fault(kerr.InvalidReplicationFactor, "The replication factor is changed from %d to %d", now, len(r.Replicas))
		}
		return reassign(as, r.Replicas, img), nil
	})
	if err == nil {
		a.settle(ctx, rev)
	}
	return err
}

// withReplicas is an image that knows the brokers, if they are there.
func (a *Admin) withReplicas(ctx context.Context, replicas []metadata.BrokerID) *image.Image {
	img := a.image.Current()
	for _, b := range replicas {
		if _, ok := img.Broker(b); !ok && b > 0 {
			return a.withBrokers(ctx, int(b)) // brokers are numbered from 1
		}
	}
	return img
}

// Reassigning reports whether a reassignment of the partition runs.
func Reassigning(as *metadata.PartitionAssignment) bool {
	return len(as.Adding) > 0 || len(as.Removing) > 0
}

// reassign plans the change; it returns false if there is none.
func reassign(as *metadata.PartitionAssignment, want []metadata.BrokerID, img *image.Image) bool {
	before := without(as.Replicas, as.Adding) // a reassignment that runs is replaced
	if !Reassigning(as) && slices.Equal(before, want) {
		return false
	}
	as.Adding, as.Removing, as.Target, as.Cause = nil, nil, 0, ""
	if slices.Contains(want, as.Leader) {
		as.Replicas = want
		return true
	}
	as.Adding, as.Removing = without(want, before), without(before, want)
	as.Replicas = slices.Concat(want, as.Removing)
	as.Target = want[0]
	for _, b := range want {
		if s, ok := img.Broker(b); ok && s.Ready {
			as.Target = b
			break
		}
	}
	return true
}

func cancelReassignment(as *metadata.PartitionAssignment) error {
	if !Reassigning(as) {
		return fault(kerr.NoReassignmentInProgress, "No partition reassignment is in progress.")
	}
	as.Replicas = without(as.Replicas, as.Adding)
	as.Adding, as.Removing, as.Target, as.Cause = nil, nil, 0, ""
	return nil
}

// without returns the elements of list that are not in other, in a list of its own; nil if there are none.
func without(list, other []metadata.BrokerID) (out []metadata.BrokerID) {
	for _, b := range list {
		if !slices.Contains(other, b) {
			out = append(out, b)
		}
	}
	return out
}

// editPartition changes what the metadata say of a partition by a guarded transaction, again and again if others change it meanwhile. An fn that returns false
// changes nothing. It is told by which image it decides.
func (a *Admin) editPartition(
	ctx context.Context, name string, index int32, fn func(*image.Image, *metadata.PartitionAssignment) (bool, error),
) (metadata.Revision, error) {
	for range tries {
		img := a.image.Current()
		t, ok := img.Topic(name)
		if !ok {
			return 0, fault(kerr.UnknownTopicOrPartition, "Unable to find a topic named %s.", name)
		}
		unknown := fault(kerr.UnknownTopicOrPartition, "Unable to find partition %s:%d.", name, index)
		if index < 0 || int(index) >= len(t.Partitions) {
			return 0, unknown
		}
		key := metadata.AssignmentKey(a.cfg.Cluster, t.ID, int(index)/metadata.AssignmentsPerKey)
		kv, found, err := a.store.Get(ctx, key)
		if err != nil {
			return 0, unavailable(err)
		}
		if !found {
			return 0, unknown
		}
		pack, err := metadata.Decode[metadata.Assignment](kv)
		if err != nil {
			return 0, err
		}
		at := int(index) % metadata.AssignmentsPerKey
		if at >= len(pack.Partitions) {
			return 0, unknown
		}
		changed, err := fn(img, &pack.Partitions[at])
		if err != nil || !changed {
			return 0, err
		}
		rev, err := a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: key, Modified: kv.Modified}, a.asPlaced(img)},
			Then: []metadata.Op{metadata.Put(key, metadata.Encode(pack))},
		})
		if err == nil {
			return rev, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return 0, unavailable(err)
		}
		if _, err := a.caughtUp(ctx); err != nil {
			return 0, err
		}
	}
	return 0, unavailable(metadata.ErrConflict)
}
