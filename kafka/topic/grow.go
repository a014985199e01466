package topic

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/kafka/kind"
	"weir/metadata"
)

// Growth asks for more partitions.
type Growth struct {
	Name  string
	Total int32 // partitions the topic shall have
	// Replicas names the brokers of each new partition; nil leaves it to Weir.
	Replicas [][]metadata.BrokerID
}

// Grow adds partitions to a topic. It returns a Fault if it refuses.
func (a *Admin) Grow(ctx context.Context, g Growth, validateOnly bool) error {
	for i := range tries {
		txn, more, err := a.planGrowth(ctx, g)
		if err == nil && i == 0 {
			err = a.allow(more)
		}
		if err != nil || validateOnly {
			return err
		}
		rev, err := a.store.Commit(ctx, txn)
		if err == nil {
			a.settle(ctx, rev)
			return nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return unavailable(err)
		}
		if _, err := a.caughtUp(ctx); err != nil {
			return err
		}
	}
	return unavailable(metadata.ErrConflict)
}

func (a *Admin) planGrowth(ctx context.Context, g Growth) (txn metadata.Txn, more int, err error) {
	t, kv, err := a.read(ctx, g.Name)
	if err != nil {
		return txn, 0, err
	}
	more = int(g.Total) - int(t.Partitions)
	switch {
	case more == 0:
		return txn, 0, fault(kerr.InvalidPartitions, "Topic already has %d partition(s).", t.Partitions)
	case more < 0:
		return txn, 0, fault(kerr.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, t.Partitions, g.Total)
	case more > PartitionsMax:
		return txn, 0, fault(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	case g.Replicas != nil && len(g.Replicas) != more:
		return txn, 0, fault(kerr.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(g.Replicas))
	}
	packs, conds, err := a.assignments(ctx, t)
	if err != nil {
		return txn, 0, err
	}
	img := a.image.Current()
	rules := a.ruled(img)
	if image.IsInternal(g.Name) {
		rules = &ruled{Rules: new(kind.Rules)}
	}
	if err := rules.checkPlaced(img, g.Replicas); err != nil {
		return txn, 0, err
	}
	first := &packs[0].Partitions[0]
	factor := len(first.Replicas) - len(first.Adding)
	replicas := g.Replicas
	if replicas == nil {
		if replicas, err = a.spread(img, more, factor); err != nil {
			return txn, 0, err
		}
	} else if err := checkManual(img, replicas); err != nil {
		return txn, 0, err
	} else if len(replicas[0]) != factor {
		return txn, 0, fault(kerr.InvalidReplicaAssignment,
			"The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).",
			len(replicas[0]), factor)
	}
	if err := checkLed(img, replicas); err != nil {
		return txn, 0, err
	}
	if err := rules.grow(kind.Compacted(t.Configs), replicas); err != nil {
		return txn, 0, err
	}
	changed := int(t.Partitions) / metadata.AssignmentsPerKey
	for i, r := range replicas {
		at := (int(t.Partitions) + i) / metadata.AssignmentsPerKey
		if at == len(packs) {
			packs, conds = append(packs, metadata.Assignment{}), append(conds, metadata.Cond{Key: metadata.AssignmentKey(a.cfg.Cluster, t.ID, at)})
		}
		packs[at].Partitions = append(packs[at].Partitions, metadata.PartitionAssignment{Leader: firstLeader(img, r), Replicas: r})
	}
	t.Partitions = g.Total
	txn.If = append(txn.If, metadata.Cond{Key: kv.Key, Modified: kv.Modified}, a.asPlaced(img))
	for i := changed; i < len(packs); i++ {
		txn.If = append(txn.If, conds[i])
		txn.Then = append(txn.Then, metadata.Put(conds[i].Key, metadata.Encode(packs[i])))
	}
	txn.Then = append(txn.Then, metadata.Put(kv.Key, metadata.Encode(t)))
	return txn, more, nil
}

// assignments reads all packs of a topic with the conditions that guard them.
func (a *Admin) assignments(ctx context.Context, t metadata.Topic) ([]metadata.Assignment, []metadata.Cond, error) {
	kvs, _, err := a.store.List(ctx, assignmentsPrefix(a.cfg.Cluster, t.ID))
	if err != nil {
		return nil, nil, unavailable(err)
	}
	var as []metadata.Assignment
	var conds []metadata.Cond
	have := 0
	for _, kv := range kvs {
		pack, err := metadata.Decode[metadata.Assignment](kv)
		if err != nil {
			return nil, nil, err
		}
		as, conds = append(as, pack), append(conds, metadata.Cond{Key: kv.Key, Modified: kv.Modified})
		have += len(pack.Partitions)
	}
	if have != int(t.Partitions) || have == 0 {
		return nil, nil, fmt.Errorf("topic %s: its record says %d partitions, its assignments hold %d", t.Name, t.Partitions, have)
	}
	return as, conds, nil
}
