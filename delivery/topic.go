package delivery

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/control/dataplane"
	"weir/control/resource"
	"weir/metadata"
)

// Topic is a Source that asks the brokers of a cluster.
type Topic struct {
	clients *dataplane.Clients
	store   metadata.Store
	cluster string // key
	name    string
	id      metadata.TopicID
	log     *slog.Logger
}

var _ Source = (*Topic)(nil)

// NewTopic returns the topic of the channel.
func NewTopic(c *resource.Channel, store metadata.Store, clients *dataplane.Clients, log *slog.Logger) *Topic {
	return &Topic{clients: clients, store: store, cluster: c.Scope().ClusterKey(c.Cluster), name: c.Topic, id: c.TopicID, log: log.With("topic", c.Topic)}
}

func (t *Topic) use(ctx context.Context, fn func(context.Context, *dataplane.Brokers) error) error {
	c, _, ok, err := resource.ReadCluster(ctx, t.store, t.cluster)
	if err != nil {
		return err
	}
	if !ok {
		return errNoCluster
	}
	return t.clients.Use(ctx, &c, fn)
}

// Partitions implements Source.
func (t *Topic) Partitions(ctx context.Context) (n int32, err error) {
	err = t.use(ctx, func(ctx context.Context, b *dataplane.Brokers) error {
		topic, err := b.Topic(ctx, t.name)
		if err == nil && topic.ID != t.id {
			return kerr.UnknownTopicID
		}
		n = int32(len(topic.Partitions))
		return err
	})
	return n, err
}

// End implements Source.
func (t *Topic) End(ctx context.Context, partition int32) (end int64, err error) {
	err = t.use(ctx, func(ctx context.Context, b *dataplane.Brokers) (err error) {
		end, err = b.End(ctx, t.name, partition)
		return err
	})
	return end, err
}

// Read implements Source. Records that retention has taken before they were delivered are missing, and said so in the log.
func (t *Topic) Read(ctx context.Context, partition int32, from, until int64, bytesMax int) (rs []Record, next int64, err error) {
	err = t.use(ctx, func(ctx context.Context, b *dataplane.Brokers) error {
		records, behind, gap, err := b.Read(ctx, t.name, partition, from, int32(bytesMax))
		if gap > 0 {
			t.log.Warn("records were deleted before they were delivered", "partition", partition, "offset", from, "records", gap)
		}
		next = min(behind, until)
		for _, r := range records {
			if r.Offset < until {
				rs = append(rs, Record{Offset: r.Offset, Time: r.Timestamp, Value: r.Value})
			}
		}
		return err
	})
	return rs, next, err
}
