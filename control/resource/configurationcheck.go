package resource

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/kafka/configdef"
	"weir/metadata"
)

// CheckConfiguration finds what keeps a cluster from using a revision of a configuration: what its Kafka version or its kind does not have or allow.
// None means that it can be used. The cluster is as it will be: an update of the version asks with the new one.
func CheckConfiguration(c *Cluster, r *ConfigurationRevision) []Finding {
	if c.Kind() == metadata.Serverless {
		return []Finding{{Message: "Serverless clusters have no configuration."}}
	}
	return CheckProperties(r.Text, []string{c.KafkaVersion}, c.Kind())
}

// CheckProperties finds all that is wrong with the text of a configuration, in the order of its lines. It must fit all of the Kafka versions, or any if
// none is named, and clusters of the kind, or of any kind if that is empty.
func CheckProperties(text string, versions []string, kind metadata.ClusterKind) []Finding {
	properties, findings := configdef.ParseProperties(text)
	var known []KafkaVersion
	for _, name := range versions {
		if v, ok := LookupKafkaVersion(name); ok {
			known = append(known, v)
		}
	}
	values := make(map[string]string, len(properties))
	for _, p := range properties {
		if m := checkProperty(p.Name, p.Value, known, kind, len(findings) < suggestionsMax); m != "" {
			findings = append(findings, Finding{Line: p.Line, Property: shortName(p.Name), Message: m})
			continue
		}
		values[p.Name] = p.Value
	}
	for _, m := range checkTogether(values) {
		at := slices.IndexFunc(properties, func(p configdef.Property) bool { return p.Name == m.Property })
		m.Line = properties[at].Line
		findings = append(findings, m)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return a.Line - b.Line })
	return findings
}

// nameMax is how much of a name that is none is repeated.
const nameMax = 80

func shortName(name string) string {
	if len(name) <= nameMax {
		return name
	}
	return strings.ToValidUTF8(name[:nameMax], "") + "..."
}

// suggestionsMax is how many problems may be found before names are no longer looked for that are like an unknown one: that takes time for each.
const suggestionsMax = 100

// checkProperty says in a sentence why the property cannot be set so; empty if it can. suggest is whether to look for the name that was meant.
func checkProperty(name, value string, versions []KafkaVersion, kind metadata.ClusterKind, suggest bool) string {
	c, ok := configdef.Broker(name)
	if !ok {
		return unknownProperty(name, suggest)
	}
	switch {
	case notInFiles(name):
		return "It is set at run time only: use AlterConfigs (kafka-configs.sh --alter --entity-type brokers)."
	case !c.HasEffect() && !listed(name, kind):
		return fmt.Sprintf("It cannot be part of a configuration. %s Remove the line.", c.Effect)
	}
	if m := refusedByKind(name, kind); m != "" {
		return m
	}
	for _, v := range versions {
		if m := missing(name, v); m != "" {
			return m
		}
	}
	if why := c.Reason(value); why != "" {
		if c.Only != nil || c.Sensitive() {
			return upperFirst(strings.TrimSuffix(why, ".")) + "."
		}
		return fmt.Sprintf("%s is not valid: %s. It takes %s.", quoted(value), strings.TrimSuffix(why, "."), c.Expects())
	}
	r, v := ruleOf(name), strings.TrimSpace(value)
	if r.within != nil {
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < r.within[0] || n > r.within[1] {
			return fmt.Sprintf("%s is not valid: It takes a whole number from %d to %d.", quoted(value), r.within[0], r.within[1])
		}
	}
	if r.oneOf != nil && !slices.Contains(r.oneOf, v) {
		return fmt.Sprintf("%s is not valid: It takes %s only.", quoted(value), strings.Join(r.oneOf, ", "))
	}
	return ""
}

// valueShownMax is how much of a value is repeated.
const valueShownMax = 100

func quoted(value string) string {
	if len(value) > valueShownMax {
		value = strings.ToValidUTF8(value[:valueShownMax], "") + "..."
	}
	return strconv.Quote(value)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// unknownProperty says what is known of a name that is not a broker's property.
func unknownProperty(name string, suggest bool) string {
	if c, ok := configdef.Topic(name); ok {
		if len(c.Synonyms) == 0 {
			return "It is a property of topics, not of brokers: set it on each topic."
		}
		return fmt.Sprintf("It is a property of topics. What holds for topics that do not set it is the broker's %s.", c.Synonyms[0].Name)
	}
	if _, ok := configdef.Group(name); ok {
		return "It is a property of groups, not of brokers: set it on each group."
	}
	if !suggest {
		return noSuchProperty
	}
	var names []string
	for _, c := range configdef.Brokers() {
		names = append(names, c.Name)
	}
	if near := configdef.Nearest(name, names); near != "" {
		return fmt.Sprintf("%s Did you mean %s?", noSuchProperty, near)
	}
	return noSuchProperty
}

const noSuchProperty = "There is no such property."

// checkTogether finds values that are in order each and not together.
func checkTogether(values map[string]string) []Finding {
	l := configdef.Layers{Static: values}
	var out []Finding
	order := func(lower, upper string) {
		_, a := values[lower]
		_, b := values[upper]
		lo, hi := l.BrokerInt(lower), l.BrokerInt(upper)
		if !a && !b || lo <= hi {
			return
		}
		at, text := lower, fmt.Sprintf("%d is more than %s, which is %d.", lo, upper, hi)
		if !a {
			at, text = upper, fmt.Sprintf("%d is less than %s, which is %d.", hi, lower, lo)
		}
		out = append(out, Finding{Property: at, Message: text})
	}
	order("group.min.session.timeout.ms", "group.max.session.timeout.ms")
	order("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms")
	if _, ok := values["max.connections.per.ip"]; ok && l.BrokerInt("max.connections.per.ip") == 0 && l.BrokerString("max.connections.per.ip.overrides") == "" {
		out = append(out, Finding{Property: "max.connections.per.ip", Message: "It can be 0 only together with max.connections.per.ip.overrides."})
	}
	return out
}
