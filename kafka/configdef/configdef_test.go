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

// kafkaTopicConfigs are the topic configs of Apache Kafka 4.4, as its LogConfig lists them, and their defaults.
const kafkaTopicConfigs = `
cleanup.policy LIST delete
compression.gzip.level INT -1
compression.lz4.level INT 9
compression.type STRING producer
compression.zstd.level INT 3
delete.retention.ms LONG 86400000
errors.deadletterqueue.group.enable BOOLEAN false
file.delete.delay.ms LONG 60000
flush.messages LONG 9223372036854775807
flush.ms LONG 9223372036854775807
follower.replication.throttled.replicas LIST
index.interval.bytes INT 4096
leader.replication.throttled.replicas LIST
local.retention.bytes LONG -2
local.retention.ms LONG -2
max.compaction.lag.ms LONG 9223372036854775807
max.decompressed.message.bytes INT 2147483639
max.message.bytes INT 1048588
message.timestamp.after.max.ms LONG 3600000
message.timestamp.before.max.ms LONG 9223372036854775807
message.timestamp.type STRING CreateTime
min.cleanable.dirty.ratio DOUBLE 0.5
min.compaction.lag.ms LONG 0
min.insync.replicas INT 1
preallocate BOOLEAN false
remote.copy.lag.bytes LONG -1
remote.copy.lag.ms LONG 0
remote.log.copy.disable BOOLEAN false
remote.log.delete.on.disable BOOLEAN false
remote.storage.enable BOOLEAN false
retention.bytes LONG -1
retention.ms LONG 604800000
segment.bytes INT 1073741824
segment.index.bytes INT 10485760
segment.jitter.ms LONG 0
segment.ms LONG 604800000
unclean.leader.election.enable BOOLEAN false
weir.validate.compressed BOOLEAN false
`

func TestTopicConfigsAreKafkas(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n")
	for i := range topicConfigs {
		c := &topicConfigs[i]
		b.WriteString(strings.TrimSpace(c.Name+" "+c.Type.String()+" "+c.Default) + "\n")
	}
	if b.String() != kafkaTopicConfigs {
		t.Errorf("got%s", b.String())
	}
}

// The broker configs are those that Apache Kafka 4.4 describes, but for Weir's own and those that are unlisted.
func TestBrokerConfigsAreKafkas(t *testing.T) {
	recorded, err := os.ReadFile("testdata/kafka-brokers.txt")
	if err != nil {
		t.Fatal(err)
	}
	kafka := make(map[string]bool)
	for line := range strings.Lines(string(recorded)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		kafka[name] = true
		c, ok := Broker(name)
		if !ok {
			t.Errorf("no broker config %s", name)
			continue
		}
		value, mode := c.Default, c.Mode.String()
		if c.Null {
			value = "null"
		} else if value == "" {
			value = "''"
		}
		if got := c.Type.String() + " " + mode + " " + value; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if c.Unlisted {
			t.Errorf("%s is listed by Kafka", name)
		}
	}
	for i := range brokerConfigs {
		c := &brokerConfigs[i]
		if !kafka[c.Name] && !c.Unlisted && !strings.HasPrefix(c.Name, "weir.") {
			t.Errorf("%s is not Kafka's", c.Name)
		}
		if i > 0 && brokerConfigs[i-1].Name == c.Name {
			t.Errorf("%s is there twice", c.Name)
		}
	}
}

