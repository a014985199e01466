package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// Refusal is a broker's error code with what it said about it. It unwraps to the code.
type Refusal struct {
	Code    *kerr.Error
	Message string
}

func (r *Refusal) Error() string {
	if r.Message == "" {
		return r.Code.Error()
	}
	return r.Code.Message + ": " + r.Message
}

func (r *Refusal) Unwrap() error { return r.Code }

// refusal is nil for code 0.
func refusal(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	ke, ok := errors.AsType[*kerr.Error](err)
	if !ok {
		return err
	}
	r := &Refusal{Code: ke}
	if message != nil {
		r.Message = *message
	}
	return r
}

// errNoController means that the brokers know of none that serves.
var errNoController = errors.New("dataplane: no broker of the cluster serves")

// Topic is a topic as the brokers see it.
type Topic struct {
	Name       string
	ID         metadata.TopicID
	Internal   bool
	Partitions []Partition // in order
}

// Partition is a partition as the brokers see it.
type Partition struct {
	Leader   int32 // -1: none that serves
	Epoch    int32 // of the leader; 0 before the first change
	Replicas []int32
	ISR      []int32
}

// Replication is the topic's replication factor: that of its partition with most replicas.
func (t *Topic) Replication() int {
	n := 0
	for _, p := range t.Partitions {
		n = max(n, len(p.Replicas))
	}
	return n
}

// OutOfSync counts the replicas that are not in sync.
func (t *Topic) OutOfSync() int {
	n := 0
	for _, p := range t.Partitions {
		n += len(p.Replicas) - len(p.ISR)
	}
	return n
}

// Brokers are the brokers of one cluster. Errors of theirs are Refusals.
type Brokers struct {
	client  *kgo.Client
	timeout time.Duration
}

// controller finds the broker to ask.
func (b *Brokers) controller(ctx context.Context) (*kgo.Broker, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return nil, fmt.Errorf("ask for the controller: %w", err)
	}
	if resp.ControllerID < 0 {
		return nil, errNoController
	}
	return b.client.Broker(int(resp.ControllerID)), nil
}

// read asks the controller, again if a connection breaks.
func read[R kmsg.Response](ctx context.Context, b *Brokers, req kmsg.Request) (R, error) {
	var none R
	to, err := b.controller(ctx)
	if err != nil {
		return none, err
	}
	return answered[R](to.RetriableRequest(ctx, req))
}

// write asks the controller once.
func write[R kmsg.Response](ctx context.Context, b *Brokers, req kmsg.Request) (R, error) {
	var none R
	to, err := b.controller(ctx)
	if err != nil {
		return none, err
	}
	return answered[R](to.Request(ctx, req))
}

func answered[R kmsg.Response](resp kmsg.Response, err error) (R, error) {
	var none R
	if err != nil {
		return none, err
	}
	r, ok := resp.(R)
	if !ok {
		return none, fmt.Errorf("dataplane: a broker answered with %T", resp)
	}
	return r, nil
}

// Topics returns all topics, by name.
func (b *Brokers) Topics(ctx context.Context) ([]Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	resp, err := read[*kmsg.MetadataResponse](ctx, b, req)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	out := make([]Topic, 0, len(resp.Topics))
	for i := range resp.Topics {
		if resp.Topics[i].ErrorCode == 0 { // another code: deleted while the answer was made
			out = append(out, topicOf(&resp.Topics[i]))
		}
	}
	slices.SortFunc(out, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Topic returns one topic.
func (b *Brokers) Topic(ctx context.Context, name string) (Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t)
	resp, err := read[*kmsg.MetadataResponse](ctx, b, req)
	if err != nil {
		return Topic{}, fmt.Errorf("describe topic %s: %w", name, err)
	}
	if len(resp.Topics) != 1 {
		return Topic{}, fmt.Errorf("describe topic %s: %d topics were answered", name, len(resp.Topics))
	}
	if err := refusal(resp.Topics[0].ErrorCode, nil); err != nil {
		return Topic{}, err
	}
	return topicOf(&resp.Topics[0]), nil
}

func topicOf(in *kmsg.MetadataResponseTopic) Topic {
	t := Topic{ID: in.TopicID, Internal: in.IsInternal, Partitions: make([]Partition, len(in.Partitions))}
	if in.Topic != nil {
		t.Name = *in.Topic
	}
	ps := slices.SortedFunc(slices.Values(in.Partitions), func(a, b kmsg.MetadataResponseTopicPartition) int { return int(a.Partition - b.Partition) })
	for i, p := range ps {
		t.Partitions[i] = Partition{Leader: p.Leader, Epoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR}
	}
	return t
}

// Moving tells whether a partition of the topic is being reassigned.
func (b *Brokers) Moving(ctx context.Context, t *Topic) (bool, error) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = b.millis()
	rt := kmsg.NewListPartitionReassignmentsRequestTopic()
	rt.Topic = t.Name
	for i := range t.Partitions {
		rt.Partitions = append(rt.Partitions, int32(i))
	}
	req.Topics = append(req.Topics, rt)
	resp, err := read[*kmsg.ListPartitionReassignmentsResponse](ctx, b, req)
	if err != nil {
		return false, fmt.Errorf("list reassignments of topic %s: %w", t.Name, err)
	}
	return len(resp.Topics) > 0, refusal(resp.ErrorCode, resp.ErrorMessage)
}

