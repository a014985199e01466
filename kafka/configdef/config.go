package configdef

import "strings"

// Type is a config's type; the values are those of DescribeConfigs (KIP-226).
type Type int8

// The types of Kafka.
const (
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3
	Short    Type = 4
	Long     Type = 5
	Double   Type = 6
	List     Type = 7
	Class    Type = 8
	Password Type = 9
)

func (t Type) String() string {
	switch t {
	case Boolean:
		return "BOOLEAN"
	case String:
		return "STRING"
	case Int:
		return "INT"
	case Short:
		return "SHORT"
	case Long:
		return "LONG"
	case Double:
		return "DOUBLE"
	case List:
		return "LIST"
	case Class:
		return "CLASS"
	case Password:
		return "PASSWORD"
	}
	return "UNKNOWN"
}

// Mode says how a broker config can change (KIP-226). Topic configs can always change.
type Mode int8

const (
	ReadOnly    Mode = iota // server.properties only; a change needs a restart
	ClusterWide             // AlterConfigs on the cluster-wide default, or on one broker
	PerBroker               // AlterConfigs on one broker
)

func (m Mode) String() string {
	switch m {
	case ClusterWide:
		return "cluster-wide"
	case PerBroker:
		return "per-broker"
	case ReadOnly:
	}
	return "read-only"
}

// Effect says what a config does in Weir today, where that is not just what its Doc says. It ends up in the documentation and in DescribeConfigs.
type Effect string

// Some effects that many configs share. One that "holds for any value" asks for less than Weir always does; one with "no effect" asks for what there
// is nothing of. Topic configs never have no effect.
const (
	Applied     Effect = ""
	Leadership  Effect = "The controller gives leaders back, each of which copies its log; also soon after a broker came back. Not while the cluster balances itself by load."
	NoZooKeeper Effect = "No effect: there is no ZooKeeper. The versions that have one on MSK are served as all others are."
	NoListener  Effect = "No effect yet: brokers have no listener of that name."
	Threads     Effect = "No effect: Weir has no such threads or queues. Work spreads over the processors there are."
	Replication Effect = "No effect: partitions are copied to another broker only to move there."
	Flushed     Effect = "Holds for any value: every acknowledged record is on stable storage."
	Always      Effect = "Weir always works this way."
)

// Config is one config of a topic, a broker, a group or a subscription to clients' metrics.
type Config struct {
	Name string
	Type Type
	// Default is what holds when nothing is set. If Null, there is none.
	Default string
	Null    bool
	// Bounds limits numbers; OneOf limits strings and the elements of lists.
	Bounds Bounds
	OneOf  []string
	// Only lists the values that Weir can honour, or Within bounds them, if those are fewer than Kafka's. Why ends the message that refuses others: it
	// says what stands against them and what to do instead. The default is never refused. An empty Only refuses every other value.
	Only   []string
	Within Bounds
	Why    string
	// Synonyms of a topic config are the broker configs that are its defaults, the strongest first. Synonyms of a broker
	// config are those that stand in for it, itself first.
	Synonyms []Synonym
	// Limit bounds what a group may set by what the brokers are told. Check is what the other rules cannot say, nil for most; its error goes to clients.
	Limit Limit
	Check func(c *Config, value string) error

	Mode Mode
	// AtStart broker configs could change at run time in Kafka; in Weir what server.properties says of them holds from a broker's start.
	AtStart bool
	Effect  Effect
	Doc     string
	// Unlisted broker configs are described only where they are set, and without their default, as they are in Kafka, which has no definition of them.
	Unlisted bool
}

// Live tells whether a running broker follows a change of the config in server.properties.
func (c *Config) Live() bool { return c.Mode != ReadOnly && !c.AtStart }

// HasEffect tells whether anything depends on the config's value.
func (c *Config) HasEffect() bool { return !strings.HasPrefix(string(c.Effect), "No effect") }

// Sensitive configs are never shown.
func (c *Config) Sensitive() bool { return c.Type == Password }

// Synonym is a broker config and the factor that turns its value into the topic config's unit (hours to milliseconds).
type Synonym struct {
	Name   string
	Factor int64
}

// Bounds limits a number. The zero value sets no limit. Or is one value that is allowed outside of it.
type Bounds struct {
	Min, Max, Or *float64
}

func (b Bounds) set() bool { return b.Min != nil || b.Max != nil }

func atLeast(lo float64) Bounds           { return Bounds{Min: &lo} }
func between(lo, hi float64) Bounds       { return Bounds{Min: &lo, Max: &hi} }
func betweenOr(lo, hi, or float64) Bounds { return Bounds{Min: &lo, Max: &hi, Or: &or} }
func from(names ...string) []Synonym      { return scaled(1, names...) }
func hours(names ...string) []Synonym     { return scaled(3_600_000, names...) }
func minutes(names ...string) []Synonym   { return scaled(60_000, names...) }
func join(lists ...[]Synonym) (s []Synonym) {
	for _, l := range lists {
		s = append(s, l...)
	}
	return s
}

func scaled(factor int64, names ...string) []Synonym {
	s := make([]Synonym, len(names))
	for i, n := range names {
		s[i] = Synonym{Name: n, Factor: factor}
	}
	return s
}

// Topic returns the topic config of that name.
func Topic(name string) (*Config, bool) { return find(topicConfigs, name) }

// Broker returns the broker config of that name.
func Broker(name string) (*Config, bool) { return find(brokerConfigs, name) }

// Topics returns all topic configs, sorted by name.
func Topics() []Config { return topicConfigs }

// Brokers returns all broker configs, sorted by name.
func Brokers() []Config { return brokerConfigs }
