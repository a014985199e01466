package peer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/test/cluster"
)

// The main classes of the scripts in Apache Kafka's bin folder.
const (
	kafkaTopics            = "org.apache.kafka.tools.TopicCommand"
	kafkaConfigs           = "kafka.admin.ConfigCommand"
	kafkaConsoleProducer   = "org.apache.kafka.tools.ConsoleProducer"
	kafkaConsoleConsumer   = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	kafkaConsumerGroups    = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	kafkaGetOffsets        = "org.apache.kafka.tools.GetOffsetShell"
	kafkaProducerPerf      = "org.apache.kafka.tools.ProducerPerformance"
	kafkaConsumerPerf      = "org.apache.kafka.tools.ConsumerPerformance"
	kafkaVerifiableProduce = "org.apache.kafka.tools.VerifiableProducer"
	kafkaVerifiableConsume = "org.apache.kafka.tools.VerifiableConsumer"
)

// tools runs Apache Kafka's command-line tools against one cluster.
type tools struct{ c cluster.Cluster }

func (k tools) run(t *testing.T, mainClass string, args ...string) string {
	t.Helper()
	return k.input(t, "", mainClass, args...)
}

func (k tools) input(t *testing.T, stdin, mainClass string, args ...string) string {
	t.Helper()
	args = append([]string{"--bootstrap-server", k.c.Bootstrap()}, args...)
	return cluster.RunInput(t, nil, strings.NewReader(stdin), cluster.KafkaTool(t, mainClass, args...)...)
}

// fails runs a tool that must end with an error, and returns all that it printed.
func (k tools) fails(t *testing.T, mainClass string, args ...string) string {
	t.Helper()
	argv := cluster.KafkaTool(t, mainClass, append([]string{"--bootstrap-server", k.c.Bootstrap()}, args...)...)
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err == nil {
		t.Errorf("%s %v succeeded, want an error:\n%s", mainClass, args, out)
	}
	return string(out)
}

// topicCommands: kafka-topics creates, lists, describes and grows topics, and refuses what Kafka refuses.
func topicCommands(t *testing.T, c cluster.Cluster) {
	k := tools{c}
	k.run(t, kafkaTopics, "--create", "--topic", "orders", "--partitions", "3",
		"--replication-factor", strconv.Itoa(c.Replicas()), "--config", "retention.ms=3600000")
	if got := k.run(t, kafkaTopics, "--list"); !slices.Contains(strings.Fields(got), "orders") {
		t.Errorf("kafka-topics --list = %q, want orders in it", got)
	}
	if got := k.fails(t, kafkaTopics, "--create", "--topic", "orders"); !strings.Contains(got, "Topic 'orders' already exists") {
		t.Errorf("creating orders twice: %s", got)
	}
	if got := k.fails(t, kafkaTopics, "--describe", "--topic", "absent"); !strings.Contains(got, "does not exist") {
		t.Errorf("describing a topic that does not exist: %s", got)
	}
	k.run(t, kafkaTopics, "--alter", "--topic", "orders", "--partitions", "5")
	if got := k.fails(t, kafkaTopics, "--alter", "--topic", "orders", "--partitions", "4"); !strings.Contains(got, "partition") {
		t.Errorf("shrinking a topic: %s", got)
	}
	got := k.run(t, kafkaTopics, "--describe", "--topic", "orders")
	if !strings.Contains(got, "PartitionCount: 5") || !strings.Contains(got, "retention.ms=3600000") || strings.Count(got, "Leader: ") != 5 {
		t.Errorf("kafka-topics --describe:\n%s", got)
	}
	if want := fmt.Sprintf("ReplicationFactor: %d", c.Replicas()); !strings.Contains(got, want) {
		t.Errorf("kafka-topics --describe has no %q:\n%s", want, got)
	}

	k.run(t, kafkaConfigs, "--alter", "--entity-type", "topics", "--entity-name", "orders",
		"--add-config", "retention.ms=7200000,max.message.bytes=2000000")
	k.run(t, kafkaConfigs, "--alter", "--entity-type", "topics", "--entity-name", "orders", "--delete-config", "max.message.bytes")
	got = k.run(t, kafkaConfigs, "--describe", "--entity-type", "topics", "--entity-name", "orders")
	if !strings.Contains(got, "retention.ms=7200000") || strings.Contains(got, "max.message.bytes=2000000") {
		t.Errorf("kafka-configs --describe:\n%s", got)
	}
	k.fails(t, kafkaConfigs, "--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config", "retention.ms=soon")
	k.fails(t, kafkaConfigs, "--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config", "no.such.config=1")

	k.run(t, kafkaTopics, "--delete", "--topic", "orders")
	cluster.Eventually(t, 30*time.Second, func() error {
		if got := k.run(t, kafkaTopics, "--list"); slices.Contains(strings.Fields(got), "orders") {
			return fmt.Errorf("the deleted topic is still listed: %q", got)
		}
		return nil
	})
}

