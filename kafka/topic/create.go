package topic

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/image"
	"weir/kafka/kind"
	"weir/metadata"
)

// NewTopic asks for a topic.
type NewTopic struct {
	Name        string
	Partitions  int32 // -1: the broker's num.partitions
	Replication int16 // -1: the broker's default.replication.factor
	// Replicas names the brokers of each partition; Partitions and Replication are then -1.
	Replicas [][]metadata.BrokerID
	Configs  map[string]string

	internal bool // one of the service's own: no rule of the cluster's kind holds for it
}

// Created is the outcome for one topic. If Err is nil, the topic exists (or would, with validateOnly).
type Created struct {
	Err         error // a Fault
	Topic       metadata.Topic
	Replication int16
}

// Create creates topics, each on its own merits, and returns the outcomes in order. Names must be unique; the handler
// answers duplicates. On return this broker's image holds the topics; their leaders open the partitions as soon as theirs do.
func (a *Admin) Create(ctx context.Context, topics []NewTopic, validateOnly bool) []Created {
	img := a.imageFor(ctx, topics)
	out := make([]Created, len(topics))
	var found collisions
	var plans []*creation
	total := 0
	rules := a.ruled(img)
	for i, nt := range topics {
		if hasCollisionChars(nt.Name) && found == nil {
			found = existingCollisions(img)
		}
		p, err := a.plan(img, nt, found, rules)
		if err == nil {
			err = a.allow(len(p.replicas))
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		p.out = &out[i]
		p.out.Topic, p.out.Replication = p.topic, int16(len(p.replicas[0]))
		total += len(p.replicas)
		plans = append(plans, p)
	}
	if total > PartitionsMax {
		for _, p := range plans {
			p.out.Err = fault(kerr.PolicyViolation, "Excessively large number of partitions per request.")
		}
		return out
	}
	if validateOnly {
		return out
	}
	var newest metadata.Revision
	for len(plans) > 0 {
		n, ops := 0, 0
		for n < len(plans) && ops+plans[n].ops() <= opsMax {
			ops += plans[n].ops()
			n++
		}
		newest = max(newest, a.commitCreations(ctx, plans[:n]))
		plans = plans[n:]
	}
	a.settle(ctx, newest)
	return out
}

// imageFor is the current image, or, if its brokers are too few for the topics, one that is up to date: a client that just learnt that all
// brokers serve may ask a broker whose image does not show them yet.
func (a *Admin) imageFor(ctx context.Context, topics []NewTopic) *image.Image {
	want := 0
	for _, nt := range topics {
		factor := int(nt.Replication)
		if factor == -1 && nt.Replicas == nil {
			factor = int(a.Layers().BrokerInt("default.replication.factor"))
		}
		for _, replicas := range nt.Replicas {
			for _, b := range replicas {
				factor = max(factor, int(b)) // brokers are numbered from 1
			}
		}
		want = max(want, factor)
	}
	return a.withBrokers(ctx, want)
}

// withBrokers is the current image; if that has fewer than n brokers, it is first brought up to date with the sessions there are.
func (a *Admin) withBrokers(ctx context.Context, n int) *image.Image {
	img := a.image.Current()
	if len(open(img, img.Brokers)) >= n {
		return img
	}
	sessions, _, err := a.store.List(ctx, metadata.ClusterPrefix(a.cfg.Cluster)+"sess/")
	if err != nil {
		a.log.Debug("sessions could not be read", "err", err)
		return img
	}
	var newest metadata.Revision
	for _, kv := range sessions {
		newest = max(newest, kv.Modified)
	}
	a.settle(ctx, newest)
	return a.image.Current()
}

// opsMax is the limit of a metadata.Txn. One topic never needs more: 10,000 partitions are 40 packs.
const opsMax = 1024

// creation is a topic that passed validation.
type creation struct {
	topic    metadata.Topic
	img      *image.Image // by which replicas were placed
	place    func(*image.Image) ([][]metadata.BrokerID, error)
	replicas [][]metadata.BrokerID
	out      *Created
}

func (c *creation) ops() int { return 1 + packs(len(c.replicas)) }

func packs(partitions int) int {
	return (partitions + metadata.AssignmentsPerKey - 1) / metadata.AssignmentsPerKey
}

// commitCreations writes the topics in one transaction. If some turn out to exist, they get their error and the others are tried again.
func (a *Admin) commitCreations(ctx context.Context, plans []*creation) metadata.Revision {
	fail := func(err error) metadata.Revision {
		for _, p := range plans {
			p.out.Err = err
		}
		return 0
	}
	for range tries {
		txn := metadata.Txn{If: []metadata.Cond{a.asPlaced(plans[0].img)}}
		for _, p := range plans {
			txn.If = append(txn.If, metadata.Cond{Key: metadata.TopicKey(a.cfg.Cluster, p.topic.Name)})
			txn.Then = append(txn.Then, assignmentOps(a.cfg.Cluster, a.image.Current(), p.topic.ID, p.replicas)...)
			txn.Then = append(txn.Then, metadata.Put(metadata.TopicKey(a.cfg.Cluster, p.topic.Name), metadata.Encode(p.topic)))
		}
		rev, err := a.store.Commit(ctx, txn)
		if err == nil {
			return rev
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return fail(unavailable(err))
		}
		img, err := a.caughtUp(ctx)
		if err != nil {
			return fail(err)
		}
		var left []*creation
		for _, p := range plans {
			_, exists, err := a.store.Get(ctx, metadata.TopicKey(a.cfg.Cluster, p.topic.Name))
			switch {
			case err != nil:
				p.out.Err = unavailable(err)
			case exists:
				p.out.Err = alreadyExists(p.topic.Name)
			default:
				if p.out.Err = a.placeAgain(p, img); p.out.Err == nil {
					left = append(left, p)
				}
			}
		}
		if plans = left; len(plans) == 0 {
			return 0
		}
	}
	return fail(unavailable(metadata.ErrConflict))
}

// placeAgain places a topic's partitions by a newer image, if the settings have changed.
func (a *Admin) placeAgain(p *creation, img *image.Image) (err error) {
	if img.SettingsRevision() != p.img.SettingsRevision() {
		p.replicas, err = p.place(img)
	}
	p.img = img
	return err
}

func assignmentOps(cluster string, img *image.Image, id metadata.TopicID, replicas [][]metadata.BrokerID) []metadata.Op {
	var ops []metadata.Op
	for i := range packs(len(replicas)) {
		var as metadata.Assignment
		for _, r := range replicas[i*metadata.AssignmentsPerKey : min(len(replicas), (i+1)*metadata.AssignmentsPerKey)] {
			as.Partitions = append(as.Partitions, metadata.PartitionAssignment{Leader: firstLeader(img, r), Replicas: r})
		}
		ops = append(ops, metadata.Put(metadata.AssignmentKey(cluster, id, i), metadata.Encode(as)))
	}
	return ops
}

func alreadyExists(name string) error {
	return fault(kerr.TopicAlreadyExists, "Topic '%s' already exists.", name)
}

// plan validates one topic and decides its replicas.
func (a *Admin) plan(img *image.Image, nt NewTopic, found collisions, rules *ruled) (*creation, error) {
	if err := ValidateName(nt.Name); err != nil {
		return nil, err
	}
	if _, ok := img.Topic(nt.Name); ok {
		return nil, alreadyExists(nt.Name)
	}
	if hasCollisionChars(nt.Name) {
		if other, ok := found[normalize(nt.Name)]; ok && other != nt.Name {
			return nil, fault(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", nt.Name, other)
		}
	}
	if nt.internal {
		rules = &ruled{Rules: new(kind.Rules)}
	}
	var err error
	if nt.Configs, err = rules.configs(nt.Configs); err != nil {
		return nil, err
	}
	if err := configdef.ValidateTopic(nt.Configs); err != nil {
		return nil, fault(kerr.InvalidConfig, "%s", err)
	}
	if err := rules.checkPlaced(img, nt.Replicas); err != nil {
		return nil, err
	}
	place := func(img *image.Image) ([][]metadata.BrokerID, error) { return a.replicas(img, nt, rules.Rules) }
	replicas, err := place(img)
	if err != nil {
		return nil, err
	}
	if err := rules.grow(kind.Compacted(nt.Configs), replicas); err != nil {
		return nil, err
	}
	if found != nil && hasCollisionChars(nt.Name) {
		found[normalize(nt.Name)] = nt.Name
	}
	return &creation{
		img: img, place: place,
		topic: metadata.Topic{
			Name: nt.Name, ID: metadata.NewTopicID(), Partitions: int32(len(replicas)), Configs: nt.Configs, Created: time.Now().UTC(),
		},
		replicas: replicas,
	}, nil
}

func (a *Admin) replicas(img *image.Image, nt NewTopic, rules *kind.Rules) ([][]metadata.BrokerID, error) {
	if nt.Replicas != nil {
		if nt.Replication != -1 {
			return nil, fault(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
		}
		if nt.Partitions != -1 {
			return nil, fault(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
		}
		if err := checkManual(img, nt.Replicas); err != nil {
			return nil, err
		}
		return nt.Replicas, checkLed(img, nt.Replicas)
	}
	if nt.Replication < -1 || nt.Replication == 0 {
		return nil, fault(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	}
	if nt.Partitions < -1 || nt.Partitions == 0 {
		return nil, fault(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	l := a.layers(img)
	partitions, factor := int(nt.Partitions), int(nt.Replication)
	if partitions == -1 {
		partitions = int(l.BrokerInt("num.partitions"))
	}
	if factor == -1 {
		factor = int(l.BrokerInt("default.replication.factor"))
	}
	return a.spread(img, partitions, rules.CapReplication(factor, placeable(img)))
}

// spread places partitions on the registered brokers, going on where the last topic ended.
func (a *Admin) spread(img *image.Image, partitions, factor int) ([][]metadata.BrokerID, error) {
	if partitions > PartitionsMax {
		return nil, fault(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	}
	alive := open(img, img.Brokers)
	brokers := alive
	if factor > len(brokers) {
		brokers = open(img, img.Registered()) // those that do not serve now count, and will have replicas
	}
	if n := len(brokers); factor > n {
		return nil, fault(kerr.InvalidReplicationFactor,
			"Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered%s.",
			factor, factor, n, besidesDrained(img))
	}
	start := a.next.Add(uint32(partitions)) - uint32(partitions)
	if len(alive) == 0 {
		return nil, fault(kerr.InvalidReplicationFactor,
			"Unable to replicate the partition %d time(s): All brokers are currently fenced.", factor)
	}
	placed := place(brokers, int(start%uint32(len(brokers)*len(brokers))), partitions, factor)
	if len(brokers) > len(alive) {
		for p, replicas := range placed {
			lead(alive, replicas, p)
		}
	}
	return placed, nil
}

// lead puts a broker that serves first: one of the replicas, or, if none of them does, the n-th that does in the place of the last.
func lead(alive []metadata.Session, replicas []metadata.BrokerID, n int) {
	at := slices.IndexFunc(replicas, func(b metadata.BrokerID) bool {
		return slices.ContainsFunc(alive, func(s metadata.Session) bool { return s.Broker == b })
	})
	if at < 0 {
		at = len(replicas) - 1
		replicas[at] = alive[n%len(alive)].Broker
	}
	first := replicas[at]
	copy(replicas[1:], replicas[:at])
	replicas[0] = first
}

// firstLeader is who leads a new partition: the first of its replicas that serves.
func firstLeader(img *image.Image, replicas []metadata.BrokerID) metadata.BrokerID {
	for _, b := range replicas {
		if _, alive := img.Broker(b); alive {
			return b
		}
	}
	return replicas[0]
}

// checkLed refuses partitions of which no replica serves: they would have no leader.
func checkLed(img *image.Image, partitions [][]metadata.BrokerID) error {
	for i, replicas := range partitions {
		if !slices.ContainsFunc(replicas, func(b metadata.BrokerID) bool { _, alive := img.Broker(b); return alive }) {
			return fault(kerr.InvalidReplicaAssignment,
				"All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", i)
		}
	}
	return nil
}

// checkManual checks an assignment that the client made.
func checkManual(img *image.Image, partitions [][]metadata.BrokerID) error {
	for _, replicas := range partitions {
		if len(replicas) == 0 {
			return fault(kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
		}
		if len(replicas) != len(partitions[0]) {
			return fault(kerr.InvalidReplicaAssignment,
				"The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).",
				len(replicas), len(partitions[0]))
		}
		for i, b := range replicas {
			if slices.Contains(replicas[:i], b) {
				return fault(kerr.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", b)
			}
			if !img.IsRegistered(b) {
				return fault(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", b)
			}
			if img.Draining(b) {
				return fault(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, which is being emptied to leave the cluster.", b)
			}
		}
	}
	return nil
}

// CreateInternal returns a function that creates the internal topic of that name, if it does not exist, and waits until this broker's
// image shows it. At most as many replicas are asked for as there are brokers.
func (a *Admin) CreateInternal(name string) func(ctx context.Context, partitions int32, replication int16, configs map[string]string) error {
	return func(ctx context.Context, partitions int32, replication int16, configs map[string]string) error {
		img := a.withBrokers(ctx, int(replication))
		nt := NewTopic{Name: name, Partitions: partitions, Replication: max(1, min(replication, int16(min(len(open(img, img.Brokers)), 1<<15-1)))), Configs: configs, internal: true}
		err := a.Create(ctx, []NewTopic{nt}, false)[0].Err
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
		// Another broker was faster: its change reaches our image in a moment.
		_, kv, err := a.read(ctx, name)
		if err == nil {
			_, err = a.image.Await(ctx, kv.Modified)
		}
		return err
	}
}
