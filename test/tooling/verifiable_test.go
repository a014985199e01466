package tooling

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/test/cluster"
)

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

// TestVerifiableGroup tells a story with the verifiable producer and consumer of Kafka's system tests, on a cluster of three brokers: make a
// topic of 6 partitions; a group of three members shares them; produce 3,000 records; when all have left, produce 1,000 more; a new member
// of the same group gets exactly these.
func TestVerifiableGroup(t *testing.T) { cluster.OnEach(t, verifiableGroup) }

func verifiableGroup(t *testing.T, c cluster.Cluster) {
	run := func(name string, args ...string) string {
		t.Helper()
		return cluster.Run(t, nil, cluster.KafkaTool(t, mains[name], append([]string{"--bootstrap-server", c.Bootstrap()}, args...)...)...)
	}
	const topic, group = "from-java", "from-java-group"
	run("kafka-topics", "--create", "--topic", topic, "--partitions", "6", "--replication-factor", strconv.Itoa(c.Replicas()))

	produce := func(prefix, count int) {
		t.Helper()
		got := run("kafka-verifiable-producer", "--topic", topic, "--max-messages", strconv.Itoa(count), "--acks", "-1",
			"--repeating-keys", "50", "--value-prefix", strconv.Itoa(prefix))
		if want := fmt.Sprintf(`"acked":%d`, count); !strings.Contains(got, want) {
			t.Fatalf("the producer's summary has no %s:\n%s", want, got[max(0, len(got)-400):])
		}
	}
	join := func() verifiableMember {
		return verifiableMember{cluster.Spawn(t, nil, cluster.KafkaTool(t, mains["kafka-verifiable-consumer"], "--bootstrap-server", c.Bootstrap(),
			"--topic", topic, "--group-id", group, "--reset-policy", "earliest", "--verbose")...)}
	}
	await := func(want string, condition func() bool, members ...verifiableMember) {
		t.Helper()
		cluster.Eventually(t, 2*time.Minute, func() error {
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
			m.Wait(t, time.Minute)
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
