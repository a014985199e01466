package configdef

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/protocol/configs.md")

const page = "../../docs/protocol/configs.md"

func TestDocsAreFresh(t *testing.T) {
	if *update {
		if err := os.MkdirAll("../../docs/protocol", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Markdown() {
		t.Error("docs/protocol/configs.md is not what the tables say: go test ./kafka/configdef -update")
	}
}

func TestTables(t *testing.T) {
	for _, table := range [][]Config{topicConfigs, brokerConfigs} {
		if !slices.IsSortedFunc(table, func(a, b Config) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("a table is not sorted by name, which find relies on")
		}
		for i := range table {
			c := &table[i]
			if c.Doc == "" {
				t.Errorf("%s has no doc", c.Name)
			}
			if c.Null {
				continue
			}
			if err := c.Validate(c.Default); err != nil {
				t.Errorf("the default of %s is not valid: %v", c.Name, err)
			}
		}
	}
	for i := range topicConfigs {
		for _, s := range topicConfigs[i].Synonyms {
			if _, ok := Broker(s.Name); !ok {
				t.Errorf("%s: no broker config %s", topicConfigs[i].Name, s.Name)
			}
		}
	}
}

// The messages are those that Apache Kafka 4.4 gives for the same input, but for the last group.
func TestValidateTopic(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
		{"retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", " 5 ", ""},
		{"cleanup.policy", "x", "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete"},
		{"cleanup.policy", "compact, delete", ""},
		{"compression.type", "brotli", "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.lz4.level", "18", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
		{"preallocate", "yes", "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
		{"preallocate", "TRUE", ""},
		{"min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"max.message.bytes", "3000000000", "Invalid value 3000000000 for configuration max.message.bytes: Not a number of type INT"},
		{"nope", "1", "Unknown topic config name: nope"},
		{"leader.replication.throttled.replicas", "*", ""},
		{"leader.replication.throttled.replicas", "0:1,1:2", ""},

		{"compression.type", "zstd", "Invalid value zstd for configuration compression.type: only producer is supported: Weir keeps batches as the producer compressed them and does not recompress"},
		{"remote.storage.enable", "true", "Invalid value true for configuration remote.storage.enable: only false is supported: tiered storage is not built yet"},
		{"remote.storage.enable", "false", ""},
	}
	for _, tt := range tests {
		got := ""
		if err := ValidateTopic(map[string]string{tt.name: tt.value}); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s=%s:\n got %q\nwant %q", tt.name, tt.value, got, tt.want)
		}
	}
	err := ValidateTopic(map[string]string{"min.compaction.lag.ms": "9", "max.compaction.lag.ms": "5"})
	if err == nil || err.Error() != "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (5)" {
		t.Errorf("conflict: got %v", err)
	}
}

func TestLayers(t *testing.T) {
	l := Layers{Static: map[string]string{"log.retention.hours": "2"}}
	if got := l.TopicInt("retention.ms"); got != 7_200_000 {
		t.Errorf("hours: got %d", got)
	}
	l.ClusterDefault = map[string]string{"log.retention.ms": "5000"}
	if got := l.TopicInt("retention.ms"); got != 5000 {
		t.Errorf("cluster default: got %d", got)
	}
	l.Topic = map[string]string{"retention.ms": "1"}
	for _, e := range l.DescribeTopic() {
		if e.Name != "retention.ms" {
			continue
		}
		var got []string
		for _, c := range e.Candidates {
			got = append(got, c.Name+"="+c.Value)
		}
		if want := "retention.ms=1 log.retention.ms=5000 log.retention.hours=2 log.retention.hours=168"; strings.Join(got, " ") != want || e.Source != TopicConfig {
			t.Errorf("got %v from %d, want %s", got, e.Source, want)
		}
	}
	for _, e := range l.DescribeBroker() {
		if e.Name == "log.retention.ms" && (e.Value != "5000" || e.Source != DynamicBrokerDefault) {
			t.Errorf("log.retention.ms: got %q from %d", e.Value, e.Source)
		}
		if e.Name == "log.retention.minutes" && !e.IsNull {
			t.Errorf("log.retention.minutes: got %q, want null", e.Value)
		}
	}
	if got := l.BrokerInt("num.partitions"); got != 1 {
		t.Errorf("num.partitions: got %d", got)
	}
}
