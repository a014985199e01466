package configdef

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
)

func (m Mode) String() string {
	if m == ClusterWide {
		return "cluster-wide"
	}
	return "read-only"
}

// Effect says what a config does in Weir today. It ends up in the documentation and in DescribeConfigs.
type Effect string

const (
	Applied     Effect = ""
	Retention   Effect = "Stored; takes effect with retention, which is not built yet."
	Compaction  Effect = "Stored; takes effect with compaction, which is not built yet."
	Tiering     Effect = "Stored; takes effect with tiered storage, which is not built yet."
	Quotas      Effect = "Stored; takes effect with quotas, which are not built yet."
	Transaction Effect = "Stored; takes effect with transactions, which are not built yet."
	Storage     Effect = "Stored and shown; Weir's storage engine has no such file, thread or flush, so it changes nothing."
	Replication Effect = "Stored and shown; Weir does not copy partitions between brokers, so it changes nothing."
	Always      Effect = "Shown; Weir always works this way."
)

// Config is one topic or broker config.
type Config struct {
	Name string
	Type Type
	// Default is what holds when nothing is set. If Null, there is none.
	Default string
	Null    bool
	// Bounds limits numbers; OneOf limits strings and the elements of lists.
	Bounds Bounds
	OneOf  []string
	// Only lists the values that Weir can honour, if those are fewer than Kafka's; Why ends the message that refuses others.
	Only []string
	Why  string
	// Synonyms of a topic config are the broker configs that are its defaults, the strongest first. Synonyms of a broker
	// config are those that stand in for it, itself first.
	Synonyms []Synonym
	Mode     Mode
	Effect   Effect
	Doc      string
}

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
