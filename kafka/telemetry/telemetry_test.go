package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"weir/storage/batch"
)

const bytesMax = 1 << 20

func TestSubscriptionsAreCheckedAsKafkaDoes(t *testing.T) {
	for _, tt := range []struct {
		name, value, want string
		request           bool
	}{
		{"interval.ms", "100", "", false},
		{"interval.ms", "99", "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)", true},
		{"interval.ms", "3600001", "Invalid value 3600001 for interval.ms, interval must be between 100 and 3600000 (1 hour)", true},
		{"interval.ms", "x", "Invalid value x for configuration interval.ms: Not a number of type INT", false},
		{"nosuch", "1", "Unknown client metrics configuration: nosuch", true},
		{"metrics", "*", "", false},
		{"metrics", "", "", false},
		{"match", "", "", false},
		{"match", "client_id=a,client_id=b", "", false},
		{"match", "client_id = a.*, client_source_port=1", "", false},
		{"match", "foo=.*", "Illegal client matching pattern: foo=.*", false},
		{"match", "client_id=[", "Illegal client matching pattern: client_id=[", false},
		{"match", "client_id", "Illegal client matching pattern: client_id", false},
	} {
		_, err := Parse(map[string]string{tt.name: tt.value})
		refused, _ := errors.AsType[*Refusal](err)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s=%s: %v", tt.name, tt.value, err)
		case tt.want != "" && (refused == nil || *refused != Refusal{tt.want, tt.request}):
			t.Errorf("%s=%s: got %+v", tt.name, tt.value, refused)
		}
	}
}

func subscription(t *testing.T, configs map[string]string) *Subscription {
	t.Helper()
	s, err := Parse(configs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestClientsAreAskedForWhatTheirSubscriptionsSay(t *testing.T) {
	c := New(nil)
	c.Subscribe([]*Subscription{
		subscription(t, map[string]string{"metrics": "a.,b.", "interval.ms": "1000"}),
		subscription(t, map[string]string{"metrics": "b.,c.", "interval.ms": "500", "match": "client_software_name=java.*,client_id=x"}),
		subscription(t, map[string]string{"metrics": "*", "match": "client_source_address=10\\..*"}),
	})
	for _, tt := range []struct {
		client   Client
		metrics  []string
		interval time.Duration
	}{
		{Client{ID: "y"}, []string{"a.", "b."}, time.Second},
		{Client{ID: "x", SoftwareName: "java-client"}, []string{"a.", "b.", "c."}, 500 * time.Millisecond},
		{Client{ID: "x", SoftwareName: "ajava"}, []string{"a.", "b."}, time.Second},
		{Client{Address: "10.1.2.3"}, []string{"*"}, time.Second},
	} {
		a, err := c.Get(InstanceID{}, tt.client, bytesMax)
		if err != nil || !slices.Equal(a.Metrics, tt.metrics) || a.Interval != tt.interval || a.Instance.reserved() || !slices.Equal(a.Codecs, []int8{4, 3, 1, 2}) {
			t.Errorf("%+v: got %+v, %v", tt.client, a, err)
		}
	}
	none := New(nil)
	if a, err := none.Get(InstanceID{}, Client{}, bytesMax); err != nil || len(a.Metrics) != 0 || a.Interval != 5*time.Minute {
		t.Errorf("without subscriptions: %+v, %v", a, err)
	}
}

// KIP-714 says when a client may ask and push.
func TestRequestsThatComeTooEarlyAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour) // not at the zero time
		c := New(nil)
		all := []*Subscription{subscription(t, map[string]string{"metrics": "*", "interval.ms": "10000"})}
		c.Subscribe(all)
		a, err := c.Get(InstanceID{}, Client{}, bytesMax)
		if err != nil {
			t.Fatal(err)
		}
		get := func(want error) {
			t.Helper()
			if _, err := c.Get(a.Instance, Client{}, bytesMax); !errors.Is(err, want) {
				t.Errorf("get: got %v, want %v", err, want)
			}
		}
		p := Push{Instance: a.Instance, Subscription: a.Subscription}
		push := func(want error) {
			t.Helper()
			if err := c.Push(p, Client{}, bytesMax); !errors.Is(err, want) {
				t.Errorf("push: got %v, want %v", err, want)
			}
		}
		get(kerr.ThrottlingQuotaExceeded)
		time.Sleep(time.Second)
		push(nil) // the first after a get comes when it likes
		push(kerr.ThrottlingQuotaExceeded)
		time.Sleep(10 * time.Second)
		push(nil)
		time.Sleep(10 * time.Second)
		p.Subscription++
		push(kerr.UnknownSubscriptionID)
		time.Sleep(time.Millisecond)
		get(nil) // it was told to
		p.Subscription--
		p.Codec = 5
		time.Sleep(time.Second)
		push(kerr.UnsupportedCompressionType)
		p.Codec = 0
		p.Metrics = make([]byte, bytesMax+1)
		time.Sleep(10 * time.Second)
		push(kerr.TelemetryTooLarge)
		p.Metrics = []byte{0xff}
		time.Sleep(10 * time.Second)
		push(kerr.InvalidRecord)
		p.Metrics = nil

		// A change of subscriptions is heard of at once.
		c.Subscribe(all)
		get(nil)

		// The last push is never too early, and the last.
		p.Terminating = true
		push(nil)
		push(kerr.InvalidRequest)
		p.Instance = InstanceID{}
		push(kerr.InvalidRequest)
	})
}

