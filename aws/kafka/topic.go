package kafka

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
	"weir/control/resource"
	"weir/metadata"
)

// The topic operations. They ask the cluster's brokers, whatever they do or show, and keep nothing: what they answer is true at that moment, and
// what they do is seen by the next Kafka client. (The service shows what it knew a minute ago.)

// Texts of ours: the service's are not known.
const (
	textProvisioned = "Topic operations are available for provisioned clusters only."
	textTopicName   = "A topic's name has 1 to 249 letters, digits, periods, underscores and hyphens, and is not . or .."
	textUpdateTopic = "You must specify either configs or partitionCount to update." // service
)

// topicVersion is the first Kafka version whose clusters have topic operations, as on MSK.
const topicVersion = "3.6.0"

// topicCluster reads the cluster of a topic operation and checks that it has topic operations now.
func (a *api) topicCluster(ctx context.Context, arn *string, action resource.Action) (resource.Cluster, error) {
	c, _, err := a.cluster(ctx, arn)
	if err != nil {
		return c, err
	}
	switch v, known := resource.LookupKafkaVersion(c.KafkaVersion); {
	case c.Kind() == metadata.Serverless:
		return c, badRequest("clusterArn", "%s", textProvisioned)
	case known && !v.AtLeast(topicVersion):
		return c, badRequest("clusterArn", "Topic operations need Apache Kafka %s or later. This cluster has version %s.", topicVersion, v.Name)
	case !c.State.Allows(action):
		verb := "change"
		if action == resource.ActionReadTopics {
			verb = "describe"
		}
		return c, badRequest("clusterArn", "You can't %s the topics of a cluster in %s state.", verb, c.State)
	}
	return c, nil
}

// topicNameMax is Kafka's limit.
const topicNameMax = 249

// checkTopicName applies Kafka's rules: a name that breaks them names no topic that could be.
func checkTopicName(name string) error {
	valid := name != "" && name != "." && name != ".." && len(name) <= topicNameMax
	for _, c := range []byte(name) {
		valid = valid && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if !valid {
		return badRequest("topicName", "%s", textTopicName)
	}
	return nil
}

// namedTopic reads the cluster of an operation on one topic and checks the topic's name; whether there is such a topic, its brokers say.
func (a *api) namedTopic(ctx context.Context, arn, topic *string, action resource.Action) (c resource.Cluster, name string, err error) {
	if c, err = a.topicCluster(ctx, arn, action); err != nil {
		return c, "", err
	}
	return c, *topic, checkTopicName(*topic)
}

// parseConfigs reads topic configs: the Base64 encoding of a JSON object whose values are strings.
func parseConfigs(text string) (map[string]string, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, badRequest("configs", "configs is not valid Base64. Give the Base64 encoding of a JSON object whose values are strings.")
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	malformed := func(why string) error {
		return badRequest("configs", "configs is the Base64 encoding of something that is not a JSON object whose values are strings: %s.", why)
	}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, malformed("it does not begin with {")
	}
	configs := make(map[string]string)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, malformed("it is not well-formed")
		}
		if _, twice := configs[name]; twice {
			return nil, malformed(fmt.Sprintf("%q is there twice", name))
		}
		t, err = d.Token()
		if err != nil {
			return nil, malformed("it is not well-formed")
		}
		value, ok := t.(string)
		if !ok {
			return nil, malformed(fmt.Sprintf("the value of %q is not a string", name))
		}
		configs[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed("it is not well-formed")
	}
	if d.More() {
		return nil, malformed("something follows the object")
	}
	return configs, nil
}

func formatConfigs(configs map[string]string) (string, error) {
	b, err := json.Marshal(configs)
	return base64.StdEncoding.EncodeToString(b), err
}

