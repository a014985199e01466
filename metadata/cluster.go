package metadata

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// BrokerID numbers the brokers of a cluster, from 1.
type BrokerID int32

// LeaderEpoch counts the leaders of a partition; it grows with every new leader incarnation (KIP-101).
type LeaderEpoch int32

// TopicID is the topic's UUID (KIP-516). Its text form is 32 hex digits: ids, never names, are used in storage keys.
type TopicID [16]byte

// NewTopicID returns a random id, which is never the zero id.
func NewTopicID() TopicID { return TopicID(uuid.New()) }

func (id TopicID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *TopicID) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(id) {
		return fmt.Errorf("topic id %q: want %d hex digits", b, hex.EncodedLen(len(id)))
	}
	_, err := hex.Decode(id[:], b)
	return err
}

// StreamID names one broker incarnation's stream: "<broker>-<incarnation>" with the incarnation in 16 hex digits, so that a broker's
// streams sort by age.
type StreamID string

// NewStreamID makes the id of the stream that broker b opens in the given incarnation (the revision at which its session was created).
func NewStreamID(b BrokerID, incarnation Revision) StreamID {
	return StreamID(strconv.Itoa(int(b)) + "-" + fmt.Sprintf("%016x", int64(incarnation)))
}

// Session is a serving broker's registration; its key's creation revision is the broker's incarnation.
type Session struct {
	Broker      BrokerID   `json:"broker"`
	Rack        string     `json:"rack,omitempty"` // availability zone id
	Endpoints   []Endpoint `json:"endpoints"`
	Incarnation Revision   `json:"incarnation"`
	Ready       bool       `json:"ready"` // its log is recovered and its listeners answer
	Started     time.Time  `json:"started"`
	// Recovering says that the broker cannot serve, and that this process is a recoverer: it leads the broker's partitions until others do, is asked for them by
	// other brokers at its endpoints, and is nothing to clients.
	Recovering bool `json:"recovering,omitempty"`
}

// Registration is a broker that belongs to the cluster, whether it serves or not: one without a session is what Kafka calls fenced. Each incarnation writes
// it.
type Registration struct {
	Broker BrokerID `json:"broker"`
	Rack   string   `json:"rack,omitempty"` // availability zone id
}

// Endpoint is one advertised listener. Name is MSK's listener name: CLIENT, CLIENT_SECURE, ...
type Endpoint struct {
	Name string `json:"name"`
	Host string `json:"host"`
	Port int32  `json:"port"`
}

// Topic is a Kafka topic. Partitions only grows. Configs holds only what was set on the topic.
type Topic struct {
	Name       string            `json:"name"`
	ID         TopicID           `json:"id"`
	Partitions int32             `json:"partitions"`
	Configs    map[string]string `json:"configs,omitempty"`
	Created    time.Time         `json:"created"`
}

// AssignmentsPerKey is how many partitions share one Assignment record, so that a failover is a handful of transactions.
const AssignmentsPerKey = 256

// Assignment packs the leaders of up to AssignmentsPerKey consecutive partitions.
type Assignment struct {
	Partitions []PartitionAssignment `json:"p"`
}

// PartitionAssignment says who leads a partition. Replicas is Kafka's shape (the first is the preferred leader); the bytes are kept
// by the leader's storage, not copied between brokers.
type PartitionAssignment struct {
	Leader   BrokerID    `json:"l"`
	Epoch    LeaderEpoch `json:"e"`
	Replicas []BrokerID  `json:"r"`
	// While a reassignment waits for another leader, Replicas names the old replicas and the new ones: Adding are new, Removing go in the end.
	Adding   []BrokerID `json:"a,omitempty"`
	Removing []BrokerID `json:"d,omitempty"`
	Target   BrokerID   `json:"t,omitempty"` // one of Replicas that shall lead: it copies the log and takes over; 0 is none
	Former   []BrokerID `json:"f,omitempty"` // led it before, handed everything over, and may still have data to forget
	Cause    MoveCause  `json:"c,omitempty"` // of Target, if the balancer set it; "" is a client
}

// MoveCause is why the balancer moves a partition.
type MoveCause string

// The causes.
const (
	MoveDrain     MoveCause = "drain"
	MoveSpread    MoveCause = "spread"
	MoveLoad      MoveCause = "load"
	MovePreferred MoveCause = "preferred"
	MoveRecover   MoveCause = "recover" // its leader is a recoverer
)

// StreamState is the fencing state of a stream (storage-engine design, section 8).
type StreamState string

// The states that exist so far. A stream whose data nothing needs any more has no record.
const (
	StreamOpen    StreamState = "OPEN"
	StreamSealing StreamState = "SEALING"
	StreamSealed  StreamState = "SEALED"
)

// Stream is the record of one WAL stream.
type Stream struct {
	ID     StreamID    `json:"id"`
	Broker BrokerID    `json:"broker"`
	State  StreamState `json:"state"`
	EndSeq uint64      `json:"endSeq,omitempty"` // position of the SEAL record, once SEALED
	EndOff uint32      `json:"endOff,omitempty"`
	// Checkpoint is the number of the current checkpoint that the stream wrote, 0 if none; a restart replays the stream from (FromSeq, FromOff) on.
	Checkpoint uint64 `json:"checkpoint,omitempty"`
	FromSeq    uint64 `json:"fromSeq,omitempty"`
	FromOff    uint32 `json:"fromOff,omitempty"`
}

// ConfigEntry is a dynamic config resource.
type ConfigEntry struct {
	Values map[string]string `json:"values"`
}

// ClientQuotas are the limits that hold for clients, of which the cluster has one record.
type ClientQuotas struct {
	Entries []ClientQuota `json:"entries"`
}

// ClientQuota is a limit for a user, a client id or both, or for an address. A name that is nil is not part of it; "" is Kafka's default: all that have
// no limit of their own. 0 is no limit.
type ClientQuota struct {
	User                   *string `json:"user,omitempty"`
	Client                 *string `json:"client,omitempty"`
	IP                     *string `json:"ip,omitempty"`
	ProducerByteRate       float64 `json:"producerByteRate,omitempty"`
	ConsumerByteRate       float64 `json:"consumerByteRate,omitempty"`
	RequestPercentage      float64 `json:"requestPercentage,omitempty"`
	ControllerMutationRate float64 `json:"controllerMutationRate,omitempty"`
	ConnectionCreationRate float64 `json:"connectionCreationRate,omitempty"`
}

// ProducerIDBlock says which producer id is handed out next; brokers take blocks of 1,000.
type ProducerIDBlock struct {
	Next int64 `json:"next"`
}

// Encode is the stored form of a record: JSON, so that an operator can read the store with etcd's own tools.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("metadata: record %T cannot be encoded: %v", v, err)) // records are plain data: a bug
	}
	return b
}

// Decode reads a stored record into a T.
func Decode[T any](kv KV) (T, error) {
	var v T
	if err := json.Unmarshal(kv.Value, &v); err != nil {
		return v, fmt.Errorf("metadata: %s: %w", kv.Key, err)
	}
	return v, nil
}
