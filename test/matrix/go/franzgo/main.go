// Command franzgo is franz-go in the client matrix.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"matrix/cell"
)

func main() {
	cell.Main("github.com/twmb/franz-go", func(bootstrap []string, replicas int) (cell.Client, error) {
		f := franz{seeds: bootstrap, replicas: int16(replicas)}
		cl, err := f.client()
		if err != nil {
			return cell.Client{}, err
		}
		f.admin = kadm.NewClient(cl)
		return cell.Client{
			CreateTopic: f.createTopic, Produce: f.produce, Idempotent: true, Read: f.read, Seek: f.seek, OffsetAt: f.offsetAt,
			Join: f.join, Cooperative: true, Static: true, Server: true, Pattern: true, Share: f.share,
			Transactional: f.transactional, Transform: f.transform,
			ListTopics: f.listTopics, Partitions: f.partitions, DeleteTopic: f.deleteTopic, AlterConfig: f.alterConfig,
			DescribeConfig: f.describeConfig, CreatePartitions: f.createPartitions, ListGroups: f.listGroups, DescribeGroup: f.describeGroup,
			DeleteGroup: f.deleteGroup, CommitOffset: f.commitOffset, FetchOffset: f.fetchOffset, DeleteOffset: f.deleteOffset,
			Bounds: f.bounds, DeleteRecords: f.deleteRecords, Cluster: f.cluster,
		}, nil
	})
}

type franz struct {
	seeds    []string
	replicas int16
	admin    *kadm.Client
}

func (f franz) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(f.seeds...), kgo.FetchMaxWait(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))...)
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func outgoing(topic string, records []cell.Record) []*kgo.Record {
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Timestamp: r.Time}
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	return out
}

func incoming(r *kgo.Record) cell.Record {
	in := cell.Record{Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		in.Headers = append(in.Headers, cell.Header{Key: h.Key, Value: h.Value})
	}
	return in
}

func (f franz) createTopic(ctx context.Context, topic string, partitions int, configs map[string]string) error {
	settings := map[string]*string{}
	for k, v := range configs {
		settings[k] = &v
	}
	_, err := f.admin.CreateTopic(ctx, int32(partitions), f.replicas, settings, topic)
	return err
}

func (f franz) produce(ctx context.Context, topic string, records []cell.Record, how cell.Sending) error {
	opts := []kgo.Opt{kgo.ProducerBatchCompression(codec(how.Codec)), kgo.ProducerLinger(5 * time.Millisecond)}
	if !how.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if how.MaxBytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(int32(how.MaxBytes)))
	}
	cl, err := f.client(opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.ProduceSync(ctx, outgoing(topic, records)...).FirstErr()
}

func (f franz) read(ctx context.Context, topic string, _, want int, committed bool) ([]cell.Record, error) {
	opts := []kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	if committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	cl, err := f.client(opts...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var got []cell.Record
	for len(got) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%d of %d records: %w", len(got), want, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, incoming(r)) })
	}
	return got, nil
}

func (f franz) seek(ctx context.Context, topic string, offsets []int64) ([]cell.Record, error) {
	cl, err := f.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(offsets[0])}}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var got []cell.Record
	for i, o := range offsets {
		if i > 0 { // the first is where it begins: what is not consumed yet cannot be moved
			cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: o}}})
		}
		fetches := cl.PollRecords(ctx, 1)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		got = append(got, incoming(fetches.Records()[0]))
	}
	return got, nil
}

func (f franz) offsetAt(ctx context.Context, topic string, at time.Time) (int64, error) {
	listed, err := f.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	if err != nil {
		return 0, err
	}
	o, ok := listed.Lookup(topic, 0)
	if !ok {
		return 0, errors.New("no offset came")
	}
	return o.Offset, o.Err
}

// A member's poll and commit run in a goroutine that Leave ends.
type member struct {
	cell.Ledger
	cl   *kgo.Client
	stop context.CancelFunc
	done chan error
}

