// Command sarama is IBM's sarama in the client matrix.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"matrix/cell"
)

func main() {
	cell.Main("github.com/IBM/sarama", func(bootstrap []string, replicas int) (cell.Client, error) {
		s := side{seeds: bootstrap, replicas: int16(replicas)}
		var err error
		if s.client, err = sarama.NewClient(bootstrap, s.config()); err != nil {
			return cell.Client{}, err
		}
		if s.admin, err = sarama.NewClusterAdmin(bootstrap, s.config()); err != nil {
			return cell.Client{}, err
		}
		return cell.Client{
			CreateTopic: s.createTopic, Produce: s.produce, Idempotent: true, Read: s.read, Seek: s.seek, OffsetAt: s.offsetAt,
			Join: s.join, Cooperative: true, Static: true, Transactional: s.transactional, Transform: s.transform,
			ListTopics: s.listTopics, Partitions: s.partitions, DeleteTopic: s.deleteTopic, AlterConfig: s.alterConfig,
			DescribeConfig: s.describeConfig, CreatePartitions: s.createPartitions, ListGroups: s.listGroups, DescribeGroup: s.describeGroup,
			DeleteGroup: s.deleteGroup, CommitOffset: s.commitOffset, FetchOffset: s.fetchOffset, DeleteOffset: s.deleteOffset,
			Bounds: s.bounds, DeleteRecords: s.deleteRecords, Cluster: s.cluster,
		}, nil
	})
}

type side struct {
	seeds    []string
	replicas int16
	client   sarama.Client
	admin    sarama.ClusterAdmin
}

func (side) config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = 200 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 30 * time.Second
	c.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	c.Consumer.Retry.Backoff = 100 * time.Millisecond
	return c
}

func outgoing(topic string, records []cell.Record) []*sarama.ProducerMessage {
	out := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		out[i] = &sarama.ProducerMessage{Topic: topic, Timestamp: r.Time}
		if r.Key != nil {
			out[i].Key = sarama.ByteEncoder(r.Key)
		}
		if r.Value != nil {
			out[i].Value = sarama.ByteEncoder(r.Value)
		}
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
		}
	}
	return out
}

func incoming(m *sarama.ConsumerMessage) cell.Record {
	r := cell.Record{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value, Time: m.Timestamp}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, cell.Header{Key: string(h.Key), Value: h.Value})
	}
	return r
}

func (s side) createTopic(_ context.Context, topic string, partitions int, configs map[string]string) error {
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: s.replicas, ConfigEntries: map[string]*string{}}
	for k, v := range configs {
		detail.ConfigEntries[k] = &v
	}
	return s.admin.CreateTopic(topic, detail, false)
}

func (s side) produce(_ context.Context, topic string, records []cell.Record, how cell.Sending) error {
	c := s.config()
	for codec := sarama.CompressionNone; codec <= sarama.CompressionZSTD; codec++ {
		if codec.String() == how.Codec {
			c.Producer.Compression = codec
		}
	}
	if how.MaxBytes > 0 {
		c.Producer.MaxMessageBytes = how.MaxBytes
	}
	c.Producer.Idempotent, c.Net.MaxOpenRequests = how.Idempotent, 1
	p, err := sarama.NewSyncProducer(s.seeds, c)
	if err != nil {
		return err
	}
	defer p.Close()
	return sendAll(p, topic, records)
}

// sendAll says why, which SendMessages' own error does not.
func sendAll(p sarama.SyncProducer, topic string, records []cell.Record) error {
	err := p.SendMessages(outgoing(topic, records))
	var each sarama.ProducerErrors
	if errors.As(err, &each) && len(each) > 0 {
		return fmt.Errorf("%d of %d: %w", len(each), len(records), each[0].Err)
	}
	return err
}

