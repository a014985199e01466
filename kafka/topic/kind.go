package topic

import (
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/kafka/kind"
	"weir/metadata"
)

// Observe takes what an image shows to have changed: some kinds of clusters limit how many partitions come and go. It is to be called with every image.
func (a *Admin) Observe(img *image.Image) { a.churn.Observe(img) }

// Rules are what the cluster's kind allows.
func (a *Admin) Rules() *kind.Rules { return kind.Of(a.image.Current().Settings()) }

// ruled is what one request may make and delete by the rules of the cluster's kind.
type ruled struct {
	*kind.Rules
	a                *Admin
	plain, compacted int // partitions there would be
	changes          int // partitions made and deleted lately, with those of this request
	replicas         map[metadata.BrokerID]int
}

func (a *Admin) ruled(img *image.Image) *ruled {
	r := &ruled{Rules: kind.Of(img.Settings()), a: a}
	if r.Partitions > 0 || r.Compacted > 0 {
		r.plain, r.compacted = kind.Count(img)
	}
	if r.Changes > 0 {
		a.churn.Observe(img)
		r.changes = a.churn.Within(r.ChangesIn)
	}
	if r.BrokerPartitions > 0 {
		r.replicas = kind.Replicas(img)
	}
	return r
}

// configs checks a new topic's configs, and returns them by the names that they have now.
func (r *ruled) configs(configs map[string]string) (map[string]string, error) {
	var out map[string]string // a copy, if any has another name
	for name := range configs {
		now := r.Renamed(name)
		if len(now) == 1 && now[0] == name {
			continue
		}
		if out == nil {
			out = maps.Clone(configs)
		}
		delete(out, name)
		for _, n := range now {
			out[n] = configs[name]
		}
	}
	if out == nil {
		out = configs
	}
	if err := r.CheckTopic(nil, out, true); err != nil {
		return nil, fault(kerr.InvalidConfig, "%s", err)
	}
	return out, nil
}

// ops is what an alteration does to configs by the names that they have now.
func (r *ruled) ops(ops []ConfigOp) []ConfigOp {
	out := make([]ConfigOp, 0, len(ops))
	for _, op := range ops {
		for _, name := range r.Renamed(op.Name) {
			out = append(out, ConfigOp{Name: name, Verb: op.Verb, Value: op.Value})
		}
	}
	return out
}

// grow refuses partitions that would be too many. What it allows counts for what the request makes next.
func (r *ruled) grow(compacted bool, replicas [][]metadata.BrokerID) error {
	n := len(replicas)
	have, most, kindOf := r.plain, r.Partitions, "not compacted"
	if compacted {
		have, most, kindOf = r.compacted, r.Compacted, "compacted"
	}
	if most > 0 && have+n > most {
		return fault(kerr.InvalidRequest,
			"Quota exceeded: a serverless cluster may have %d partitions that are %s. It has %d, and %d more were asked for.", most, kindOf, have, n)
	}
	if err := r.change(n); err != nil {
		return err
	}
	if r.BrokerPartitions > 0 {
		more := make(map[metadata.BrokerID]int)
		for _, rs := range replicas {
			for _, b := range rs {
				more[b]++
				if r.replicas[b]+more[b] > r.BrokerPartitions {
					r.changes -= n
					return fault(kerr.PolicyViolation,
						"Quota exceeded: a broker of this size may have %d partitions, counting replicas. Broker %d has %d. Use a larger size or more brokers.",
						r.BrokerPartitions, b, r.replicas[b])
				}
			}
		}
		for b, n := range more {
			r.replicas[b] += n
		}
	}
	if compacted {
		r.compacted += n
	} else {
		r.plain += n
	}
	return nil
}

// change refuses to make or delete n partitions too soon after others.
func (r *ruled) change(n int) error {
	if r.Changes > 0 && r.changes+n > r.Changes {
		return fault(kerr.ThrottlingQuotaExceeded,
			"Quota exceeded: %d partitions may be created and deleted in %s. %d were, and %d more were asked for.", r.Changes, r.ChangesIn, r.changes, n)
	}
	r.changes += n
	return nil
}

// CheckReassign says why clients may not choose that many replicas for a partition, or any.
func (a *Admin) CheckReassign(replicas []metadata.BrokerID) error {
	r := a.Rules()
	if r.Placed {
		return fault(kerr.InvalidRequest, "A serverless cluster places and moves its partitions itself; they cannot be reassigned.")
	}
	return checkFactor(r, a.image.Current(), [][]metadata.BrokerID{replicas}, replicas == nil)
}

// checkPlaced says why clients may not choose the replicas of new partitions.
func (r *ruled) checkPlaced(img *image.Image, replicas [][]metadata.BrokerID) error {
	if r.Placed && replicas != nil {
		return fault(kerr.InvalidReplicaAssignment, "A serverless cluster places partitions itself: create them without a replica assignment.")
	}
	return checkFactor(r.Rules, img, replicas, false)
}

// placeable is how many brokers may hold replicas.
func placeable(img *image.Image) int {
	n := 0
	for _, s := range img.Registered() {
		if !img.Draining(s.Broker) {
			n++
		}
	}
	return n
}

func checkFactor(r *kind.Rules, img *image.Image, replicas [][]metadata.BrokerID, cancel bool) error {
	if r.Replication == 0 || cancel {
		return nil
	}
	want := r.CapReplication(0, placeable(img))
	for _, rs := range replicas {
		if len(rs) != want {
			return fault(kerr.InvalidReplicationFactor, "Partitions of this cluster have %d replicas; %d were chosen.", want, len(rs))
		}
	}
	return nil
}
