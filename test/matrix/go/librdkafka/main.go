// Command librdkafka is confluent-kafka-go, the Go binding of librdkafka, in the client matrix.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"matrix/cell"
)

func main() {
	cell.Main("github.com/confluentinc/confluent-kafka-go/v2", func(bootstrap []string, replicas int) (cell.Client, error) {
		s := side{seeds: strings.Join(bootstrap, ","), replicas: replicas}
		var err error
		if s.admin, err = kafka.NewAdminClient(s.config(nil)); err != nil {
			return cell.Client{}, err
		}
		return cell.Client{
			CreateTopic: s.createTopic, Produce: s.produce, Idempotent: true, Read: s.read, Seek: s.seek, OffsetAt: s.offsetAt,
			Join: s.join, Cooperative: true, Static: true, Server: true, Pattern: true,
			Transactional: s.transactional, Transform: s.transform,
			ListTopics: s.listTopics, Partitions: s.partitions, DeleteTopic: s.deleteTopic, AlterConfig: s.alterConfig,
			DescribeConfig: s.describeConfig, CreatePartitions: s.createPartitions, ListGroups: s.listGroups, DescribeGroup: s.describeGroup,
			DeleteGroup: s.deleteGroup, CommitOffset: s.commitOffset, FetchOffset: s.fetchOffset,
			Bounds: s.bounds, DeleteRecords: s.deleteRecords, Cluster: s.cluster,
		}, nil
	})
}

type side struct {
	seeds    string
	replicas int
	admin    *kafka.AdminClient
}

func (s side) config(more kafka.ConfigMap) *kafka.ConfigMap {
	c := kafka.ConfigMap{"bootstrap.servers": s.seeds, "topic.metadata.refresh.fast.interval.ms": 50}
	for k, v := range more {
		c[k] = v
	}
	return &c
}

func (s side) consumer(more kafka.ConfigMap) (*kafka.Consumer, error) {
	c := s.config(kafka.ConfigMap{
		"group.id": "nobody", "auto.offset.reset": "earliest", "enable.auto.commit": false, "fetch.wait.max.ms": 200,
		"fetch.message.max.bytes": 10 << 20,
	})
	for k, v := range more {
		(*c)[k] = v
	}
	return kafka.NewConsumer(c)
}

func outgoing(topic string, r cell.Record) *kafka.Message {
	m := &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}, Key: r.Key, Value: r.Value, Timestamp: r.Time,
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

func incoming(m *kafka.Message) cell.Record {
	r := cell.Record{
		Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset), Key: m.Key, Value: m.Value, Time: m.Timestamp,
	}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, cell.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

// topicError is the error of the only topic of a request.
func topicError(results []kafka.TopicResult, err error) error {
	if err != nil {
		return err
	}
	if e := results[0].Error; e.Code() != kafka.ErrNoError {
		return e
	}
	return nil
}

func (s side) createTopic(ctx context.Context, topic string, partitions int, configs map[string]string) error {
	return topicError(s.admin.CreateTopics(ctx, []kafka.TopicSpecification{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: s.replicas, Config: configs},
	}))
}

func (s side) produce(ctx context.Context, topic string, records []cell.Record, how cell.Sending) error {
	c := kafka.ConfigMap{"compression.type": how.Codec, "enable.idempotence": how.Idempotent, "linger.ms": 5, "message.timeout.ms": 30000}
	if !how.Idempotent {
		c["max.in.flight"] = 1 // what is sent again must not come behind what was sent later
	}
	if how.MaxBytes > 0 {
		c["message.max.bytes"] = how.MaxBytes
	}
	p, err := kafka.NewProducer(s.config(c))
	if err != nil {
		return err
	}
	defer p.Close()
	return send(ctx, p, topic, records)
}