// Configs returns the topic's configs, those that it has by default too. Secret ones are left out.
func (b *Brokers) Configs(ctx context.Context, name string) (map[string]string, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
	req.Resources = append(req.Resources, r)
	resp, err := read[*kmsg.DescribeConfigsResponse](ctx, b, req)
	if err != nil {
		return nil, fmt.Errorf("describe configs of topic %s: %w", name, err)
	}
	if len(resp.Resources) != 1 {
		return nil, fmt.Errorf("describe configs of topic %s: %d resources were answered", name, len(resp.Resources))
	}
	if err := refusal(resp.Resources[0].ErrorCode, resp.Resources[0].ErrorMessage); err != nil {
		return nil, err
	}
	configs := make(map[string]string)
	for _, c := range resp.Resources[0].Configs {
		if c.Value != nil && !c.IsSensitive {
			configs[c.Name] = *c.Value
		}
	}
	return configs, nil
}

// Create makes a topic.
func (b *Brokers) Create(ctx context.Context, name string, partitions int32, replication int16, configs map[string]string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = b.millis()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replication
	for _, k := range slices.Sorted(maps.Keys(configs)) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, new(configs[k])
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp, err := write[*kmsg.CreateTopicsResponse](ctx, b, req)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	if len(resp.Topics) != 1 {
		return fmt.Errorf("create topic %s: %d topics were answered", name, len(resp.Topics))
	}
	return refusal(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
}

// Delete deletes a topic.
func (b *Brokers) Delete(ctx context.Context, name string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = b.millis()
	req.TopicNames = []string{name} // up to v5
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t) // from v6
	resp, err := write[*kmsg.DeleteTopicsResponse](ctx, b, req)
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	if len(resp.Topics) != 1 {
		return fmt.Errorf("delete topic %s: %d topics were answered", name, len(resp.Topics))
	}
	return refusal(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
}

// Grow gives a topic that many partitions.
func (b *Brokers) Grow(ctx context.Context, name string, partitions int32) error {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = b.millis()
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, partitions
	req.Topics = append(req.Topics, t)
	resp, err := write[*kmsg.CreatePartitionsResponse](ctx, b, req)
	if err != nil {
		return fmt.Errorf("add partitions to topic %s: %w", name, err)
	}
	if len(resp.Topics) != 1 {
		return fmt.Errorf("add partitions to topic %s: %d topics were answered", name, len(resp.Topics))
	}
	return refusal(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
}

// SetConfigs makes configs all that the topic has of its own: what they do not name has its default again.
func (b *Brokers) SetConfigs(ctx context.Context, name string, configs map[string]string) error {
	req := kmsg.NewPtrAlterConfigsRequest()
	r := kmsg.NewAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
	for _, k := range slices.Sorted(maps.Keys(configs)) {
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		c.Name, c.Value = k, new(configs[k])
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	resp, err := write[*kmsg.AlterConfigsResponse](ctx, b, req)
	if err != nil {
		return fmt.Errorf("set configs of topic %s: %w", name, err)
	}
	if len(resp.Resources) != 1 {
		return fmt.Errorf("set configs of topic %s: %d resources were answered", name, len(resp.Resources))
	}
	return refusal(resp.Resources[0].ErrorCode, resp.Resources[0].ErrorMessage)
}

// millis is how long a broker may take.
func (b *Brokers) millis() int32 { return int32(b.timeout.Milliseconds()) }
