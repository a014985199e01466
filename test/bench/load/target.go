package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Target is what one broker leads of a topic.
type Target struct {
	Address    string // host:port
	Topic      string
	Partitions []int32 // ascending
}

// Admin connects a client for what is not measured: topics and offsets.
func Admin(bootstrap string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.MetadataMinAge(10*time.Millisecond))
}

// CreateTopic makes a topic with one replica and returns where its partitions are led.
func CreateTopic(ctx context.Context, admin *kgo.Client, topic string, partitions int) ([]Target, error) {
	if _, err := kadm.NewClient(admin).CreateTopic(ctx, int32(partitions), 1, nil, topic); err != nil {
		return nil, fmt.Errorf("create topic %s of %d partitions: %w", topic, partitions, err)
	}
	return Leaders(ctx, admin, topic)
}

// Leaders waits until each partition of a topic has a leader that serves it and returns them by broker, in the order of their addresses.
func Leaders(ctx context.Context, admin *kgo.Client, topic string) ([]Target, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		targets, err := leaders(ctx, admin, topic)
		if err == nil {
			_, err = EndOffsets(ctx, admin, topic) // the metadata may be ahead of the leader
		}
		if err == nil {
			return targets, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("find the leaders of %s: %w", topic, errors.Join(err, ctx.Err()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func leaders(ctx context.Context, admin *kgo.Client, topic string) ([]Target, error) {
	m, err := kadm.NewClient(admin).Metadata(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := m.Topics.Error(); err != nil {
		return nil, err
	}
	brokers := map[int32]string{}
	for _, b := range m.Brokers {
		brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	of := map[string]*Target{}
	for _, p := range m.Topics[topic].Partitions.Sorted() {
		if p.Err != nil || p.Leader < 0 {
			return nil, fmt.Errorf("partition %d has no leader: %w", p.Partition, p.Err)
		}
		address := brokers[p.Leader]
		if of[address] == nil {
			of[address] = &Target{Address: address, Topic: topic}
		}
		of[address].Partitions = append(of[address].Partitions, p.Partition)
	}
	if len(of) == 0 {
		return nil, errors.New("no partitions in the metadata")
	}
	var targets []Target
	for _, address := range slices.Sorted(maps.Keys(of)) {
		targets = append(targets, *of[address])
	}
	return targets, nil
}

// EndOffsets are the ends of a topic's partitions, indexed by partition.
func EndOffsets(ctx context.Context, admin *kgo.Client, topic string) (map[int32]int64, error) {
	listed, err := kadm.NewClient(admin).ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	var failed error
	listed.Each(func(o kadm.ListedOffset) {
		failed = errors.Join(failed, o.Err)
		ends[o.Partition] = o.Offset
	})
	if failed == nil && len(ends) == 0 {
		failed = errors.New("no partitions in the answer")
	}
	if failed != nil {
		return nil, fmt.Errorf("list the end offsets of %s: %w", topic, failed)
	}
	return ends, nil
}