// A topic config works, holds anyway, or is refused; a refusal says what to do; and a default is never refused, however it is written.
func TestNoConfigIsSilentlyIgnored(t *testing.T) {
	for _, table := range [][]Config{topicConfigs, brokerConfigs} {
		for i := range table {
			c := &table[i]
			limited := c.Only != nil || c.Within.set()
			if strings.HasPrefix(string(c.Effect), "Stored") {
				t.Errorf("%s is stored, and then?", c.Name)
			}
			if limited != (c.Why != "") || limited && c.Effect != "" {
				t.Errorf("%s: what it accepts, why, and its effect do not fit together", c.Name)
			}
			if limited && !strings.Contains(c.Why, "; leave it ") && c.Why != whyTiered {
				t.Errorf("%s: its message does not say what to do: %s", c.Name, c.Why)
			}
			if _, ok := Topic(c.Name); ok && strings.HasPrefix(string(c.Effect), "No effect") {
				t.Errorf("the topic config %s has no effect", c.Name)
			}
			if c.Null {
				continue
			}
			ways := []string{c.Default, " " + c.Default + " "}
			if c.Type == Boolean {
				ways = append(ways, strings.ToUpper(c.Default))
			}
			for _, v := range ways {
				if err := c.Validate(v); err != nil {
					t.Errorf("its default is refused: %v", err)
				}
			}
		}
	}
}