func (s side) read(ctx context.Context, topic string, partitions, want int, committed bool) ([]cell.Record, error) {
	c := s.config()
	if committed {
		c.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer(s.seeds, c)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	type news struct {
		record cell.Record
		err    error
	}
	all := make(chan news)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for p := range int32(partitions) {
		pc, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			return nil, err
		}
		defer pc.Close()
		go func() {
			for {
				var n news
				select {
				case m, ok := <-pc.Messages():
					if !ok {
						return
					}
					n.record = incoming(m)
				case err := <-pc.Errors():
					if err == nil {
						return
					}
					n.err = err
				case <-ctx.Done():
					return
				}
				select {
				case all <- n:
				case <-ctx.Done():
				}
			}
		}()
	}
	var got []cell.Record
	for len(got) < want {
		select {
		case n := <-all:
			if n.err != nil {
				return nil, n.err
			}
			got = append(got, n.record)
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d records: %w", len(got), want, ctx.Err())
		}
	}
	return got, nil
}

func (s side) seek(ctx context.Context, topic string, offsets []int64) ([]cell.Record, error) {
	consumer, err := sarama.NewConsumerFromClient(s.client)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var got []cell.Record
	for _, o := range offsets { // a position is given at the start only: a partition's consumer is opened anew
		pc, err := consumer.ConsumePartition(topic, 0, o)
		if err != nil {
			return nil, err
		}
		select {
		case m := <-pc.Messages():
			got = append(got, incoming(m))
		case err := <-pc.Errors():
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := pc.Close(); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func (s side) offsetAt(_ context.Context, topic string, at time.Time) (int64, error) {
	return s.client.GetOffset(topic, 0, at.UnixMilli())
}

type member struct {
	cell.Ledger
	topic string
	group sarama.ConsumerGroup
	stop  context.CancelFunc
	done  chan error
}

func (s side) join(_ context.Context, how cell.Joining) (cell.Member, error) {
	c := s.config()
	c.Consumer.Group.InstanceId = how.Instance
	if how.Cooperative {
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	}
	group, err := sarama.NewConsumerGroup(s.seeds, how.Group, c)
	if err != nil {
		return nil, err
	}
	m := &member{topic: how.Topic, group: group, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() {
		for range group.Errors() { //revive:disable-line:empty-block // rebalances show here too; what matters is what comes
		}
	}()
	go func() {
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{how.Topic}, m); err != nil && ctx.Err() == nil {
				m.done <- err
				return
			}
		}
		m.done <- nil
	}()
	return m, nil
}

// Setup is the handler's.
func (m *member) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup is the handler's.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim is the handler's.
func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.Gain(claim.Topic(), claim.Partition())
	defer m.Lose(claim.Topic(), claim.Partition())
	for message := range claim.Messages() {
		m.Got(incoming(message))
		s.MarkMessage(message, "")
		if len(claim.Messages()) == 0 {
			s.Commit()
		}
	}
	return nil
}

func (m *member) Leave() error {
	m.stop()
	return errors.Join(<-m.done, m.group.Close())
}

type transactional struct{ sarama.SyncProducer }

func (s side) transactional(_ context.Context, id string) (cell.Transactional, error) {
	c := s.config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	c.Producer.Transaction.ID = id
	p, err := sarama.NewSyncProducer(s.seeds, c)
	return transactional{p}, err
}

func (t transactional) Begin() error { return t.BeginTxn() }
func (t transactional) Send(_ context.Context, topic string, records []cell.Record) error {
	return sendAll(t.SyncProducer, topic, records)
}
func (t transactional) Commit(context.Context) error { return t.CommitTxn() }
func (t transactional) Abort(context.Context) error  { return t.AbortTxn() }
func (t transactional) Close()                       { _ = t.SyncProducer.Close() }

func (s side) transform(ctx context.Context, from, to, group, id string, want int) error {
	t, err := s.transactional(ctx, id)
	if err != nil {
		return err
	}
	defer t.Close()
	p := t.(transactional)
	records, err := s.read(ctx, from, 1, want, true)
	if err != nil {
		return err
	}
	half := want / 2
	for _, part := range []struct {
		records []cell.Record
		end     func() error
	}{{records[:half], p.AbortTxn}, {records[:half], p.CommitTxn}, {records[half:], p.CommitTxn}} {
		if err := p.BeginTxn(); err != nil {
			return err
		}
		if err := sendAll(p.SyncProducer, to, part.records); err != nil {
			return err
		}
		next := part.records[len(part.records)-1].Offset + 1
		offsets := map[string][]*sarama.PartitionOffsetMetadata{from: {{Partition: 0, Offset: next, LeaderEpoch: -1}}}
		if err := p.AddOffsetsToTxn(offsets, group); err != nil {
			return fmt.Errorf("offsets: %w", err)
		}
		if err := part.end(); err != nil {
			return fmt.Errorf("end: %w", err)
		}
	}
	return nil
}

func (s side) listTopics(context.Context) ([]string, error) {
	topics, err := s.admin.ListTopics()
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	return names, err
}

func (s side) partitions(_ context.Context, topic string) (int, error) {
	described, err := s.admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, err
	}
	return len(described[0].Partitions), nil
}