// consoleClients: what the console producer sends, the console consumer prints, and the group's committed offsets say so.
func consoleClients(t *testing.T, c cluster.Cluster) {
	k := tools{c}
	const records, keys = 300, 7
	k.run(t, kafkaTopics, "--create", "--topic", "lines", "--partitions", "4", "--replication-factor", strconv.Itoa(c.Replicas()))
	var in strings.Builder
	for i := range records {
		fmt.Fprintf(&in, "key-%d:line %d\n", i%keys, i)
	}
	k.input(t, in.String(), kafkaConsoleProducer, "--topic", "lines", "--reader-property", "parse.key=true",
		"--reader-property", "key.separator=:", "--compression-codec", "zstd")

	consume := []string{
		"--topic", "lines", "--group", "readers", "--max-messages", strconv.Itoa(records), "--timeout-ms", "60000",
		"--formatter-property", "print.key=true", "--formatter-property", "key.separator=:",
	}
	got := k.run(t, kafkaConsoleConsumer, append(consume, "--from-beginning")...)
	last := map[string]int{}
	for line := range strings.Lines(got) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		var n int
		if _, err := fmt.Sscanf(value, "line %d", &n); err != nil || key != fmt.Sprintf("key-%d", n%keys) {
			t.Fatalf("the consumer printed %q", line)
		}
		if before, ok := last[key]; ok && before >= n {
			t.Errorf("%s: record %d after record %d", key, n, before)
		}
		last[key] = n
	}
	if n := strings.Count(got, "\n"); n != records {
		t.Errorf("the consumer printed %d records, want %d", n, records)
	}

	// GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
	committed := 0
	for line := range strings.Lines(k.run(t, kafkaConsumerGroups, "--describe", "--group", "readers")) {
		if f := strings.Fields(line); len(f) > 5 && f[0] == "readers" {
			offset, err := strconv.Atoi(f[3])
			if err != nil || f[5] != "0" {
				t.Errorf("kafka-consumer-groups --describe: %q", line)
			}
			committed += offset
		}
	}
	if committed != records {
		t.Errorf("the group's offsets add up to %d, want %d", committed, records)
	}
	if got := k.run(t, kafkaConsumerGroups, "--list"); !slices.Contains(strings.Fields(got), "readers") {
		t.Errorf("kafka-consumer-groups --list = %q, want readers in it", got)
	}
	end := 0
	for line := range strings.Lines(k.run(t, kafkaGetOffsets, "--topic", "lines")) {
		f := strings.Split(strings.TrimSpace(line), ":")
		n, err := strconv.Atoi(f[len(f)-1])
		if err != nil {
			t.Errorf("kafka-get-offsets: %q", line)
		}
		end += n
	}
	if end != records {
		t.Errorf("the partitions' end offsets add up to %d, want %d", end, records)
	}

	k.run(t, kafkaConsumerGroups, "--reset-offsets", "--to-earliest", "--execute", "--group", "readers", "--topic", "lines")
	if got := k.run(t, kafkaConsoleConsumer, consume...); strings.Count(got, "\n") != records {
		t.Errorf("after a reset to the beginning the consumer printed %d records, want %d", strings.Count(got, "\n"), records)
	}
	k.run(t, kafkaConsumerGroups, "--delete", "--group", "readers")
	if got := k.run(t, kafkaConsumerGroups, "--list"); slices.Contains(strings.Fields(got), "readers") {
		t.Errorf("the deleted group is still listed: %q", got)
	}
}

// perfTools: the performance tools come to their end and count what they were asked for.
func perfTools(t *testing.T, c cluster.Cluster) {
	k := tools{c}
	k.run(t, kafkaTopics, "--create", "--topic", "perf", "--partitions", "6", "--replication-factor", strconv.Itoa(c.Replicas()))
	got := k.run(t, kafkaProducerPerf, "--topic", "perf", "--num-records", "50000", "--record-size", "1024", "--throughput", "-1",
		"--command-property", "acks=all", "linger.ms=5")
	if !strings.Contains(got, "50000 records sent") {
		t.Errorf("kafka-producer-perf-test:\n%s", got)
	}
	t.Log(strings.TrimSpace(got))
	got = k.run(t, kafkaConsumerPerf, "--topic", "perf", "--num-records", "50000", "--timeout", "60000", "--hide-header")
	// start, end, MB, MB/s, records, ...
	if f := strings.Split(got, ", "); len(f) < 5 || f[4] != "50000" {
		t.Errorf("kafka-consumer-perf-test:\n%s", got)
	}
	t.Log(strings.TrimSpace(got))
}

