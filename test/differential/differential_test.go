package differential

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/test/cluster"
)

// scenario is one story told to both brokers.
type scenario struct {
	name  string
	about []int16 // the keys that it is about; it runs once Weir advertises all of them
	run   func(d *dialogue)
}

// scenarios are all, in the order in which they run: first what looks at a broker with nothing on it.
func scenarios(kafka map[int16]versions) []scenario {
	return slices.Concat(
		bareScenarios(kafka),
		frameScenarios(kafka),
		topicScenarios(),
		produceScenarios(),
		fetchScenarios(),
		configScenarios(),
		clusterScenarios(),
		accessScenarios(),
		groupScenarios(),
		consumerGroupScenarios(),
		transactionScenarios(),
		shareScenarios(),
		streamsScenarios(),
	)
}

func TestBrokersAnswerAlike(t *testing.T) {
	begun := time.Now()
	kafka := cluster.NewKafka(t, cluster.LikeMSK()...)
	kafka.Start(t)
	weir := cluster.StartWeir(t, cluster.Options{Brokers: 1})
	kafka.AwaitReady(t)
	cluster.NewestFeatures(t, weir)

	t.Logf("both serve after %v", time.Since(begun).Round(time.Millisecond))
	kafkaServes, weirServes := advertised(t, kafka.Bootstrap()), advertised(t, weir.Bootstrap())
	t.Run("recorded versions", func(t *testing.T) { checkRecorded(t, kafka.Bootstrap()) })
	told := scenarios(kafkaServes)
	onKafka := make([]transcript, len(told))
	onWeir := make([]transcript, len(told))
	var both sync.WaitGroup
	both.Go(func() {
		warmed := warm.tell("kafka", kafka.Bootstrap(), kafkaServes, kafkaServes)
		t.Logf("Kafka is warm after %v", warmed.took.Round(time.Millisecond))
		for i, s := range told {
			onKafka[i] = s.tell("kafka", kafka.Bootstrap(), kafkaServes, kafkaServes)
		}
	})
	both.Go(func() {
		warmed := warm.tell("weir", weir.Bootstrap(), weirServes, kafkaServes)
		t.Logf("Weir is warm after %v", warmed.took.Round(time.Millisecond))
		for i, s := range told {
			if len(s.missing(weirServes)) == 0 {
				onWeir[i] = s.tell("weir", weir.Bootstrap(), weirServes, kafkaServes)
			}
		}
	})
	both.Wait()

	seen := differences{open: readOpen(t)}
	for i, s := range told {
		t.Run(s.name, func(t *testing.T) {
			if err := onKafka[i].err; err != nil {
				t.Fatalf("on Apache Kafka, so the scenario is wrong: %v", err)
			}
			if missing := s.missing(weirServes); len(missing) > 0 {
				t.Skipf("Weir does not serve %s yet", strings.Join(missing, ", "))
			}
			if err := onWeir[i].err; err != nil {
				t.Errorf("on Weir: %v", err)
			}
			t.Logf("Kafka %v, Weir %v", onKafka[i].took.Round(time.Millisecond), onWeir[i].took.Round(time.Millisecond))
			seen.open.asked[s.name] = true
			seen.compare(t, s.name, onKafka[i].entries, onWeir[i].entries)
		})
	}
	t.Logf("%d answers of Weir compared", seen.compared)
	t.Run("differences", func(t *testing.T) { seen.checkList(t) })
	t.Run("open questions", func(t *testing.T) { seen.open.check(t) })
	t.Run("every key is refused", func(t *testing.T) { checkRefusals(t, kafkaServes, told, onKafka) })
}

// missing names the keys that the scenario is about and that are not served.
func (s scenario) missing(served map[int16]versions) []string {
	var missing []string
	for _, key := range s.about {
		if _, ok := served[key]; !ok {
			missing = append(missing, kmsg.NameForKey(key))
		}
	}
	return missing
}

// transcript is what a scenario asked and got; err says why it ended early.
type transcript struct {
	entries []entry
	took    time.Duration
	err     error
}

