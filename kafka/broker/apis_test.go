package broker

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var update = flag.Bool("update", false, "write docs/protocol/apis.md from the dispatch table")

const apisDoc = "../../docs/protocol/apis.md"

// The document is the dispatch table; `go test ./kafka/broker -run TestDocumentListsTheTable -update` writes it.
func TestDocumentListsTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Kafka APIs served\n\nWhat ApiVersions answers, from the dispatch table in `kafka/broker/apis.go` (written by its test). " +
		"Requests with other keys or\nversions close the connection, as in Kafka. The header of each handler's file says what each version added.\n\n" +
		"| key | API | versions |\n| --- | --- | --- |\n")
	for _, row := range table() {
		note := ""
		if row.older {
			note = " (advertised from 0, as Kafka 4 does)"
		}
		fmt.Fprintf(&b, "| %d | %s | %d-%d%s |\n", row.key, kmsg.NameForKey(row.key), row.min, row.max, note)
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
		case (row.handle == nil) == (row.start == nil):
			t.Errorf("key %d: want a handler or a starter", row.key)
		}
		last = row.key
	}
}