// attribute is a text attribute.
func attribute(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(v float64, attributes ...*commonpb.KeyValue) *metricspb.NumberDataPoint {
	return &metricspb.NumberDataPoint{Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: v}, Attributes: attributes}
}

func gauge(name string, points ...*metricspb.NumberDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: points}}}
}

func sum(name string, delta bool, points ...*metricspb.NumberDataPoint) *metricspb.Metric {
	temporality := metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	if delta {
		temporality = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	}
	return &metricspb.Metric{Name: name, Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{
		DataPoints: points, IsMonotonic: true, AggregationTemporality: temporality,
	}}}
}

// encode makes what a client pushes, with the official types.
func encode(t testing.TB, ms ...*metricspb.Metric) []byte {
	t.Helper()
	b, err := proto.Marshal(&metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{attribute("client_rack", "r")}}, SchemaUrl: "x",
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: ms, Scope: &commonpb.InstrumentationScope{Name: "s"}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pusher is a client that may push at any time.
type pusher struct {
	t *testing.T
	c *Clients
	a Answer
}

func newPusher(t *testing.T, c *Clients, client Client) *pusher {
	t.Helper()
	a, err := c.Get(InstanceID{}, client, bytesMax)
	if err != nil {
		t.Fatal(err)
	}
	return &pusher{t, c, a}
}

func (p *pusher) push(codec int8, metrics []byte) {
	p.t.Helper()
	time.Sleep(p.a.Interval)
	if err := p.c.Push(Push{Instance: p.a.Instance, Subscription: p.a.Subscription, Codec: codec, Metrics: metrics}, Client{}, bytesMax); err != nil {
		p.t.Fatal(err)
	}
}

// shown are the numbers of clients at the metrics port, without their instances.
func shown(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), metricPrefix) && !strings.HasPrefix(f.GetName(), "weir_telemetry_") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != instanceLabel {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
			}
			out[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func TestPushedMetricsAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		r := prometheus.NewRegistry()
		c := New(r)
		p := newPusher(t, c, Client{ID: "me", SoftwareName: "java"})
		histogram := &metricspb.Metric{Name: "h", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
			AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
			DataPoints:             []*metricspb.HistogramDataPoint{{Count: 3, Sum: proto.Float64(1.5), BucketCounts: []uint64{1, 2}}},
		}}}
		integer := &metricspb.NumberDataPoint{Value: &metricspb.NumberDataPoint_AsInt{AsInt: -7}, Attributes: []*commonpb.KeyValue{
			{Key: "partition", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 4}}}, attribute("client_id", "other"),
		}}
		b := encode(t, gauge("org.apache.kafka.consumer.lag-max", integer, number(2)), sum("org.apache.kafka.producer.sent", true, number(5)),
			sum("abs", false, number(9)), histogram)
		for codec, compress := range map[int8]func([]byte) []byte{0: slices.Clone[[]byte], 1: gzipped, 2: snapped, 3: lz4ed, 4: zstded} {
			p.push(codec, compress(b))
		}
		got := shown(t, r)
		for k := range maps.Clone(got) {
			if strings.HasPrefix(k, "weir_telemetry_") {
				delete(got, k)
			}
		}
		want := map[string]float64{
			"weir_client_consumer_lag_max{client_id=me,client_software_name=java}":                2,
			"weir_client_consumer_lag_max{client_id=other,client_software_name=java,partition=4}": -7,
			"weir_client_producer_sent_total{client_id=me,client_software_name=java}":             25,
			"weir_client_abs_total{client_id=me,client_software_name=java}":                       9,
			"weir_client_h_count_total{client_id=me,client_software_name=java}":                   15,
			"weir_client_h_sum_total{client_id=me,client_software_name=java}":                     7.5,
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
		time.Sleep(3 * p.a.Interval)
		if got := shown(t, r); got["weir_telemetry_series{}"] != 0 || got["weir_telemetry_clients{}"] != 0 {
			t.Errorf("after it was silent: %v", got)
		}
	})
}

