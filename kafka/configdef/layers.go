package configdef

import (
	"strconv"
	"strings"
)

// Source says where a value comes from; the numbers are those of DescribeConfigs (KIP-226).
type Source int8

// The sources, of topic and broker configs from strongest to weakest.
const (
	TopicConfig          Source = 1
	DynamicBroker        Source = 2
	DynamicBrokerDefault Source = 3
	StaticBroker         Source = 4
	DefaultConfig        Source = 5
	DynamicLogger        Source = 6
	ClientMetricsConfig  Source = 7
	GroupConfig          Source = 8
)

// Layers are the places a value can be set, from strongest to weakest. Nil maps are empty. What none of them sets has its default.
type Layers struct {
	Topic          map[string]string // set on the topic
	Group          map[string]string // set on the group
	Broker         map[string]string // dynamic, of this broker
	ClusterDefault map[string]string // dynamic, of all brokers
	Static         map[string]string // server.properties
}

// Candidate is one place that sets a value: the first of an Entry's candidates wins.
type Candidate struct {
	Name   string
	Value  string
	Source Source
	factor int64
	own    bool // of the strongest synonym
}

// Entry is a config with the value it has.
type Entry struct {
	*Config
	Value      string
	IsNull     bool
	Source     Source
	Candidates []Candidate
}

// topicEntry resolves a topic config: the topic itself, then the broker configs that are its defaults.
func (l Layers) topicEntry(c *Config) Entry {
	e := Entry{Config: c, Value: c.Default, IsNull: c.Null, Source: DefaultConfig}
	all := l.brokerCandidates(c.Synonyms)
	// What stands in for the first synonym, such as log.retention.hours for log.retention.ms, is shown behind it only; the value holds all the same.
	e.Candidates = fromFirst(all)
	if len(all) > 0 && all[0].Source != DefaultConfig {
		e.Value, e.IsNull = c.canonical(all[0].inUnit()), false
	}
	if v, ok := l.Topic[c.Name]; ok {
		e.Value, e.IsNull = c.canonical(v), false
		e.Candidates = append([]Candidate{{Name: c.Name, Value: e.Value, Source: TopicConfig, factor: 1}}, e.Candidates...)
	}
	if len(e.Candidates) > 0 {
		e.Source = e.Candidates[0].Source
	}
	return e
}

// fromFirst is the candidates from the first one on that is set by the strongest synonym's own name.
func fromFirst(cs []Candidate) []Candidate {
	for i := range cs {
		if cs[i].own {
			return cs[i:]
		}
	}
	return nil
}

// brokerEntry resolves a broker config.
func (l Layers) brokerEntry(c *Config) Entry {
	syn := c.Synonyms
	if syn == nil {
		syn = from(c.Name)
	}
	// A synonym gives a topic its default, but never shows as the value of the broker config it stands in for.
	e := Entry{Config: c, Candidates: fromFirst(l.brokerCandidates(syn)), Value: c.Default, IsNull: c.Null, Source: DefaultConfig}
	if len(e.Candidates) > 0 {
		first := &e.Candidates[0]
		e.Value, e.IsNull, e.Source = c.canonical(first.Value), false, first.Source
	}
	return e
}

func (l Layers) brokerCandidates(synonyms []Synonym) []Candidate {
	var cs []Candidate
	for _, layer := range []struct {
		values map[string]string
		source Source
	}{{l.Broker, DynamicBroker}, {l.ClusterDefault, DynamicBrokerDefault}, {l.Static, StaticBroker}} {
		for i, s := range synonyms {
			if v, ok := layer.values[s.Name]; ok {
				cs = append(cs, Candidate{Name: s.Name, Value: v, Source: layer.source, factor: s.Factor, own: i == 0})
			}
		}
	}
	for i, s := range synonyms {
		if b, ok := Broker(s.Name); ok && !b.Null && !b.Unlisted {
			cs = append(cs, Candidate{Name: s.Name, Value: b.Default, Source: DefaultConfig, factor: s.Factor, own: i == 0})
		}
	}
	return cs
}

