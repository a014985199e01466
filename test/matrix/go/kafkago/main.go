// Command kafkago is segmentio's kafka-go in the client matrix.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"matrix/cell"
)

func main() {
	cell.Main("github.com/segmentio/kafka-go", func(bootstrap []string, replicas int) (cell.Client, error) {
		s := side{seeds: bootstrap, replicas: replicas, client: &kafka.Client{Addr: kafka.TCP(bootstrap...), Timeout: 30 * time.Second}}
		return cell.Client{
			CreateTopic: s.createTopic, Produce: s.produce, Read: s.read, Seek: s.seek, OffsetAt: s.offsetAt, Join: s.join,
			ListTopics: s.listTopics, Partitions: s.partitions, DeleteTopic: s.deleteTopic, AlterConfig: s.alterConfig,
			DescribeConfig: s.describeConfig, CreatePartitions: s.createPartitions, ListGroups: s.listGroups, DescribeGroup: s.describeGroup,
			DeleteGroup: s.deleteGroup, CommitOffset: s.commitOffset, FetchOffset: s.fetchOffset, DeleteOffset: s.deleteOffset,
			Bounds: s.bounds, Cluster: s.cluster,
		}, nil
	})
}

type side struct {
	seeds    []string
	replicas int
	client   *kafka.Client
}

func (s side) createTopic(ctx context.Context, topic string, partitions int, configs map[string]string) error {
	config := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: s.replicas}
	for k, v := range configs {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: k, ConfigValue: v})
	}
	response, err := s.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

// metadataTTL is also how long the library waits for metadata. It is less than a writer's attempts take together: the topic is new.
const metadataTTL = 4 * time.Second

func (s side) produce(ctx context.Context, topic string, records []cell.Record, how cell.Sending) error {
	w := &kafka.Writer{
		Addr: kafka.TCP(s.seeds...), Topic: topic, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
		Transport: &kafka.Transport{MetadataTTL: metadataTTL},
	}
	defer w.Close()
	for _, c := range []kafka.Compression{kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		if c.String() == how.Codec {
			w.Compression = c
		}
	}
	if how.MaxBytes > 0 {
		w.BatchBytes = int64(how.MaxBytes)
	}
	var messages []kafka.Message
	for _, r := range records {
		m := kafka.Message{Key: r.Key, Value: r.Value, Time: r.Time}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		messages = append(messages, m)
	}
	return w.WriteMessages(ctx, messages...)
}

func incoming(m kafka.Message) cell.Record {
	r := cell.Record{Partition: int32(m.Partition), Offset: m.Offset, Key: m.Key, Value: m.Value, Time: m.Time}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, cell.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

func (s side) reader(topic string, partition int, isolation kafka.IsolationLevel) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: s.seeds, Topic: topic, Partition: partition, MinBytes: 1, MaxBytes: 10 << 20, MaxWait: 200 * time.Millisecond,
		IsolationLevel: isolation, ReadBackoffMin: 5 * time.Millisecond, ReadBackoffMax: 50 * time.Millisecond,
	})
}

func (s side) read(ctx context.Context, topic string, partitions, want int, committed bool) ([]cell.Record, error) {
	isolation := kafka.ReadUncommitted
	if committed {
		isolation = kafka.ReadCommitted
	}
	var got []cell.Record
	for p := range partitions {
		_, end, err := s.boundsOf(ctx, topic, p)
		if err != nil {
			return nil, err
		}
		r := s.reader(topic, p, isolation)
		for next := int64(0); next < end; {
			m, err := r.ReadMessage(ctx)
			if err != nil {
				r.Close()
				return nil, fmt.Errorf("%d of %d records: %w", len(got), want, err)
			}
			got, next = append(got, incoming(m)), m.Offset+1
		}
		r.Close()
	}
	return got, nil
}

func (s side) seek(ctx context.Context, topic string, offsets []int64) ([]cell.Record, error) {
	r := s.reader(topic, 0, kafka.ReadUncommitted)
	defer r.Close()
	var got []cell.Record
	for _, o := range offsets {
		if err := r.SetOffset(o); err != nil {
			return nil, err
		}
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		got = append(got, incoming(m))
	}
	return got, nil
}

func (s side) offsetAt(ctx context.Context, topic string, at time.Time) (int64, error) {
	response, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.TimeOffsetOf(0, at)}},
	})
	if err != nil {
		return 0, err
	}
	p := response.Topics[topic][0]
	for o := range p.Offsets {
		return o, p.Error
	}
	return -1, p.Error
}

type member struct {
	cell.Ledger
	group *kafka.ConsumerGroup
	stop  context.CancelFunc
	done  chan error
}