// verifiableEvent is a line that the verifiable clients print.
type verifiableEvent struct {
	Name       string `json:"name"`
	Partition  int    `json:"partition"`
	Offset     int64  `json:"offset"`
	Value      string `json:"value"`
	Acked      int    `json:"acked"` // of tool_data
	Partitions []struct {
		Partition int `json:"partition"`
	} `json:"partitions"`
	Success bool `json:"success"`
}

// verifiableMember is a running verifiable consumer.
type verifiableMember struct{ *cluster.Process }

func (m verifiableMember) events() []verifiableEvent {
	var events []verifiableEvent
	for s := bufio.NewScanner(strings.NewReader(m.Stdout())); s.Scan(); {
		var e verifiableEvent
		if json.Unmarshal(s.Bytes(), &e) == nil { // the last line may still be being written
			events = append(events, e)
		}
	}
	return events
}

// records are what the member consumed: partition and offset to value.
func (m verifiableMember) records() map[[2]int64]string {
	records := map[[2]int64]string{}
	for _, e := range m.events() {
		if e.Name == "record_data" {
			records[[2]int64{int64(e.Partition), e.Offset}] = e.Value
		}
	}
	return records
}

// assigned is the number of partitions that the member owns now.
func (m verifiableMember) assigned() int {
	n := 0
	for _, e := range m.events() {
		switch e.Name {
		case "partitions_assigned":
			n = len(e.Partitions)
		case "partitions_revoked":
			n = 0
		}
	}
	return n
}

// verifiableGroup is the package's story, told with the verifiable producer and consumer of Kafka's system tests.
func verifiableGroup(t *testing.T, c cluster.Cluster) {
	k := tools{c}
	const topic, group = "from-java", "from-java-group"
	k.run(t, kafkaTopics, "--create", "--topic", topic, "--partitions", "6", "--replication-factor", strconv.Itoa(c.Replicas()))

	produce := func(prefix, count int) {
		t.Helper()
		got := k.run(t, kafkaVerifiableProduce, "--topic", topic, "--max-messages", strconv.Itoa(count), "--acks", "-1",
			"--repeating-keys", "50", "--value-prefix", strconv.Itoa(prefix))
		if want := fmt.Sprintf(`"acked":%d`, count); !strings.Contains(got, want) {
			t.Fatalf("the producer's summary has no %s:\n%s", want, got[max(0, len(got)-400):])
		}
	}
	join := func() verifiableMember {
		return verifiableMember{cluster.Spawn(t, nil, cluster.KafkaTool(t, kafkaVerifiableConsume, "--bootstrap-server", c.Bootstrap(),
			"--topic", topic, "--group-id", group, "--reset-policy", "earliest", "--verbose")...)}
	}
	await := func(want string, condition func() bool, members ...verifiableMember) {
		t.Helper()
		cluster.Eventually(t, time.Minute, func() error {
			if condition() {
				return nil
			}
			state := ""
			for _, m := range members {
				state += fmt.Sprintf("\n%d partitions, %d records; %s", m.assigned(), len(m.records()), m.Stderr())
			}
			return fmt.Errorf("want %s:%s", want, state)
		})
	}
	// leave ends the members and returns all records that they consumed together.
	leave := func(members ...verifiableMember) map[[2]int64]string {
		all := map[[2]int64]string{}
		for _, m := range members {
			m.Signal(syscall.SIGTERM)
		}
		for _, m := range members {
			m.Wait(t, 30*time.Second)
			for at, value := range m.records() {
				if other, twice := all[at]; twice {
					t.Errorf("record %v was consumed twice: %q and %q", at, other, value)
				}
				all[at] = value
			}
		}
		return all
	}

	members := []verifiableMember{join(), join(), join()}
	await("2 partitions for each of 3 members", func() bool {
		return !slices.ContainsFunc(members, func(m verifiableMember) bool { return m.assigned() != 2 })
	}, members...)
	produce(1, 3000)
	total := func() int { return len(members[0].records()) + len(members[1].records()) + len(members[2].records()) }
	await("3,000 records", func() bool { return total() >= 3000 }, members...)
	checkValues(t, leave(members...), 1, 3000)

	produce(2, 1000)
	late := join()
	await("1,000 records", func() bool { return len(late.records()) >= 1000 }, late)
	checkValues(t, leave(late), 2, 1000)
}

// checkValues checks that exactly the values "<prefix>.0" to "<prefix>.<count-1>" are there.
func checkValues(t *testing.T, records map[[2]int64]string, prefix, count int) {
	t.Helper()
	want := map[string]bool{}
	for i := range count {
		want[fmt.Sprintf("%d.%d", prefix, i)] = true
	}
	for at, value := range records {
		if !want[value] {
			t.Errorf("record %v = %q is foreign or there twice", at, value)
		}
		delete(want, value)
	}
	if len(want) > 0 {
		t.Errorf("%d of %d records are missing, e.g. %v", len(want), count, slices.Sorted(maps.Keys(want))[0])
	}
}
