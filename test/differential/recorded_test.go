package differential

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/test/cluster"
)

var update = flag.Bool("update", false, "write what Apache Kafka advertises to kafka/broker/testdata")

// recordedKafka is the file that kafka/broker compares its table of APIs with.
var recordedKafka = filepath.Join(cluster.Root(), "kafka", "broker", "testdata", "apache-kafka-4.4.0.json") //nolint:gochecknoglobals // a path

// recording is what a broker answers to ApiVersions.
type recording struct {
	APIs     []recordedAPI     `json:"apis"`
	Features []recordedFeature `json:"features"`
}

type recordedAPI struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	Min  int16  `json:"min"`
	Max  int16  `json:"max"`
}

type recordedFeature struct {
	Name      string `json:"name"`
	Min       int16  `json:"min"`
	Max       int16  `json:"max"`
	Finalized int16  `json:"finalized"`
}

// checkRecorded compares the file with the broker, or writes it.
func checkRecorded(t *testing.T, address string) {
	resp := apiVersions(t, address)
	var r recording
	for _, k := range resp.ApiKeys {
		r.APIs = append(r.APIs, recordedAPI{k.ApiKey, kmsg.NameForKey(k.ApiKey), k.MinVersion, k.MaxVersion})
	}
	slices.SortFunc(r.APIs, func(a, b recordedAPI) int { return int(a.Key) - int(b.Key) })
	for _, f := range resp.SupportedFeatures {
		rf := recordedFeature{Name: f.Name, Min: f.MinVersion, Max: f.MaxVersion}
		for _, g := range resp.FinalizedFeatures {
			if g.Name == f.Name {
				rf.Finalized = g.MaxVersionLevel
			}
		}
		r.Features = append(r.Features, rf)
	}
	slices.SortFunc(r.Features, func(a, b recordedFeature) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	got, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(recordedKafka), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordedKafka, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(recordedKafka)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("Apache Kafka answers otherwise than recorded (write it with -update):\n%s", diff)
	}
}
