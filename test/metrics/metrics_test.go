package metrics

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/test/cluster"
)

// line is one of families.txt.
type line struct {
	text   string
	name   string
	labels map[string]string // * is any value
	absent bool
	moved  bool // the test does what it counts, so that it is not 0
}

func readLines(t *testing.T) (lines []line) {
	t.Helper()
	f, err := os.Open("testdata/families.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		text, _, _ := strings.Cut(s.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		l := line{text: strings.TrimSpace(text), labels: make(map[string]string)}
		l.name, l.absent = strings.CutPrefix(fields[0], "-")
		for _, field := range fields[1:] {
			if field == "+" {
				l.moved = true
				continue
			}
			k, v, _ := strings.Cut(field, "=")
			l.labels[k] = v
		}
		lines = append(lines, l)
	}
	return lines
}

// find returns the sample that the line is about.
func (l *line) find(families map[string]*dto.MetricFamily) (*dto.Metric, bool) {
	f := families[l.name]
	for _, m := range f.GetMetric() {
		left := len(l.labels)
		for _, pair := range m.GetLabel() {
			want, ok := l.labels[pair.GetName()]
			if !ok || want != "*" && want != pair.GetValue() {
				left = -1
				break
			}
			left--
		}
		if left == 0 && len(m.GetLabel()) == len(l.labels) {
			return m, true
		}
	}
	return nil, false
}

func scrape(t *testing.T, host string) map[string]*dto.MetricFamily {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+net.JoinHostPort(host, "11001")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s", resp.Status, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func TestBrokerShowsWhatDashboardsAskFor(t *testing.T) {
	weir := cluster.StartWeir(t, cluster.Options{Brokers: 1})
	host, _, err := net.SplitHostPort(weir.Bootstrap())
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(weir.Bootstrap()), kgo.ConsumeTopics("shown"), kgo.ConsumerGroup("readers"), kgo.DefaultProduceTopic("shown"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "shown"); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 5, -1
	in := kmsg.NewListOffsetsRequestTopic()
	in.Topic, in.Partitions = "none", []kmsg.ListOffsetsRequestTopicPartition{kmsg.NewListOffsetsRequestTopicPartition()}
	req.Topics = append(req.Topics, in)
	if _, err := cl.SeedBrokers()[0].Request(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	lines := readLines(t)
	cluster.Eventually(t, time.Minute, func() error {
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord("hello"), kgo.StringRecord("world")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.PollFetches(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		families := scrape(t, host)
		var missing []string
		for _, l := range lines {
			m, ok := l.find(families)
			switch {
			case l.absent && (ok || len(l.labels) == 0 && families[l.name] != nil):
				t.Fatalf("%s is shown, and the list says that it is not", l.text)
			case l.absent:
			case !ok:
				missing = append(missing, l.text)
			case strings.HasPrefix(l.name, "kafka_") && families[l.name].GetType() != dto.MetricType_UNTYPED:
				t.Fatalf("%s is a %v, not untyped", l.name, families[l.name].GetType())
			case l.moved && m.GetUntyped().GetValue() == 0: // rates come with the next tick
				missing = append(missing, l.text+": is 0")
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("missing:\n%s", strings.Join(missing, "\n"))
		}
		return nil
	})
}
