package configdef

import (
	"fmt"
	"strconv"
	"strings"
)

// Markdown is docs/protocol/configs.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Configs\n\nWritten from `kafka/configdef`; do not edit. Defaults are those of a broker without `server.properties`; a cluster's own\n" +
		"configuration sets more: see the guide's [configurations](../guide/configurations.md).\n\nThe last column says what a config does in Weir. Empty: what it says. *Only ...*: other values are refused with INVALID_CONFIG when they\n" +
		"are set, or, in a cluster's configuration, when the broker starts; the default is always taken. *Holds for any value*: Weir always does what\n" +
		"the strictest value asks for. *No effect*: it is taken and shown, and what it is about does not exist; no topic config is like that.\n")
	b.WriteString("\n## Topic configs\n\nAll of them can change at any time (AlterConfigs, IncrementalAlterConfigs).\n\n")
	b.WriteString("| name | type | default | values | broker default | what it is | in Weir |\n|---|---|---|---|---|---|---|\n")
	for i := range topicConfigs {
		c := &topicConfigs[i]
		var syn []string
		for _, s := range c.Synonyms {
			syn = append(syn, "`"+s.Name+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", c.Name, c.Type, c.shownDefault(), c.values(), strings.Join(syn, ", "), c.Doc, c.Meaning())
	}
	b.WriteString("\n## Broker configs\n\nread-only: set in the cluster's configuration. cluster-wide: also by AlterConfigs, for all brokers or for one.\n" +
		"per-broker: only for one. DescribeConfigs of a broker lists what Apache Kafka 4.4 lists; a config that is marked *when set* it describes only\n" +
		"where it is set, as Kafka does. Names that are not here are refused, which Kafka takes and ignores; so are configs of single listeners\n" +
		"(`listener.name.*`), but for the two that are here. Other differences: of what is marked *when set* the value is shown, which Kafka hides where it does not know the type; Kafka\n" +
		"refuses `min.insync.replicas` of brokers while it has eligible leader replicas, and Weir takes it.\n\n")
	b.WriteString("| name | type | default | values | change | what it is | in Weir |\n|---|---|---|---|---|---|---|\n")
	for i := range brokerConfigs {
		c := &brokerConfigs[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", c.Name, c.Type, c.shownDefault(), c.values(), c.change(), c.Doc, c.Meaning())
	}
	b.WriteString("\n## Group configs\n\nAll of them can change at any time, for any group. Values outside of the limits that the broker configs set are refused; one that came to\n" +
		"be outside because the limits changed counts as the nearest one inside.\n\n")
	b.WriteString("| name | type | default | values | limits | broker default | what it is | in Weir |\n|---|---|---|---|---|---|---|---|\n")
	for i := range groupConfigs {
		c := &groupConfigs[i]
		var syn string
		if c.Synonyms != nil {
			syn = "`" + c.Synonyms[0].Name + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", c.Name, c.Type, c.shownDefault(), c.values(), c.Limit, syn, c.Doc, c.Meaning())
	}
	b.WriteString("\n## Client metrics configs\n\nOf a subscription to the metrics of clients (KIP-714). All of them can change at any time.\n\n")
	b.WriteString("| name | type | default | what it is |\n|---|---|---|---|\n")
	for i := range clientMetricsConfigs {
		c := &clientMetricsConfigs[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Name, c.Type, c.shownDefault(), c.Doc)
	}
	return b.String()
}

// String names the broker configs, empty if there are none.
func (l Limit) String() string {
	var names []string
	for _, n := range []string{l.Min, l.Max, l.Among} {
		if n != "" {
			names = append(names, "`"+n+"`")
		}
	}
	return strings.Join(names, ", ")
}

// Documentation is what DescribeConfigs answers when asked for it (KIP-569).
func (c *Config) Documentation() string {
	if e := c.Meaning(); e != "" {
		return c.Doc + " " + e
	}
	return c.Doc
}

// Meaning is what the config does in Weir, where that is not just what its Doc says.
func (c *Config) Meaning() string {
	switch {
	case c.Only != nil && len(c.Only) == 0:
		return fmt.Sprintf("Cannot be set: %s.", c.Why)
	case c.Only != nil:
		return fmt.Sprintf("Only %s: %s.", c.only(), c.Why)
	case c.Within.set():
		return fmt.Sprintf("Only values %s: %s.", c.Within, c.Why)
	}
	return string(c.Effect)
}

func (c *Config) change() string {
	if c.Unlisted {
		return c.Mode.String() + ", *when set*"
	}
	return c.Mode.String()
}

func (c *Config) shownDefault() string {
	switch {
	case c.Null:
		return "none"
	case c.Default == "":
		return "empty"
	}
	return c.Default
}

func (c *Config) values() string {
	if c.OneOf != nil {
		return strings.Join(c.OneOf, ", ")
	}
	return c.Bounds.String()
}

// String is the range in words, empty if there is none.
func (b Bounds) String() string {
	number := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'f', -1, 64)
	}
	switch {
	case b.Or != nil:
		return number(b.Min) + " to " + number(b.Max) + ", or " + number(b.Or)
	case b.Max != nil:
		return number(b.Min) + " to " + number(b.Max)
	case b.Min != nil:
		return "from " + number(b.Min)
	}
	return ""
}
