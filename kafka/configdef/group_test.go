package configdef

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTablesAreSorted(t *testing.T) {
	for name, table := range map[string][]Config{"topics": Topics(), "brokers": Brokers(), "groups": Groups(), "client metrics": ClientMetricsAll()} {
		if !slices.IsSortedFunc(table, func(a, b Config) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s are not sorted", name)
		}
		for i := 1; i < len(table); i++ {
			if table[i].Name == table[i-1].Name {
				t.Errorf("%s: %s is there twice", name, table[i].Name)
			}
		}
	}
}

func TestGroupConfigsHaveTheirBrokerConfigs(t *testing.T) {
	for _, c := range Groups() {
		for _, s := range c.Synonyms {
			b, ok := Broker(s.Name)
			if !ok || c.Limit.Among == "" && (b.Default != c.Default || b.Type != c.Type) {
				t.Errorf("%s: broker config %s is %v", c.Name, s.Name, b)
			}
		}
		for _, n := range []string{c.Limit.Min, c.Limit.Max, c.Limit.Among} {
			if _, ok := Broker(n); n != "" && !ok {
				t.Errorf("%s: no broker config %s", c.Name, n)
			}
		}
		if c.Default != "" {
			if err := c.Validate(c.Default); err != nil {
				t.Errorf("%s: its default: %v", c.Name, err)
			}
		}
	}
}

// The messages are those of Apache Kafka 4.4.0.
func TestGroupConfigsAreValidated(t *testing.T) {
	static := Layers{Static: map[string]string{"group.share.max.record.lock.duration.ms": "40000"}}
	for _, tt := range []struct{ name, value, want string }{
		{"consumer.session.timeout.ms", "50000", ""},
		{"consumer.session.timeout.ms", "5000", "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive."},
		{"consumer.session.timeout.ms", "x", "Invalid value x for configuration consumer.session.timeout.ms: Not a number of type INT"},
		{"nosuch", "1", "Unknown group config name: nosuch"},
		{"share.record.lock.duration.ms", "40001", "share.record.lock.duration.ms must be in the range 15000 to 40000 inclusive."},
		{"share.delivery.count.limit", "1", "Invalid value 1 for configuration share.delivery.count.limit: Value must be at least 2"},
		{"share.isolation.level", "x", "Invalid value x for configuration share.isolation.level: String must be one of: read_committed, read_uncommitted"},
		{"share.auto.offset.reset", "by_duration:PT1H", ""},
		{"share.auto.offset.reset", "by_duration:-PT1H", "Invalid value by_duration:-PT1H for configuration share.auto.offset.reset: Invalid value `by_duration:-PT1H` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."},
		{"streams.num.standby.replicas", "3", "streams.num.standby.replicas must be less than or equal to 2"},
		{"streams.assignor.name", "x", "streams.assignor.name 'x' is not a registered task assignor. Registered assignors are: [sticky]."},
	} {
		err := static.ValidateGroup(map[string]string{tt.name: tt.value})
		var got string
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s=%s: got %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
	if err := (Layers{Static: map[string]string{"group.consumer.min.session.timeout.ms": "1"}}).ValidateGroup(map[string]string{"consumer.session.timeout.ms": "5000"}); err == nil {
		t.Error("a session that is not longer than the heartbeat is taken")
	}
}

func TestGroupsHaveTheBrokersDefaults(t *testing.T) {
	l := Layers{
		Group:          map[string]string{"consumer.session.timeout.ms": "60000"},
		ClusterDefault: map[string]string{"group.consumer.assignment.interval.ms": "2000"},
		Static:         map[string]string{"group.consumer.max.session.timeout.ms": "50000", "group.consumer.heartbeat.interval.ms": "7000"},
	}
	for name, want := range map[string]int64{
		"consumer.session.timeout.ms": 50000, "consumer.assignment.interval.ms": 2000, "consumer.heartbeat.interval.ms": 7000, "share.delivery.count.limit": 5,
	} {
		if got := l.GroupInt(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	if !l.GroupBool("share.renew.acknowledge.enable") || l.GroupString("streams.assignor.name") != "sticky" {
		t.Error("defaults")
	}
	sources := make(map[string]Source)
	for _, e := range l.DescribeGroup() {
		sources[e.Name] = e.Source
	}
	if sources["consumer.session.timeout.ms"] != GroupConfig || sources["consumer.assignment.interval.ms"] != DynamicBrokerDefault || sources["share.isolation.level"] != DefaultConfig {
		t.Errorf("sources: %v", sources)
	}
}

func TestDurations(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"PT1H": time.Hour, "P1D": 24 * time.Hour, "p1dt2h3m4.5s": 26*time.Hour + 3*time.Minute + 4500*time.Millisecond, "PT0S": 0,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
		if got, ok := ResetDuration(byDuration + s); !ok || got != want {
			t.Errorf("%s: got %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "P", "PT", "P1", "PT1D", "P1H", "PT1M1H", "PT1.5H", "-PT1H", "PT-1H", "P999999999D", "PTS", "PT1HT1M"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: got %v", s, got)
		}
	}
}