func (f franz) join(_ context.Context, how cell.Joining) (cell.Member, error) {
	m := &member{done: make(chan error, 1)}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(how.Group), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(200 * time.Millisecond), kgo.SessionTimeout(30 * time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.BlockRebalanceOnPoll(), kgo.RebalanceTimeout(10 * time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			for t, ps := range ps {
				m.Gain(t, ps...)
			}
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			for t, ps := range ps {
				m.Lose(t, ps...)
			}
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			for t, ps := range ps {
				m.Lose(t, ps...)
			}
		}),
	}
	switch {
	case how.Pattern != "":
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(how.Pattern))
	default:
		opts = append(opts, kgo.ConsumeTopics(how.Topic))
	}
	switch {
	case how.Server:
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	case how.Cooperative:
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	default:
		opts = append(opts, kgo.Balancers(kgo.RangeBalancer()))
	}
	if how.Instance != "" {
		opts = append(opts, kgo.InstanceID(how.Instance))
	}
	var err error
	if m.cl, err = f.client(opts...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() { m.done <- m.run(ctx) }()
	return m, nil
}

func (m *member) run(ctx context.Context) error {
	for ctx.Err() == nil {
		fetches := m.cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			return err
		}
		for _, r := range fetches.Records() {
			m.Got(incoming(r))
		}
		if fetches.NumRecords() > 0 {
			if err := m.cl.CommitRecords(context.WithoutCancel(ctx), fetches.Records()...); err != nil {
				return fmt.Errorf("commit: %w", err)
			}
		}
		m.cl.AllowRebalance()
	}
	return nil
}

func (m *member) Leave() error {
	m.stop()
	err := <-m.done
	m.cl.CloseAllowingRebalance()
	return err
}

