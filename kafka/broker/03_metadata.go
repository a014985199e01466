package broker

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/topic"
	"weir/kafka/wire"
	"weir/metadata"
)

// Metadata (key 3), versions 0-13. Served by any broker from its image; blocks only to create a topic.
// v1 has racks, the controller and null for all topics; v2 the cluster id; v4 lets clients forbid creation; v5 names offline replicas;
// v7 leader epochs; v8 authorized operations (KIP-430); v9 is flexible; v10 has topic ids, v12 finds topics by them (KIP-516);
// v13 has a code for the whole (KIP-1102), which is never set.
// Brokers are those that are ready and have the listener that the client came in on. Replicas are virtual: all on brokers that serve are in sync.
// A topic that is named twice is answered once. If one is named by its id, those without are left out, as in Kafka.
// Errors per topic: INVALID_REQUEST for all, and no brokers, if v10 or v11 has an id or no name; UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_TOPIC_EXCEPTION, those of creating a topic; LEADER_NOT_AVAILABLE,
// LISTENER_NOT_FOUND per partition.
func (b *Broker) metadata(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.MetadataRequest](r), kmsg.NewPtrMetadataResponse()
	if req.Version < 12 && namesByID(req) {
		return b.refuseMetadata(r, req)
	}
	all := req.Topics == nil || req.Version == 0 && len(req.Topics) == 0
	req.Topics = distinctTopics(req.Topics)
	var refused map[string]error
	if !all {
		refused = b.autoCreate(ctx, r, req)
	}
	img := b.image.Current()
	d := describer{img: img, listener: r.Listener}
	resp.ClusterID = &b.cfg.ClusterID
	if c, ok := img.Controller(); ok {
		resp.ControllerID = int32(c.Broker)
	}
	for _, n := range d.nodes() {
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: n.NodeID, Host: n.Host, Port: n.Port, Rack: nullable(n.Rack)})
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}
	if all {
		topics := img.Topics()
		resp.Topics = make([]kmsg.MetadataResponseTopic, len(topics))
		for i, t := range topics {
			d.topic(&resp.Topics[i], t, req)
		}
		return resp
	}
	resp.Topics = make([]kmsg.MetadataResponseTopic, len(req.Topics))
	for i := range req.Topics {
		out := &resp.Topics[i]
		name, id := req.Topics[i].Topic, metadata.TopicID(req.Topics[i].TopicID)
		if id != (metadata.TopicID{}) {
			name = nil // an id counts alone: Java's clients send an empty name beside it
		}
		t, err := findTopic(img, name, id)
		if t != nil {
			d.topic(out, t, req)
			continue
		}
		out.Default()
		out.Topic, out.TopicID = name, id
		if out.Topic != nil {
			if reason := refused[*out.Topic]; reason != nil {
				err = reason
			}
		}
		out.ErrorCode = b.code(r, err)
	}
	return resp
}

// namesByID reports whether a topic is named by its id, or not at all.
func namesByID(req *kmsg.MetadataRequest) bool {
	return slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic == nil || t.TopicID != [16]byte{} })
}