func (a *api) createTopic(ctx context.Context, in *gen.CreateTopicInput) (*gen.CreateTopicOutput, error) {
	c, name, err := a.namedTopic(ctx, in.ClusterArn, in.TopicName, resource.ActionWriteTopics)
	if err != nil {
		return nil, err
	}
	var configs map[string]string
	if in.Configs != nil {
		if configs, err = parseConfigs(*in.Configs); err != nil {
			return nil, err
		}
	}
	replication := *in.ReplicationFactor
	if brokers := int32(len(c.Nodes)); replication > brokers { // also because Kafka's field is smaller
		return nil, badRequest("replicationFactor", "The replication factor %d is larger than the number of brokers, which is %d.", replication, brokers)
	}
	err = a.brokers.Use(ctx, &c, func(ctx context.Context, b *dataplane.Brokers) error {
		return b.Create(ctx, name, *in.PartitionCount, int16(replication), configs)
	})
	if err != nil {
		return nil, writeFault(err, "topicName")
	}
	return &gen.CreateTopicOutput{TopicArn: new(c.TopicARN(name)), TopicName: &name, Status: gen.TopicStateCreating}, nil
}

func (a *api) describeTopic(ctx context.Context, in *gen.DescribeTopicInput) (*gen.DescribeTopicOutput, error) {
	c, name, err := a.namedTopic(ctx, in.ClusterArn, in.TopicName, resource.ActionReadTopics)
	if err != nil {
		return nil, err
	}
	var t dataplane.Topic
	var status gen.TopicState
	var configs map[string]string
	err = a.brokers.Use(ctx, &c, func(ctx context.Context, b *dataplane.Brokers) (err error) {
		if t, err = b.Topic(ctx, name); err != nil {
			return err
		}
		if status, err = topicStatus(ctx, b, &t); err != nil {
			return err
		}
		configs, err = b.Configs(ctx, name)
		return err
	})
	if err != nil {
		return nil, readFault(err, "topicName")
	}
	text, err := formatConfigs(configs)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeTopicOutput{
		TopicArn: new(c.TopicARN(t.Name)), TopicName: &t.Name, Configs: &text, Status: status,
		PartitionCount: new(int32(len(t.Partitions))), ReplicationFactor: new(int32(t.Replication())),
	}, nil
}

// topicStatus is CREATING as long as a partition has never been led, and UPDATING while partitions move. A topic that is deleted is gone at once.
func topicStatus(ctx context.Context, b *dataplane.Brokers, t *dataplane.Topic) (gen.TopicState, error) {
	for _, p := range t.Partitions {
		if p.Leader < 0 && p.Epoch == 0 {
			return gen.TopicStateCreating, nil
		}
	}
	moving, err := b.Moving(ctx, t)
	if moving {
		return gen.TopicStateUpdating, err
	}
	return gen.TopicStateActive, err
}

func (a *api) describeTopicPartitions(ctx context.Context, in *gen.DescribeTopicPartitionsInput) (*gen.DescribeTopicPartitionsOutput, error) {
	c, name, err := a.namedTopic(ctx, in.ClusterArn, in.TopicName, resource.ActionReadTopics)
	if err != nil {
		return nil, err
	}
	var t dataplane.Topic
	err = a.brokers.Use(ctx, &c, func(ctx context.Context, b *dataplane.Brokers) (err error) {
		t, err = b.Topic(ctx, name)
		return err
	})
	if err != nil {
		return nil, readFault(err, "topicName")
	}
	all := make([]gen.TopicPartitionInfo, len(t.Partitions))
	for i, p := range t.Partitions {
		all[i] = gen.TopicPartitionInfo{Partition: new(int32(i)), Leader: new(p.Leader), Replicas: p.Replicas, Isr: p.ISR}
	}
	listing := "DescribeTopicPartitions " + c.UUID + " " + name
	shown, next, err := page(listing, all, partitionKey, in.MaxResults, in.NextToken)
	return &gen.DescribeTopicPartitionsOutput{Partitions: shown, NextToken: next}, err
}

func partitionKey(p *gen.TopicPartitionInfo) string { return fmt.Sprintf("%010d", *p.Partition) }