// tell runs the scenario on one system.
func (s scenario) tell(system, address string, served, kafka map[int16]versions) (tr transcript) {
	d := &dialogue{system: system, address: address, served: served, kafka: kafka, names: newNames(), labels: map[string]bool{}}
	d.conn.address = address
	begun := time.Now()
	defer func() {
		d.conn.close()
		tr.took = time.Since(begun)
		tr.entries = d.entries
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				tr.err = fmt.Errorf("after %d answers: %v", len(d.entries), r)
				return
			}
			tr.err = f
		}
	}()
	s.run(d)
	return tr
}

// advertised is what the broker answers to ApiVersions, without versions that its decoder refuses.
func advertised(t *testing.T, address string) map[int16]versions {
	t.Helper()
	serves := map[int16]versions{}
	for _, k := range apiVersions(t, address).ApiKeys {
		v := versions{k.MinVersion, k.MaxVersion}
		if k.ApiKey == 0 { // Kafka 4 advertises versions of Produce that it does not serve, for librdkafka (KAFKA-18659)
			v.min = 3
		}
		serves[k.ApiKey] = v
	}
	return serves
}

func apiVersions(t *testing.T, address string) *kmsg.ApiVersionsResponse {
	t.Helper()
	c := conn{address: address}
	defer c.close()
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 4, "differential", "1"
	resp, err := c.request(req)
	if err != nil {
		t.Fatalf("ApiVersions: %v", err)
	}
	return resp.(*kmsg.ApiVersionsResponse) //nolint:errcheck // the request's own kind
}

// checkRefusals wants an answer with an error from Kafka for every key: what bad input gets is compared for each of them.
func checkRefusals(t *testing.T, served map[int16]versions, told []scenario, answers []transcript) {
	refused := map[int16]bool{}
	for i, tr := range answers {
		for _, e := range tr.entries {
			for path, value := range e.reply {
				if strings.HasSuffix(path, "ErrorCode") && value != "0" || value == errClosed.Error() && !strings.HasPrefix(told[i].name, "frames") {
					refused[e.key] = true
				}
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(served)) {
		why, excused := neverRefused[key]
		switch {
		case !refused[key] && !excused:
			t.Errorf("no scenario has %s (key %d) answered with an error", kmsg.NameForKey(key), key)
		case refused[key] && excused:
			t.Errorf("%s (key %d) is excused, and was answered with an error: %s", kmsg.NameForKey(key), key, why)
		}
	}
}

// differences collects what was found, for the list's own check.
type differences struct {
	matched map[*difference]int
	open    *openQuestions

	compared int // answers
}

func (s *differences) compare(t *testing.T, scenario string, kafka, weir []entry) {
	t.Helper()
	if s.matched == nil {
		s.matched = map[*difference]int{}
	}
	byLabel := map[string]entry{}
	for _, e := range weir {
		byLabel[e.label] = e
	}
	var found []finding
	for _, want := range kafka {
		got, ok := byLabel[want.label]
		if !ok {
			t.Errorf("%s: not asked on Weir", want.label)
			continue
		}
		s.compared++
		f := finding{question: want.question, request: want.request, key: want.key, versions: versionList{want.version}}
		f.lines = differing(want.reply, got.reply, func(path string) bool {
			d := listed(scenario + "/" + want.label + ": " + path)
			if d != nil {
				s.matched[d]++
			}
			return d != nil
		})
		if len(f.lines) > 0 && !s.open.excuses(scenario, kmsg.NameForKey(want.key), want.question) {
			found = append(found, f)
		}
	}
	for _, f := range gather(found) {
		t.Errorf("%[2]s (key %[3]d): %[1]s, %[4]s\n  request %[5]s\n  %[6]s", f.question, kmsg.NameForKey(f.key), f.key, f.versions, f.request, strings.Join(f.lines, "\n  "))
	}
}

// union is all paths of both, in order.
func union(a, b fields) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// checkList wants every entry of the list to be true.
func (s *differences) checkList(t *testing.T) {
	for i := range known {
		d := &known[i]
		if s.matched[d] == 0 && !d.sometimes {
			t.Errorf("%v is listed and was not seen (drop it): %s", d.at, d.why)
		}
		if d.why == "" {
			t.Error(errors.New("a listed difference has no reason"), d.at)
		}
	}
}