// What Amazon MSK's default configuration sets, and some of what people set in their own, must start a broker.
func TestConfigurationsOfMSKAreAccepted(t *testing.T) {
	lines := `
allow.everyone.if.no.acl.found=true
auto.create.topics.enable=false
auto.leader.rebalance.enable=true
default.replication.factor=3
min.insync.replicas=2
num.io.threads=8
num.network.threads=5
num.partitions=1
num.replica.fetchers=2
replica.lag.time.max.ms=30000
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
socket.send.buffer.bytes=102400
unclean.leader.election.enable=true
log.segment.bytes=134217728
num.io.threads=16
num.replica.fetchers=8
num.recovery.threads.per.data.dir=4
replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector
replica.fetch.max.bytes=2097152
replica.fetch.response.max.bytes=20971520
replica.lag.time.max.ms=10000
log.cleaner.delete.retention.ms=3600000
log.cleaner.min.cleanable.ratio=0.1
log.cleanup.policy=compact,delete
log.flush.interval.messages=1
log.flush.interval.ms=1000
log.retention.bytes=1073741824
log.retention.hours=24
log.retention.minutes=60
log.retention.ms=-1
log.roll.ms=3600000
log.message.timestamp.type=LogAppendTime
log.message.timestamp.before.max.ms=86400000
log.message.timestamp.after.max.ms=86400000
max.incremental.fetch.session.cache.slots=5000
message.max.bytes=8388608
offsets.retention.minutes=1440
offsets.topic.replication.factor=2
transaction.max.timeout.ms=60000
transaction.state.log.min.isr=1
transaction.state.log.replication.factor=1
transactional.id.expiration.ms=86400000
group.initial.rebalance.delay.ms=0
leader.imbalance.per.broker.percentage=20
connections.max.idle.ms=300000
delete.topic.enable=false
compression.type=producer
`
	for line := range strings.Lines(lines) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if err := ValidateBroker(name, value); err != nil {
			t.Error(err)
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
		{"cleanup.policy", "delete,delete", ""},
		{"cleanup.policy", "", ""},
		{"cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."},
		{"retention.bytes", "-5", ""},
		{"max.decompressed.message.bytes", "0", "Invalid value 0 for configuration max.decompressed.message.bytes: Value must be at least 1"},
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

		{"compression.type", "zstd", ""},
		{"compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"weir.validate.compressed", "yes", "Invalid value yes for configuration weir.validate.compressed: Expected value to be either true or false"},
		{"remote.storage.enable", "true", "Invalid value true for configuration remote.storage.enable: only false is supported: tiered storage is not built yet; leave it unset"},
		{"remote.storage.enable", "FALSE", ""},
		{"local.retention.ms", "3600000", "Invalid value 3600000 for configuration local.retention.ms: only -2 is supported: tiered storage is not built yet; leave it unset"},
		{"index.interval.bytes", " 04096 ", ""},
		{"segment.index.bytes", "2097152", ""},
		{"segment.index.bytes", "2097151", "Invalid value 2097151 for configuration segment.index.bytes: Value must be at least 2097152 in Weir: the index of the largest possible segment takes less than 2 MiB, and segments are not closed early for a smaller one; leave it unset, or bound segments with segment.bytes"},
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

// What brokers are refused, Kafka's messages where it has one. A password is not repeated.
func TestValidateBroker(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"listeners", "PLAINTEXT://:9092", ""},
		{"listeners", "CLIENT://:9092", "Invalid value CLIENT://:9092 for configuration listeners: it cannot be set: a broker is told by its node; leave it unset"},
		{"ssl.key.password", "secret", "Invalid value [hidden] for configuration ssl.key.password: it cannot be set: TLS is not built yet; leave it unset"},
		{"log.retention.ms", "0", "Invalid value 0 for configuration log.retention.ms: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		{"log.retention.hours", "-1", ""},
		{"log.roll.ms", "0", "Invalid value 0 for configuration log.roll.ms: Value must be at least 1"},
		{"controller.quorum.fetch.timeout.ms", "5000", ""},
		{"max.connections.per.ip.overrides", "10.0.0.1:3, [2001:db8::1]:0", ""},
		{"max.connections.per.ip.overrides", "host:3", "Invalid value host:3 for configuration max.connections.per.ip.overrides: \"host:3\" does not begin with a numeric address, which Weir wants; names are not looked up"},
		{"no.such", "1", "Unknown broker config name: no.such"},
	}
	for _, tt := range tests {
		got := ""
		if err := ValidateBroker(tt.name, tt.value); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s=%s:\n got %q\nwant %q", tt.name, tt.value, got, tt.want)
		}
	}
	eight := Layers{}
	for threads, ok := range map[string]bool{"4": true, "3": false, "16": true, "17": false} {
		if err := ValidateChange(eight, Layers{Broker: map[string]string{"num.io.threads": threads}}); (err == nil) != ok {
			t.Errorf("from 8 to %s threads: %v", threads, err)
		}
	}
}

// Values are shown as Apache Kafka 4.4 shows them.
func TestValuesAreShownAsKafkasTypesWriteThem(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"retention.ms", " 5 ", "5"},
		{"segment.bytes", "+2000000", "2000000"},
		{"preallocate", "TRUE", "true"},
		{"cleanup.policy", "compact, delete,compact", "compact,delete"},
		{"compression.type", " zstd", "zstd"},
		{"min.cleanable.dirty.ratio", "1", "1.0"},
		{"min.cleanable.dirty.ratio", "0.0001", "1.0E-4"},
		{"min.cleanable.dirty.ratio", "0", "0.0"},
	}
	for _, tt := range tests {
		for _, e := range (Layers{Topic: map[string]string{tt.name: tt.value}}).DescribeTopic() {
			if e.Name == tt.name && (e.Value != tt.want || e.Candidates[0].Value != tt.want || e.Source != TopicConfig) {
				t.Errorf("%s=%q: got %q and %q from %d, want %q", tt.name, tt.value, e.Value, e.Candidates[0].Value, e.Source, tt.want)
			}
		}
	}
	for _, e := range (Layers{Broker: map[string]string{"log.cleaner.io.max.bytes.per.second": "12345678"}}).DescribeBroker() {
		if e.Name == "log.cleaner.io.max.bytes.per.second" && (e.Value != "1.2345678E7" || e.Candidates[0].Value != "12345678") {
			t.Errorf("got %q from %q", e.Value, e.Candidates[0].Value)
		}
	}
	for _, e := range (Layers{Static: map[string]string{"log.retention.hours": "1"}}).DescribeTopic() {
		if e.Name == "retention.ms" && (e.Value != "3600000" || e.Source != DefaultConfig || len(e.Candidates) != 0) {
			t.Errorf("hours alone: got %q from %d, %v", e.Value, e.Source, e.Candidates)
		}
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