func (s side) deleteTopic(_ context.Context, topic string) error { return s.admin.DeleteTopic(topic) }

func (s side) alterConfig(_ context.Context, topic, key, value string) error {
	entries := map[string]sarama.IncrementalAlterConfigsEntry{key: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false)
}

func (s side) describeConfig(_ context.Context, topic, key string) (string, error) {
	entries, err := s.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{key}})
	if err != nil {
		return "", err
	}
	return entries[0].Value, nil
}

func (s side) createPartitions(_ context.Context, topic string, total int) error {
	return s.admin.CreatePartitions(topic, int32(total), nil, false)
}

func (s side) listGroups(context.Context) ([]string, error) {
	groups, err := s.admin.ListConsumerGroups()
	var names []string
	for name := range groups {
		names = append(names, name)
	}
	return names, err
}

func (s side) describeGroup(_ context.Context, group string) (cell.Group, error) {
	described, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return cell.Group{}, err
	}
	return cell.Group{State: described[0].State, Members: len(described[0].Members)}, nil
}

func (s side) deleteGroup(_ context.Context, group string) error {
	return s.admin.DeleteConsumerGroup(group)
}

func (s side) commitOffset(_ context.Context, group, topic string, partition int32, offset int64) error {
	response, err := s.admin.AlterConsumerGroupOffsets(group,
		map[string]map[int32]sarama.OffsetAndMetadata{topic: {partition: {Offset: offset, LeaderEpoch: -1}}}, nil)
	if err != nil {
		return err
	}
	if e := response.Errors[topic][partition]; e != sarama.ErrNoError {
		return e
	}
	return nil
}

func (s side) fetchOffset(_ context.Context, group, topic string, partition int32) (int64, error) {
	response, err := s.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {partition}})
	if err != nil {
		return 0, err
	}
	block := response.GetBlock(topic, partition)
	if block == nil {
		return -1, nil
	}
	if block.Err != sarama.ErrNoError {
		return 0, block.Err
	}
	return block.Offset, nil
}

func (s side) deleteOffset(_ context.Context, group, topic string, partition int32) error {
	return s.admin.DeleteConsumerGroupOffset(group, topic, partition)
}

func (s side) bounds(_ context.Context, topic string) (int64, int64, error) {
	first, err1 := s.client.GetOffset(topic, 0, sarama.OffsetOldest)
	end, err2 := s.client.GetOffset(topic, 0, sarama.OffsetNewest)
	return first, end, errors.Join(err1, err2)
}

func (s side) deleteRecords(_ context.Context, topic string, before int64) error {
	return s.admin.DeleteRecords(topic, map[int32]int64{0: before})
}

func (s side) cluster(context.Context) (int, int32, error) {
	brokers, controller, err := s.admin.DescribeCluster()
	return len(brokers), controller, err
}