// inUnit is the value in the unit of the topic config. A value that is no number stays as it is; negative ones mean "unlimited" in any unit.
func (c Candidate) inUnit() string {
	if c.factor <= 1 {
		return c.Value
	}
	n, err := strconv.ParseInt(strings.TrimSpace(c.Value), 10, 64)
	if err != nil {
		return c.Value
	}
	if n < 0 {
		return "-1"
	}
	return strconv.FormatInt(n*c.factor, 10)
}

// DescribeTopic returns all topic configs with their values.
func (l Layers) DescribeTopic() []Entry {
	es := make([]Entry, len(topicConfigs))
	for i := range topicConfigs {
		es[i] = l.topicEntry(&topicConfigs[i])
	}
	return es
}

// DescribeBroker returns all broker configs with their values, without those that are unlisted and not set.
func (l Layers) DescribeBroker() []Entry {
	es := make([]Entry, 0, len(brokerConfigs))
	for i := range brokerConfigs {
		if e := l.brokerEntry(&brokerConfigs[i]); !e.Unlisted || e.Source != DefaultConfig {
			es = append(es, e)
		}
	}
	return es
}

// TopicString is the value of a topic config. An unknown name is a bug and panics.
func (l Layers) TopicString(name string) string {
	c, ok := Topic(name)
	if !ok {
		panic("configdef: no topic config " + name)
	}
	if v, ok := l.Topic[name]; ok {
		return strings.TrimSpace(v)
	}
	for _, layer := range []map[string]string{l.Broker, l.ClusterDefault, l.Static} {
		for _, s := range c.Synonyms {
			if v, ok := layer[s.Name]; ok {
				return strings.TrimSpace(Candidate{Value: v, factor: s.Factor}.inUnit())
			}
		}
	}
	return c.Default
}

// TopicInt is the value of a numeric topic config. What cannot be read, which validation prevents, counts as not set.
func (l Layers) TopicInt(name string) int64 {
	n, err := strconv.ParseInt(l.TopicString(name), 10, 64)
	if err != nil {
		c, _ := Topic(name)
		n, _ = strconv.ParseInt(c.Default, 10, 64)
	}
	return n
}

// TopicFloat is the value of a topic config of type double. What cannot be read counts as not set.
func (l Layers) TopicFloat(name string) float64 {
	f, err := strconv.ParseFloat(l.TopicString(name), 64)
	if err != nil {
		c, _ := Topic(name)
		f, _ = strconv.ParseFloat(c.Default, 64)
	}
	return f
}

// BrokerString is the value of a broker config; "" if it has none. An unknown name is a bug and panics.
func (l Layers) BrokerString(name string) string {
	c, ok := Broker(name)
	if !ok {
		panic("configdef: no broker config " + name)
	}
	for _, layer := range []map[string]string{l.Broker, l.ClusterDefault, l.Static} {
		if v, ok := layer[name]; ok {
			return strings.TrimSpace(v)
		}
	}
	return c.Default
}

// BrokerInt is the value of a numeric broker config.
func (l Layers) BrokerInt(name string) int64 {
	n, err := strconv.ParseInt(l.BrokerString(name), 10, 64)
	if err != nil {
		c, _ := Broker(name)
		n, _ = strconv.ParseInt(c.Default, 10, 64)
	}
	return n
}

// BrokerFloat is the value of a broker config of type double.
func (l Layers) BrokerFloat(name string) float64 {
	f, err := strconv.ParseFloat(l.BrokerString(name), 64)
	if err != nil {
		c, _ := Broker(name)
		f, _ = strconv.ParseFloat(c.Default, 64)
	}
	return f
}

// BrokerBool is the value of a boolean broker config.
func (l Layers) BrokerBool(name string) bool { return strings.EqualFold(l.BrokerString(name), "true") }
