package cell

import (
	"context"
	"time"
)

// A Record is what is sent and what is read. A nil Key or Value is null.
type Record struct {
	Partition  int32
	Offset     int64
	Key, Value []byte
	Time       time.Time // the zero time leaves it to the client
	Headers    []Header
}

// A Header is one header of a record; keys may repeat.
type Header struct {
	Key   string
	Value []byte
}

// Sending says how records are produced.
type Sending struct {
	Codec      string // none, gzip, snappy, lz4, zstd
	Idempotent bool
	MaxBytes   int // of a request, where the default is too small; 0 keeps the default
}

// Joining says how a member joins its group.
type Joining struct {
	Topic, Group string
	Cooperative  bool   // the cooperative-sticky assignor
	Instance     string // group.instance.id
	Server       bool   // the protocol of KIP-848
	Pattern      string // of KIP-848, instead of Topic
}

// A Member polls in the background and commits what it got. Its methods may be called at any time.
type Member interface {
	// Assigned are the topics' partitions that it owns now, in any order.
	Assigned() []int32
	// Records are all that it got so far.
	Records() []Record
	// Lost is how many partitions were taken from it so far, those that a rebalance gave straight back included.
	Lost() int
	// Leave commits and closes. A static member's place stays taken.
	Leave() error
}

// A Transactional is a producer with a transactional id.
type Transactional interface {
	Begin() error
	Send(ctx context.Context, topic string, records []Record) error
	Commit(ctx context.Context) error
	Abort(ctx context.Context) error
	Close()
}

// A Group is what describing one says.
type Group struct {
	State   string
	Members int
}

// Client is one client library. Topics are made with the cluster's replication factor, acks are all.
type Client struct {
	CreateTopic func(ctx context.Context, topic string, partitions int, configs map[string]string) error
	Produce     func(ctx context.Context, topic string, records []Record, how Sending) error
	Idempotent  bool     // Produce can
	NoCodecs    []string // that Produce cannot
	// Read reads all partitions from their beginning until it has want records, in order within each partition.
	Read func(ctx context.Context, topic string, partitions, want int, committed bool) ([]Record, error)
	// Seek moves one consumer of partition 0 to each offset in turn, and returns the first record from each.
	Seek func(ctx context.Context, topic string, offsets []int64) ([]Record, error)
	// OffsetAt is the first offset of partition 0 at or after a time, or a negative one.
	OffsetAt func(ctx context.Context, topic string, at time.Time) (int64, error)

	Join        func(ctx context.Context, how Joining) (Member, error)
	Cooperative bool // Join can
	Static      bool // Join can
	Server      bool // Join can
	Pattern     bool // Join can
	// Share reads the topic as two members of a share group, as ShareStory tells: the topic holds 100 numbered records in 2 partitions.
	Share func(ctx context.Context, topic, group string) error

	Transactional func(ctx context.Context, id string) (Transactional, error)
	// Transform moves want records of one topic, through a group, to another in transactions. The first transaction is aborted.
	Transform func(ctx context.Context, from, to, group, id string, want int) error

	ListTopics       func(ctx context.Context) ([]string, error)
	Partitions       func(ctx context.Context, topic string) (int, error)
	DeleteTopic      func(ctx context.Context, topic string) error
	AlterConfig      func(ctx context.Context, topic, key, value string) error
	DescribeConfig   func(ctx context.Context, topic, key string) (string, error)
	CreatePartitions func(ctx context.Context, topic string, total int) error
	ListGroups       func(ctx context.Context) ([]string, error)
	DescribeGroup    func(ctx context.Context, group string) (Group, error)
	DeleteGroup      func(ctx context.Context, group string) error
	CommitOffset     func(ctx context.Context, group, topic string, partition int32, offset int64) error
	FetchOffset      func(ctx context.Context, group, topic string, partition int32) (int64, error) // negative if there is none
	DeleteOffset     func(ctx context.Context, group, topic string, partition int32) error          // nil: not checked
	Bounds           func(ctx context.Context, topic string) (first, end int64, err error)          // of partition 0
	DeleteRecords    func(ctx context.Context, topic string, before int64) error                    // of partition 0
	Cluster          func(ctx context.Context) (brokers int, controller int32, err error)
}