func (a *api) listTopics(ctx context.Context, in *gen.ListTopicsInput) (*gen.ListTopicsOutput, error) {
	c, err := a.topicCluster(ctx, in.ClusterArn, resource.ActionReadTopics)
	if err != nil {
		return nil, err
	}
	var all []dataplane.Topic
	err = a.brokers.Use(ctx, &c, func(ctx context.Context, b *dataplane.Brokers) (err error) {
		all, err = b.Topics(ctx)
		return err
	})
	if err != nil {
		return nil, readFault(err, "clusterArn")
	}
	prefix := deref(in.TopicNameFilter)
	named := make([]dataplane.Topic, 0, len(all))
	for _, t := range all {
		if strings.HasPrefix(t.Name, prefix) {
			named = append(named, t)
		}
	}
	topics, next, err := page("ListTopics "+c.UUID, named, func(t *dataplane.Topic) string { return t.Name }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListTopicsOutput{Topics: []gen.TopicInfo{}, NextToken: next}
	for _, t := range topics {
		out.Topics = append(out.Topics, gen.TopicInfo{
			TopicArn: new(c.TopicARN(t.Name)), TopicName: new(t.Name),
			PartitionCount: new(int32(len(t.Partitions))), ReplicationFactor: new(int32(t.Replication())),
			OutOfSyncReplicaCount: new(int32(t.OutOfSync())),
		})
	}
	return out, nil
}

// updateTopic changes the configs or the number of partitions. Configs are the topic's own from then on, whole: what they do not name has the
// broker's default again. That is how Terraform takes a config away, by giving none.
func (a *api) updateTopic(ctx context.Context, in *gen.UpdateTopicInput) (*gen.UpdateTopicOutput, error) {
	c, name, err := a.namedTopic(ctx, in.ClusterArn, in.TopicName, resource.ActionWriteTopics)
	if err != nil {
		return nil, err
	}
	var configs map[string]string
	switch {
	case (in.Configs == nil) == (in.PartitionCount == nil):
		return nil, badRequest("configs", "%s", textUpdateTopic)
	case in.Configs != nil:
		if configs, err = parseConfigs(*in.Configs); err != nil {
			return nil, err
		}
	case *in.PartitionCount < 1:
		return nil, badRequest("partitionCount", "A topic has at least one partition.")
	}
	missing, parameter := false, "configs"
	err = a.brokers.Use(ctx, &c, func(ctx context.Context, b *dataplane.Brokers) error {
		if _, err := b.Topic(ctx, name); err != nil {
			missing = true
			return err
		}
		if in.PartitionCount != nil {
			parameter = "partitionCount"
			return b.Grow(ctx, name, *in.PartitionCount)
		}
		return b.SetConfigs(ctx, name, configs)
	})
	switch {
	case err != nil && missing:
		return nil, lookFault(err, "topicName")
	case err != nil:
		return nil, writeFault(err, parameter)
	}
	return &gen.UpdateTopicOutput{TopicArn: new(c.TopicARN(name)), TopicName: &name, Status: gen.TopicStateUpdating}, nil
}

func (a *api) deleteTopic(ctx context.Context, in *gen.DeleteTopicInput) (*gen.DeleteTopicOutput, error) {
	c, name, err := a.namedTopic(ctx, in.ClusterArn, in.TopicName, resource.ActionWriteTopics)
	if err != nil {
		return nil, err
	}
	if err := a.topicHasChannel(ctx, &c, name); err != nil {
		return nil, err
	}
	missing := false
	err = a.brokers.Use(ctx, &c, func(ctx context.Context, b *dataplane.Brokers) error {
		if _, err := b.Topic(ctx, name); err != nil {
			missing = true
			return err
		}
		return b.Delete(ctx, name)
	})
	switch {
	case err != nil && missing:
		return nil, lookFault(err, "topicName")
	case err != nil:
		return nil, writeFault(err, "topicName")
	}
	return &gen.DeleteTopicOutput{TopicArn: new(c.TopicARN(name)), TopicName: &name, Status: gen.TopicStateDeleting}, nil
}