func (s side) join(_ context.Context, how cell.Joining) (cell.Member, error) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: how.Group, Brokers: s.seeds, Topics: []string{how.Topic}, HeartbeatInterval: 200 * time.Millisecond,
		StartOffset: kafka.FirstOffset, JoinGroupBackoff: 50 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	m := &member{group: group, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() {
		for {
			generation, err := group.Next(ctx)
			if err != nil {
				if errors.Is(err, context.Canceled) {
					err = nil
				}
				m.done <- err
				return
			}
			for topic, partitions := range generation.Assignments {
				for _, p := range partitions {
					m.Gain(topic, int32(p.ID))
					generation.Start(func(ctx context.Context) {
						defer m.Lose(topic, int32(p.ID))
						m.consume(ctx, s, generation, topic, p)
					})
				}
			}
		}
	}()
	return m, nil
}

func (m *member) consume(ctx context.Context, s side, generation *kafka.Generation, topic string, p kafka.PartitionAssignment) {
	r := s.reader(topic, p.ID, kafka.ReadUncommitted)
	defer r.Close()
	if r.SetOffset(p.Offset) != nil {
		return
	}
	for {
		message, err := r.ReadMessage(ctx)
		if err != nil {
			return
		}
		m.Got(incoming(message))
		if generation.CommitOffsets(map[string]map[int]int64{topic: {p.ID: message.Offset + 1}}) != nil {
			return
		}
	}
}

func (m *member) Leave() error {
	m.stop()
	return errors.Join(<-m.done, m.group.Close())
}

func (s side) listTopics(ctx context.Context) ([]string, error) {
	metadata, err := s.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range metadata.Topics {
		if t.Error == nil {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

func (s side) partitions(ctx context.Context, topic string) (int, error) {
	metadata, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	return len(metadata.Topics[0].Partitions), metadata.Topics[0].Error
}

func (s side) deleteTopic(ctx context.Context, topic string) error {
	response, err := s.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

func (s side) alterConfig(ctx context.Context, topic, key, value string) error {
	response, err := s.client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}},
		}},
	})
	if err != nil {
		return err
	}
	return response.Resources[0].Error
}

func (s side) describeConfig(ctx context.Context, topic, key string) (string, error) {
	response, err := s.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{key}}},
	})
	if err != nil {
		return "", err
	}
	if err := response.Resources[0].Error; err != nil {
		return "", err
	}
	return response.Resources[0].ConfigEntries[0].ConfigValue, nil
}

func (s side) createPartitions(ctx context.Context, topic string, total int) error {
	response, err := s.client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(total)}},
	})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

// listGroups asks all brokers: a request goes to one, which knows its own groups only.
func (s side) listGroups(ctx context.Context) ([]string, error) {
	metadata, err := s.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range metadata.Brokers {
		response, err := s.client.ListGroups(ctx, &kafka.ListGroupsRequest{Addr: kafka.TCP(fmt.Sprintf("%s:%d", b.Host, b.Port))})
		if err != nil {
			return nil, err
		}
		for _, g := range response.Groups {
			names = append(names, g.GroupID)
		}
	}
	return names, nil
}

func (s side) describeGroup(ctx context.Context, group string) (cell.Group, error) {
	response, err := s.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return cell.Group{}, err
	}
	g := response.Groups[0]
	return cell.Group{State: g.GroupState, Members: len(g.Members)}, g.Error
}

func (s side) deleteGroup(ctx context.Context, group string) error {
	response, err := s.client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return response.Errors[group]
}

func (s side) commitOffset(ctx context.Context, group, topic string, partition int32, offset int64) error {
	response, err := s.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: int(partition), Offset: offset}}},
	})
	if err != nil {
		return err
	}
	return response.Topics[topic][0].Error
}

func (s side) fetchOffset(ctx context.Context, group, topic string, partition int32) (int64, error) {
	response, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {int(partition)}}})
	if err != nil {
		return 0, err
	}
	return response.Topics[topic][0].CommittedOffset, errors.Join(response.Error, response.Topics[topic][0].Error)
}

func (s side) deleteOffset(ctx context.Context, group, topic string, partition int32) error {
	response, err := s.client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: map[string][]int{topic: {int(partition)}}})
	if err != nil {
		return err
	}
	return errors.Join(response.Error, response.Topics[topic][0].Error)
}

func (s side) bounds(ctx context.Context, topic string) (int64, int64, error) {
	return s.boundsOf(ctx, topic, 0)
}

func (s side) boundsOf(ctx context.Context, topic string, partition int) (int64, int64, error) {
	response, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		return 0, 0, err
	}
	p := response.Topics[topic][0]
	return p.FirstOffset, p.LastOffset, p.Error
}

func (s side) cluster(ctx context.Context) (int, int32, error) {
	metadata, err := s.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return 0, 0, err
	}
	if strings.TrimSpace(metadata.ClusterID) == "" {
		return 0, 0, errors.New("the cluster has no id")
	}
	return len(metadata.Brokers), int32(metadata.Controller.ID), nil
}