// What a client pushes must not make the page of all metrics fail, which two equal series or a name of two kinds would.
func TestPushesCannotBreakThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		r := prometheus.NewRegistry()
		c := New(r)
		for range 2 {
			p := newPusher(t, c, Client{ID: "me\xff", SoftwareName: "java"})
			p.push(0, encode(t,
				gauge("g", number(1), number(2, attribute("client_id", "me")), number(3, attribute("client_instance_id", "x")), number(4, attribute("client.id", "me"))),
				gauge("g", number(5, attribute("a-b", "1"), attribute("a.b", "2"), attribute("__name__", "x"))),
				gauge("x_total", number(1)), sum("x", true, number(2)), sum("x_total", true, number(2)),
				gauge("0", number(1)), gauge("é", number(1)), gauge("", number(1)),
			))
		}
		got := shown(t, r)
		if got["weir_client_x_total{client_id=me,client_software_name=java}"] != 1 || got["weir_telemetry_series_dropped_total{}"] != 4 {
			t.Errorf("got %v", got)
		}
	})
}

func TestSeriesAndClientsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		r := prometheus.NewRegistry()
		c := New(r)
		c.Subscribe([]*Subscription{subscription(t, map[string]string{"metrics": "*", "interval.ms": "100"})})
		var points []*metricspb.NumberDataPoint
		for i := range SeriesPerClientMax + 10 {
			points = append(points, number(1, attribute("i", fmt.Sprint(i))))
		}
		b := encode(t, gauge("g", points...))
		for range SeriesMax/SeriesPerClientMax + 2 {
			newPusher(t, c, Client{}).push(0, b)
		}
		got := shown(t, r)
		if got["weir_telemetry_series{}"] != SeriesMax || got["weir_telemetry_clients_evicted_total{}"] != 2 || got["weir_telemetry_clients{}"] != SeriesMax/SeriesPerClientMax {
			t.Errorf("series %v, clients %v, evicted %v", got["weir_telemetry_series{}"], got["weir_telemetry_clients{}"], got["weir_telemetry_clients_evicted_total{}"])
		}
		for range ClientsMax + 10 {
			newPusher(t, c, Client{})
		}
		if got := shown(t, r); got["weir_telemetry_clients{}"] != ClientsMax || got["weir_telemetry_series{}"] != 0 || len(c.kinds) != 0 {
			t.Errorf("clients %v, series %v, names %d", got["weir_telemetry_clients{}"], got["weir_telemetry_series{}"], len(c.kinds))
		}
	})
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func snapped(b []byte) []byte { return snappy.Encode(nil, b) }

func lz4ed(b []byte) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	defer w.Close()
	return w.EncodeAll(b, nil)
}

// A small push that grows when it is decompressed is refused before it takes the memory.
func TestBombsAreRefused(t *testing.T) {
	d := batch.NewDecoder(decodedBytesMax)
	for codec, b := range map[batch.Codec][]byte{batch.Gzip: gzipped(make([]byte, decodedBytesMax+1)), batch.Zstd: zstded(make([]byte, decodedBytesMax+1))} {
		if _, err := d.Decompress(codec, b); err == nil {
			t.Errorf("%v: no error", codec)
		}
	}
}

func FuzzDecodeMetrics(f *testing.F) {
	f.Add(encode(f, gauge("g", number(1, attribute("a", "b"))), sum("s", true, number(2))))
	f.Add([]byte{0x0a, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		points, err := decodeMetrics(b)
		if len(points) > pointsMax {
			t.Fatalf("%d points", len(points))
		}
		// The official decoder checks more (UTF-8 everywhere), so that it may refuse what we read, but not the other way round.
		var data metricspb.MetricsData
		if err != nil && proto.Unmarshal(b, &data) == nil && !errors.Is(err, errMalformed) {
			t.Fatalf("%v, and the official decoder reads it", err)
		}
		r := prometheus.NewRegistry()
		c := New(r)
		a, _ := c.Get(InstanceID{}, Client{ID: "c"}, bytesMax)
		if err := c.Push(Push{Instance: a.Instance, Subscription: a.Subscription, Metrics: b}, Client{}, bytesMax); err != nil && len(b) > 0 && !errors.Is(err, kerr.InvalidRecord) {
			t.Fatal(err)
		}
		if _, err := r.Gather(); err != nil {
			t.Fatal(err)
		}
	})
}
