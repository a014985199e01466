package kind

import (
	"slices"
	"strings"
	"time"

	"weir/kafka/image"
	"weir/metadata"
)

// Rules are what a kind of cluster allows. The zero value of each allows anything.
type Rules struct {
	// Replication is how many replicas each partition has, as far as there are brokers, whatever was asked for.
	Replication int
	// Placed: clients may not choose brokers for replicas, neither at creation nor later.
	Placed bool
	// BrokerPartitions is how many replicas a broker may have when topics and partitions are made.
	BrokerPartitions int
	// Partitions and Compacted are how many partitions the cluster's topics may have that are not compacted, and that are.
	Partitions, Compacted int
	// Changes is how many partitions may be made and deleted within ChangesIn.
	Changes   int
	ChangesIn time.Duration
	// Groups is how many groups the cluster may have.
	Groups int
	// Connections is how many connections from clients all brokers together may have.
	Connections int
	// MessageBytes is the largest batch that a producer may send, FetchBytes the most that a fetch may ask for.
	MessageBytes, FetchBytes int64
	// CompactedBytes is how large a compacted partition may become.
	CompactedBytes int64
	// Cluster are rates of all brokers together, Broker those of each.
	Cluster, Broker Rates
	// PartitionIn and PartitionOut are bytes a second of one partition.
	PartitionIn, PartitionOut float64
	// TopicRequests is how many requests a second may make, change and delete topics. They go to the broker that is the controller, so it is not
	// shared out.
	TopicRequests float64

	name   string             // what the cluster is, for people
	topics map[string]setting // configs that topics may have; nil: any
	broker *dynamic           // configs of brokers that may be changed while they run; nil: any
}

// Rates are per second.
type Rates struct {
	In, Out  float64 // bytes
	Requests float64
	Attempts float64 // new connections
}

// Per is a broker's share of rates for a cluster of n brokers.
func (r Rates) Per(n int) Rates {
	d := float64(max(n, 1))
	return Rates{In: r.In / d, Out: r.Out / d, Requests: r.Requests / d, Attempts: r.Attempts / d}
}

// mega is the M of "MBps".
const mega = 1_000_000

// expressPartition is what one partition of an Express cluster takes and gives.
const expressPartition = 15 * mega

// Of returns the rules for a cluster with these settings; nil are those of Standard. It allocates.
func Of(s *metadata.Settings) *Rules {
	if s == nil {
		return &Rules{}
	}
	off := s.Limits == metadata.LimitsOff
	switch s.Kind {
	case metadata.Express:
		r := &Rules{name: "an Express cluster", Replication: 3}
		if off {
			return r
		}
		r.topics, r.broker = expressTopics(), expressBroker()
		r.BrokerPartitions = s.Broker.Partitions
		r.Broker = Rates{In: float64(s.Broker.IngressBytes), Out: float64(s.Broker.EgressBytes)}
		r.PartitionIn, r.PartitionOut = expressPartition, expressPartition
		return r
	case metadata.Serverless:
		r := &Rules{name: "a serverless cluster", Replication: 3, Placed: true}
		if off {
			return r
		}
		r.serverless()
		if s.Limits == metadata.Limits2022 {
			r.serverless2022()
		}
		return r
	case metadata.Standard:
	}
	return &Rules{}
}

func (r *Rules) serverless() {
	r.Cluster = Rates{In: 200 * mega, Out: 400 * mega, Requests: 15_000, Attempts: 100}
	r.PartitionIn, r.PartitionOut = 5*mega, 10*mega
	r.Connections, r.Groups = 3000, 500
	r.MessageBytes, r.FetchBytes = messageBytes, 55*mega
	r.TopicRequests = 2
	r.Partitions, r.Compacted = 2400, 120
	r.Changes, r.ChangesIn = 250, 5*time.Minute
	r.CompactedBytes = 250_000_000_000
	r.topics, r.broker = serverlessTopics(), new(dynamic)
}

// serverless2022 changes what was less when Serverless was new.
func (r *Rules) serverless2022() {
	r.Connections = 1000
	r.Partitions, r.Compacted = 120, 120
	r.Changes = 120
	const day = 24 * 60 * 60 * 1000
	r.topics["retention.ms"] = setting{least: 0, most: day}
	r.topics["retention.bytes"] = setting{least: 0, most: retentionBytes}
}

// CapReplication is how many replicas a partition gets when want were asked for and there are so many brokers.
func (r *Rules) CapReplication(want, brokers int) int {
	if r.Replication == 0 {
		return want
	}
	return max(1, min(r.Replication, brokers))
}

// Compacted reports whether a topic with these configs is compacted. Where topics have no cleanup.policy of their own, they are not.
func Compacted(configs map[string]string) bool {
	return slices.ContainsFunc(strings.Split(configs["cleanup.policy"], ","), func(p string) bool { return strings.TrimSpace(p) == "compact" })
}

// Count is how many partitions there are, but for those of internal topics.
func Count(img *image.Image) (plain, compacted int) {
	for _, t := range img.Topics() {
		switch {
		case t.Internal:
		case Compacted(t.Configs):
			compacted += len(t.Partitions)
		default:
			plain += len(t.Partitions)
		}
	}
	return plain, compacted
}

// Replicas is how many replicas each broker has.
func Replicas(img *image.Image) map[metadata.BrokerID]int {
	n := make(map[metadata.BrokerID]int)
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			for _, b := range t.Partitions[i].Replicas {
				n[b]++
			}
		}
	}
	return n
}