// refuseMetadata answers a request as a whole.
func (b *Broker) refuseMetadata(r *Request, req *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	resp.ControllerID = -1
	for _, t := range req.Topics {
		out := kmsg.NewMetadataResponseTopic()
		out.Topic, out.TopicID, out.ErrorCode = new(deref(t.Topic)), t.TopicID, b.code(r, kerr.InvalidRequest)
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// distinctTopics returns the topics that a request asks for, each once: those with an id, if any has one, or those with a name.
func distinctTopics(asked []kmsg.MetadataRequestTopic) []kmsg.MetadataRequestTopic {
	if len(asked) < 2 {
		return asked
	}
	byID := slices.ContainsFunc(asked, func(t kmsg.MetadataRequestTopic) bool { return t.TopicID != [16]byte{} })
	seen := make(map[topicName]struct{}, len(asked))
	return slices.DeleteFunc(asked, func(t kmsg.MetadataRequestTopic) bool {
		n := topicName{name: deref(t.Topic), id: t.TopicID}
		if byID {
			n.name = ""
		}
		_, again := seen[n]
		seen[n] = struct{}{}
		return again || byID && t.TopicID == [16]byte{}
	})
}

// What every client may do as long as there is no authorizer: bits are numbered by Kafka's ACL operations.
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11 // read .. describe, describe and alter configs
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12       // create, alter, describe, cluster action, configs, idempotent write
)

// findTopic finds a topic by name, or by id if name is nil.
func findTopic(img *image.Image, name *string, id metadata.TopicID) (*image.Topic, error) {
	if name == nil {
		if t, ok := img.TopicByID(id); ok {
			return t, nil
		}
		return nil, kerr.UnknownTopicID
	}
	if t, ok := img.Topic(*name); ok {
		return t, nil
	}
	if err := topic.ValidateName(*name); err != nil {
		return nil, err
	}
	return nil, kerr.UnknownTopicOrPartition
}

// autoCreate creates the topics of the request that do not exist, if both client and configuration want that, and returns why it could not.
func (b *Broker) autoCreate(ctx context.Context, r *Request, req *kmsg.MetadataRequest) map[string]error {
	if req.Version >= 4 && !req.AllowAutoTopicCreation || !b.topics.Layers().BrokerBool("auto.create.topics.enable") {
		return nil
	}
	img := b.image.Current()
	var missing []topic.NewTopic
	named := make(map[string]bool)
	for i := range req.Topics {
		name := req.Topics[i].Topic
		if name == nil || req.Topics[i].TopicID != (metadata.TopicID{}) || named[*name] || image.IsInternal(*name) {
			continue
		}
		named[*name] = true
		if _, err := findTopic(img, name, metadata.TopicID{}); errors.Is(err, kerr.UnknownTopicOrPartition) {
			missing = append(missing, topic.NewTopic{Name: *name, Partitions: -1, Replication: -1})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	refused := make(map[string]error)
	for i, c := range b.limited(r, math.MaxInt16).Create(ctx, missing, false) {
		if c.Err != nil && !errors.Is(c.Err, kerr.TopicAlreadyExists) {
			refused[missing[i].Name] = c.Err
		}
	}
	return refused
}

// describer turns topics into what clients on one listener see.
type describer struct {
	img      *image.Image
	listener string
	alive    map[metadata.BrokerID]bool // whether it has the listener too
}

// nodes returns the brokers that clients can reach. It must be called first.
func (d *describer) nodes() (nodes []wire.Node) {
	d.alive = make(map[metadata.BrokerID]bool)
	for _, s := range d.img.Brokers {
		if !s.Ready {
			continue
		}
		n, ok := nodeOf(s, d.listener)
		d.alive[s.Broker] = ok
		if ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// leader returns the leader to tell, -1 with a code if clients cannot reach it.
func (d *describer) leader(p *metadata.PartitionAssignment) (int32, int16) {
	reachable, alive := d.alive[p.Leader]
	switch {
	case reachable:
		return int32(p.Leader), 0
	case alive:
		return -1, kerr.ListenerNotFound.Code
	default:
		return -1, kerr.LeaderNotAvailable.Code
	}
}

// replicas returns all replicas and those on brokers that are down.
func (d *describer) replicas(p *metadata.PartitionAssignment) (all, offline []int32) {
	all = make([]int32, len(p.Replicas))
	for i, r := range p.Replicas {
		all[i] = int32(r)
		if _, alive := d.alive[r]; !alive {
			offline = append(offline, int32(r))
		}
	}
	return all, offline
}

// inSync returns the replicas to show in sync.
func (d *describer) inSync(p *metadata.PartitionAssignment) []int32 {
	isr := image.InSync(p, func(b metadata.BrokerID) bool { _, alive := d.alive[b]; return alive })
	out := make([]int32, len(isr))
	for i, r := range isr {
		out[i] = int32(r)
	}
	return out
}

func (d *describer) topic(out *kmsg.MetadataResponseTopic, t *image.Topic, req *kmsg.MetadataRequest) {
	out.Default()
	out.Topic, out.TopicID, out.IsInternal = &t.Name, t.ID, t.Internal
	if req.IncludeTopicAuthorizedOperations {
		out.AuthorizedOperations = topicOperations
	}
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i := range t.Partitions {
		in, p := &t.Partitions[i], &out.Partitions[i]
		p.Default()
		p.Partition, p.LeaderEpoch = int32(i), int32(in.Epoch)
		p.Leader, p.ErrorCode = d.leader(in)
		if req.Version < 6 && p.ErrorCode == kerr.ListenerNotFound.Code {
			p.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		p.Replicas, p.OfflineReplicas = d.replicas(in)
		p.ISR = d.inSync(in)
	}
}