func (f franz) share(ctx context.Context, topic, group string) error {
	earliest := "earliest"
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = "share.auto.offset.reset", &earliest
	resource.Configs = append(resource.Configs, config)
	request.Resources = append(request.Resources, resource)
	cl, err := f.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	response, err := request.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(response.Resources[0].ErrorCode); err != nil {
		return fmt.Errorf("share.auto.offset.reset: %w", err)
	}
	var members []*kgo.Client
	for range 2 {
		m, err := f.client(kgo.ShareGroup(group), kgo.ConsumeTopics(topic), kgo.ShareMaxRecords(20), kgo.HeartbeatInterval(200*time.Millisecond))
		if err != nil {
			return err
		}
		defer m.Close()
		members = append(members, m)
	}
	return cell.ShareStory(ctx, func(ctx context.Context, each func(cell.Record, int) bool) error {
		for _, m := range members {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			fetches := m.PollFetches(short)
			cancel()
			if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			fetches.EachRecord(func(r *kgo.Record) {
				status := kgo.AckRelease
				if each(incoming(r), int(r.DeliveryCount())) {
					status = kgo.AckAccept
				}
				r.Ack(status)
			})
			if err := m.FlushAcks(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

type transactional struct{ *kgo.Client }

func (f franz) transactional(ctx context.Context, id string) (cell.Transactional, error) {
	cl, err := f.client(kgo.TransactionalID(id), kgo.TransactionTimeout(20*time.Second))
	if err != nil {
		return nil, err
	}
	if _, _, err := cl.ProducerID(ctx); err != nil { // takes the id now, not with the first record
		cl.Close()
		return nil, err
	}
	return transactional{cl}, nil
}

func (t transactional) Begin() error { return t.BeginTransaction() }

func (t transactional) Send(ctx context.Context, topic string, records []cell.Record) error {
	if err := t.ProduceSync(ctx, outgoing(topic, records)...).FirstErr(); err != nil {
		return err
	}
	return known(ctx, t.Client, topic)
}

// known waits until the client has stored which partitions the topic has: kgo 1.22 may have a new topic's first records acknowledged before that, and then
// aborts their transaction, whatever it is asked to.
func known(ctx context.Context, cl *kgo.Client, topic string) error {
	for {
		if leader, _, _ := cl.PartitionLeader(topic, 0); leader >= 0 {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait until the client knows topic %s: %w", topic, ctx.Err())
		}
	}
}

func (t transactional) Commit(ctx context.Context) error { return t.EndTransaction(ctx, kgo.TryCommit) }
func (t transactional) Abort(ctx context.Context) error  { return t.EndTransaction(ctx, kgo.TryAbort) }
func (t transactional) Close()                           { t.Client.Close() }

func (f franz) transform(ctx context.Context, from, to, group, id string, want int) error {
	s, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(f.seeds...), kgo.FetchMaxWait(200*time.Millisecond), kgo.TransactionalID(id), kgo.ConsumerGroup(group), kgo.ConsumeTopics(from),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
	)
	if err != nil {
		return err
	}
	defer s.Close()
	for done, round := 0, 0; done < want; round++ {
		fetches := s.PollRecords(ctx, 25)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := s.Begin(); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			s.Produce(ctx, &kgo.Record{Topic: to, Key: r.Key, Value: r.Value}, nil)
		}
		if err := s.Client().Flush(ctx); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		if fetches.NumRecords() > 0 {
			if err := known(ctx, s.Client(), to); err != nil {
				return err
			}
		}
		committed, err := s.End(ctx, kgo.TransactionEndTry(round > 0))
		if err != nil {
			return fmt.Errorf("end: %w", err)
		}
		if committed {
			done += fetches.NumRecords()
		}
	}
	return nil
}

func (f franz) listTopics(ctx context.Context) ([]string, error) {
	topics, err := f.admin.ListTopics(ctx)
	return topics.Names(), err
}

func (f franz) partitions(ctx context.Context, topic string) (int, error) {
	topics, err := f.admin.ListTopics(ctx, topic)
	return len(topics[topic].Partitions), err
}

func (f franz) deleteTopic(ctx context.Context, topic string) error {
	_, err := f.admin.DeleteTopic(ctx, topic)
	return err
}

func (f franz) alterConfig(ctx context.Context, topic, key, value string) error {
	responses, err := f.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	if err != nil {
		return err
	}
	return responses[0].Err
}

func (f franz) describeConfig(ctx context.Context, topic, key string) (string, error) {
	described, err := f.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	r, err := described.On(topic, nil)
	if err != nil {
		return "", err
	}
	for _, c := range r.Configs {
		if c.Key == key {
			return c.MaybeValue(), nil
		}
	}
	return "", errors.New("no such config: " + key)
}

func (f franz) createPartitions(ctx context.Context, topic string, total int) error {
	responses, err := f.admin.UpdatePartitions(ctx, total, topic)
	if err != nil {
		return err
	}
	return responses.Error()
}

func (f franz) listGroups(ctx context.Context) ([]string, error) {
	groups, err := f.admin.ListGroups(ctx)
	return groups.Groups(), err
}

func (f franz) describeGroup(ctx context.Context, group string) (cell.Group, error) {
	described, err := f.admin.DescribeGroups(ctx, group)
	g := described[group]
	return cell.Group{State: g.State, Members: len(g.Members)}, errors.Join(err, g.Err)
}

func (f franz) deleteGroup(ctx context.Context, group string) error {
	_, err := f.admin.DeleteGroup(ctx, group)
	return err
}

func (f franz) commitOffset(ctx context.Context, group, topic string, partition int32, offset int64) error {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1})
	return f.admin.CommitAllOffsets(ctx, group, offsets)
}

func (f franz) fetchOffset(ctx context.Context, group, topic string, partition int32) (int64, error) {
	offsets, err := f.admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	o, ok := offsets.Lookup(topic, partition)
	if !ok {
		return -1, nil
	}
	return o.At, o.Err
}

func (f franz) deleteOffset(ctx context.Context, group, topic string, partition int32) error {
	var set kadm.TopicsSet
	set.Add(topic, partition)
	responses, err := f.admin.DeleteOffsets(ctx, group, set)
	return errors.Join(err, responses.Error())
}

func (f franz) bounds(ctx context.Context, topic string) (int64, int64, error) {
	starts, err := f.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	ends, err := f.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	return starts[topic][0].Offset, ends[topic][0].Offset, errors.Join(starts.Error(), ends.Error())
}

func (f franz) deleteRecords(ctx context.Context, topic string, before int64) error {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: before})
	responses, err := f.admin.DeleteRecords(ctx, offsets)
	if err != nil {
		return err
	}
	return responses.Error()
}

func (f franz) cluster(ctx context.Context) (int, int32, error) {
	m, err := f.admin.BrokerMetadata(ctx)
	if err == nil && m.Cluster == "" {
		err = errors.New("the cluster has no id")
	}
	return len(m.Brokers), m.Controller, err
}