func send(ctx context.Context, p *kafka.Producer, topic string, records []cell.Record) error {
	delivered := make(chan kafka.Event, len(records))
	for _, r := range records {
		if err := p.Produce(outgoing(topic, r), delivered); err != nil {
			return err
		}
	}
	for range records {
		select {
		case e := <-delivered:
			if m := e.(*kafka.Message); m.TopicPartition.Error != nil {
				return m.TopicPartition.Error
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s side) read(ctx context.Context, topic string, partitions, want int, committed bool) ([]cell.Record, error) {
	level := "read_uncommitted"
	if committed {
		level = "read_committed"
	}
	c, err := s.consumer(kafka.ConfigMap{"isolation.level": level})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []kafka.TopicPartition
	for p := range partitions {
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: int32(p), Offset: kafka.OffsetBeginning})
	}
	if err := c.Assign(all); err != nil {
		return nil, err
	}
	var got []cell.Record
	for len(got) < want {
		r, err := next(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%d of %d records: %w", len(got), want, err)
		}
		got = append(got, r)
	}
	return got, nil
}

// next is the next record of a consumer.
func next(ctx context.Context, c *kafka.Consumer) (cell.Record, error) {
	for ctx.Err() == nil {
		m, err := c.ReadMessage(100 * time.Millisecond)
		var kerr kafka.Error
		if errors.As(err, &kerr) && kerr.IsTimeout() {
			continue
		}
		if err != nil {
			return cell.Record{}, err
		}
		return incoming(m), nil
	}
	return cell.Record{}, ctx.Err()
}

func (s side) seek(ctx context.Context, topic string, offsets []int64) ([]cell.Record, error) {
	c, err := s.consumer(nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	at := func(o int64) kafka.TopicPartition {
		return kafka.TopicPartition{Topic: &topic, Partition: 0, Offset: kafka.Offset(o)}
	}
	if err := c.Assign([]kafka.TopicPartition{at(offsets[0])}); err != nil {
		return nil, err
	}
	var got []cell.Record
	for i, o := range offsets {
		if i > 0 {
			if _, err := c.SeekPartitions([]kafka.TopicPartition{at(o)}); err != nil {
				return nil, err
			}
		}
		r, err := next(ctx, c)
		if err != nil {
			return nil, err
		}
		got = append(got, r)
	}
	return got, nil
}

func (s side) offsetAt(_ context.Context, topic string, at time.Time) (int64, error) {
	c, err := s.consumer(nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	found, err := c.OffsetsForTimes([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.Offset(at.UnixMilli())}}, 10000)
	if err != nil {
		return 0, err
	}
	return int64(found[0].Offset), found[0].Error
}

type member struct {
	cell.Ledger
	consumer *kafka.Consumer
	stop     context.CancelFunc
	done     chan error
}

func (s side) join(_ context.Context, how cell.Joining) (cell.Member, error) {
	m := &member{done: make(chan error, 1)}
	c := kafka.ConfigMap{"group.id": how.Group}
	if how.Server {
		c["group.protocol"] = "consumer"
	} else {
		c["heartbeat.interval.ms"], c["session.timeout.ms"] = 200, 30000
	}
	if how.Cooperative {
		c["partition.assignment.strategy"] = "cooperative-sticky"
	}
	if how.Instance != "" {
		c["group.instance.id"] = how.Instance
	}
	var err error
	if m.consumer, err = s.consumer(c); err != nil {
		return nil, err
	}
	topic := how.Topic
	if how.Pattern != "" {
		topic = "^" + how.Pattern + "$"
	}
	err = m.consumer.Subscribe(topic, func(_ *kafka.Consumer, e kafka.Event) error {
		switch e := e.(type) {
		case kafka.AssignedPartitions:
			for _, p := range e.Partitions {
				m.Gain(*p.Topic, p.Partition)
			}
		case kafka.RevokedPartitions:
			for _, p := range e.Partitions {
				m.Lose(*p.Topic, p.Partition)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() { m.done <- m.run(ctx) }()
	return m, nil
}

func (m *member) run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch e := m.consumer.Poll(50).(type) {
		case *kafka.Message:
			if e.TopicPartition.Error != nil {
				return e.TopicPartition.Error
			}
			m.Got(incoming(e))
			if err := m.commit(ctx, e); err != nil {
				return fmt.Errorf("commit: %w", err)
			}
		case kafka.Error:
			if e.IsFatal() {
				return e
			}
		}
	}
	return nil
}

// commit tries until it counts: a member whose epoch just changed is told so (STALE_MEMBER_EPOCH), by partition only.
func (m *member) commit(ctx context.Context, message *kafka.Message) error {
	for {
		committed, err := m.consumer.CommitMessage(message)
		if err != nil {
			return err
		}
		if err = committed[0].Error; err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (m *member) Leave() error {
	m.stop()
	return errors.Join(<-m.done, m.consumer.Close())
}

type transactional struct{ p *kafka.Producer }

func (s side) transactional(ctx context.Context, id string) (cell.Transactional, error) {
	p, err := kafka.NewProducer(s.config(kafka.ConfigMap{"transactional.id": id, "linger.ms": 5, "transaction.timeout.ms": 20000}))
	if err != nil {
		return nil, err
	}
	return transactional{p}, p.InitTransactions(ctx)
}

func (t transactional) Begin() error { return t.p.BeginTransaction() }
func (t transactional) Send(ctx context.Context, topic string, records []cell.Record) error {
	return send(ctx, t.p, topic, records)
}
func (t transactional) Commit(ctx context.Context) error { return t.p.CommitTransaction(ctx) }
func (t transactional) Abort(ctx context.Context) error  { return t.p.AbortTransaction(ctx) }
func (t transactional) Close()                           { t.p.Close() }

func (s side) transform(ctx context.Context, from, to, group, id string, want int) error {
	c, err := s.consumer(kafka.ConfigMap{"group.id": group, "isolation.level": "read_committed"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Subscribe(from, nil); err != nil {
		return err
	}
	t, err := s.transactional(ctx, id)
	if err != nil {
		return err
	}
	defer t.Close()
	p := t.(transactional).p
	for done, round := 0, 0; done < want; round++ {
		var batch []cell.Record
		for len(batch) < want/2 {
			r, err := next(ctx, c)
			if err != nil {
				return err
			}
			batch = append(batch, r)
		}
		if err := p.BeginTransaction(); err != nil {
			return err
		}
		if err := send(ctx, p, to, batch); err != nil {
			return err
		}
		offsets := []kafka.TopicPartition{{Topic: &from, Partition: 0, Offset: kafka.Offset(batch[len(batch)-1].Offset + 1)}}
		meta, err := c.GetConsumerGroupMetadata()
		if err != nil {
			return err
		}
		if err := p.SendOffsetsToTransaction(ctx, offsets, meta); err != nil {
			return fmt.Errorf("offsets: %w", err)
		}
		if round == 0 {
			if err := p.AbortTransaction(ctx); err != nil {
				return fmt.Errorf("abort: %w", err)
			}
			if _, err := c.SeekPartitions([]kafka.TopicPartition{{Topic: &from, Partition: 0, Offset: 0}}); err != nil {
				return err
			}
			continue
		}
		if err := p.CommitTransaction(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		done += len(batch)
	}
	return nil
}

func (s side) listTopics(context.Context) ([]string, error) {
	metadata, err := s.admin.GetMetadata(nil, true, 10000)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range metadata.Topics {
		names = append(names, name)
	}
	return names, nil
}

func (s side) partitions(ctx context.Context, topic string) (int, error) {
	described, err := s.admin.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{topic}))
	if err != nil {
		return 0, err
	}
	return len(described.TopicDescriptions[0].Partitions), nil
}

func (s side) deleteTopic(ctx context.Context, topic string) error {
	return topicError(s.admin.DeleteTopics(ctx, []string{topic}))
}

func (s side) alterConfig(ctx context.Context, topic, key, value string) error {
	results, err := s.admin.IncrementalAlterConfigs(ctx, []kafka.ConfigResource{{
		Type: kafka.ResourceTopic, Name: topic,
		Config: []kafka.ConfigEntry{{Name: key, Value: value, IncrementalOperation: kafka.AlterConfigOpTypeSet}},
	}})
	if err != nil {
		return err
	}
	if e := results[0].Error; e.Code() != kafka.ErrNoError {
		return e
	}
	return nil
}

func (s side) describeConfig(ctx context.Context, topic, key string) (string, error) {
	results, err := s.admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic}})
	if err != nil {
		return "", err
	}
	return results[0].Config[key].Value, nil
}

func (s side) createPartitions(ctx context.Context, topic string, total int) error {
	return topicError(s.admin.CreatePartitions(ctx, []kafka.PartitionsSpecification{{Topic: topic, IncreaseTo: total}}))
}

func (s side) listGroups(ctx context.Context) ([]string, error) {
	listed, err := s.admin.ListConsumerGroups(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range listed.Valid {
		names = append(names, g.GroupID)
	}
	return names, errors.Join(listed.Errors...)
}

func (s side) describeGroup(ctx context.Context, group string) (cell.Group, error) {
	described, err := s.admin.DescribeConsumerGroups(ctx, []string{group})
	if err != nil {
		return cell.Group{}, err
	}
	g := described.ConsumerGroupDescriptions[0]
	return cell.Group{State: g.State.String(), Members: len(g.Members)}, nil
}

func (s side) deleteGroup(ctx context.Context, group string) error {
	deleted, err := s.admin.DeleteConsumerGroups(ctx, []string{group})
	if err != nil {
		return err
	}
	if e := deleted.ConsumerGroupResults[0].Error; e.Code() != kafka.ErrNoError {
		return e
	}
	return nil
}

func (s side) commitOffset(ctx context.Context, group, topic string, partition int32, offset int64) error {
	altered, err := s.admin.AlterConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{
		{Group: group, Partitions: []kafka.TopicPartition{{Topic: &topic, Partition: partition, Offset: kafka.Offset(offset)}}},
	})
	if err != nil {
		return err
	}
	return altered.ConsumerGroupsTopicPartitions[0].Partitions[0].Error
}

func (s side) fetchOffset(ctx context.Context, group, topic string, partition int32) (int64, error) {
	listed, err := s.admin.ListConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{
		{Group: group, Partitions: []kafka.TopicPartition{{Topic: &topic, Partition: partition}}},
	})
	if err != nil {
		return 0, err
	}
	p := listed.ConsumerGroupsTopicPartitions[0].Partitions[0]
	return int64(p.Offset), p.Error
}

func (s side) bounds(ctx context.Context, topic string) (int64, int64, error) {
	of := func(spec kafka.OffsetSpec) (int64, error) {
		listed, err := s.admin.ListOffsets(ctx, map[kafka.TopicPartition]kafka.OffsetSpec{{Topic: &topic, Partition: 0}: spec})
		if err != nil {
			return 0, err
		}
		for _, info := range listed.ResultInfos {
			return int64(info.Offset), nil
		}
		return 0, errors.New("no offset came")
	}
	first, err1 := of(kafka.EarliestOffsetSpec)
	end, err2 := of(kafka.LatestOffsetSpec)
	return first, end, errors.Join(err1, err2)
}

func (s side) deleteRecords(ctx context.Context, topic string, before int64) error {
	results, err := s.admin.DeleteRecords(ctx, []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.Offset(before)}})
	if err != nil {
		return err
	}
	return results.DeleteRecordsResults[0].TopicPartition.Error
}

func (s side) cluster(ctx context.Context) (int, int32, error) {
	described, err := s.admin.DescribeCluster(ctx)
	if err != nil {
		return 0, 0, err
	}
	if described.ClusterID == nil || *described.ClusterID == "" || described.Controller == nil {
		return 0, 0, errors.New("the cluster has no id or no controller")
	}
	return len(described.Nodes), int32(described.Controller.ID), nil
}
