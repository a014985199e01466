package broker

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var update = flag.Bool("update", false, "write docs/protocol/apis.md from the dispatch table")

const apisDoc = "../../docs/protocol/apis.md"

// brokerAPIs is what a broker answers to ApiVersions. test/differential writes Apache Kafka's, and fails when it is not true any more.
type brokerAPIs struct {
	APIs []struct {
		Key      int16  `json:"key"`
		Name     string `json:"name"`
		Min, Max int16
	} `json:"apis"`
	Features []struct {
		Name                string
		Min, Max, Finalized int16
	} `json:"features"`
}

// The document sets the dispatch table beside what Apache Kafka advertises; `go test ./kafka/broker -run TestDocumentListsTheTable -update`
// writes it. A version range that differs needs its reason in testdata/api-differences.json, and a reason needs its difference.
func TestDocumentListsTheTable(t *testing.T) {
	var kafka brokerAPIs
	readJSON(t, "testdata/apache-kafka-4.4.0.json", &kafka)
	var reasons map[string]string
	readJSON(t, "testdata/api-differences.json", &reasons)

	type line struct{ name, kafka, weir, note string }
	lines := map[int16]*line{}
	for _, k := range kafka.APIs {
		lines[k.Key] = &line{name: k.Name, kafka: fmt.Sprintf("%d-%d", k.Min, k.Max)}
	}
	for _, row := range table() {
		l := lines[row.key]
		if l == nil {
			l = &line{name: kmsg.NameForKey(row.key)}
			lines[row.key] = l
		}
		l.weir = fmt.Sprintf("%d-%d", row.advertised(), row.max)
		if row.older {
			l.note = fmt.Sprintf("both serve %d-%d: librdkafka compresses only if it sees that older versions exist", row.min, row.max)
		}
	}
	for key, l := range lines {
		why := reasons[strconv.Itoa(int(key))]
		delete(reasons, strconv.Itoa(int(key)))
		switch {
		case l.kafka == l.weir && why != "":
			t.Errorf("key %d is as Apache Kafka's, so testdata/api-differences.json has nothing to explain", key)
		case l.kafka == l.weir:
		case why != "":
			l.note = why
		case l.weir == "":
			l.note = "not built yet"
		default:
			t.Errorf("key %d: versions %q, Apache Kafka's are %q: say why in testdata/api-differences.json", key, l.weir, l.kafka)
		}
	}
	for key := range reasons {
		t.Errorf("testdata/api-differences.json explains key %s, which neither broker serves", key)
	}

	var b strings.Builder
	b.WriteString("# Kafka APIs served\n\nWhat ApiVersions answers, beside what Apache Kafka 4.4.0 answers on a listener for clients. Written by a test from the\n" +
		"dispatch table in `kafka/broker/apis.go` and from a record of the real broker, which `test/differential` keeps true. Requests with other\n" +
		"keys or versions close the connection, as in Kafka. The header of each handler's file says what each version added.\n\n" +
		"| key | API | Apache Kafka | Weir | |\n| --- | --- | --- | --- | --- |\n")
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		l := lines[key]
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", key, l.name, l.kafka, l.weir, l.note)
	}
	b.WriteString("\n## Features\n\nThe feature levels that Apache Kafka 4.4.0 supports, and those that a cluster of it starts with.\n\n" +
		"| feature | levels | at start |\n| --- | --- | --- |\n")
	for _, f := range kafka.Features {
		fmt.Fprintf(&b, "| %s | %d-%d | %d |\n", f.Name, f.Min, f.Max, f.Finalized)
	}
	if *update {
		if err := os.WriteFile(apisDoc, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(apisDoc)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("docs/protocol/apis.md is not what the table says (run with -update):\n%s", diff)
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Rows are in order of key, once each, with one way to answer, and within the versions that can be decoded.
func TestTableIsSound(t *testing.T) {
	last := int16(-1)
	for _, row := range table() {
		req := kmsg.RequestForKey(row.key)
		switch {
		case row.key <= last || row.key >= keysMax:
			t.Errorf("key %d follows %d", row.key, last)
		case req == nil:
			t.Errorf("key %d is unknown", row.key)
		case row.min < 0 || row.min > row.max || row.max > req.MaxVersion():
			t.Errorf("key %d: versions %d-%d, %d is the newest known", row.key, row.min, row.max, req.MaxVersion())
		case b2i(row.handle != nil)+b2i(row.later != nil)+b2i(row.start != nil) != 1:
			t.Errorf("key %d: want one of a handler, one that answers later, and a starter", row.key)
		}
		last = row.key
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
