package telemetry

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields of OTLP's metrics (opentelemetry.proto.metrics.v1) that are read. Others are skipped.
const (
	dataResources = 1

	resourceScopes = 2
	scopeMetrics   = 2

	metricName      = 1
	metricGauge     = 5
	metricSum       = 7
	metricHistogram = 9

	seriesPoints      = 1
	seriesTemporality = 2
	sumMonotonic      = 3

	numberDouble     = 4
	numberInt        = 6
	numberAttributes = 7

	histogramCount      = 4
	histogramSum        = 5
	histogramAttributes = 9

	attributeKey   = 1
	attributeValue = 2

	temporalityDelta = 1
)

// Bounds of one push. What is beyond is dropped, and counted where the points are kept.
const (
	pointsMax                                = 4 * SeriesPerClientMax
	labelsMax                                = 16
	textBytesMax                             = 256
	errDataPrefix                            = "telemetry: OTLP metrics"
	histogramCountSuffix, histogramSumSuffix = "_count", "_sum"
)

// point is one number of a push.
type point struct {
	name   string // as Prometheus has it, without a suffix
	labels []label
	value  float64
	count  bool // it counts something: it is shown as a counter
	delta  bool // since the last push
}

type label struct{ name, value string }

var errMalformed = errors.New(errDataPrefix + " are malformed")

// fields calls fn for each field of a message: bytes for those that have a length, bits for the others.
func fields(b []byte, fn func(n protowire.Number, t protowire.Type, data []byte, bits uint64) error) error {
	for len(b) > 0 {
		n, t, used := protowire.ConsumeTag(b)
		if used < 0 {
			return errMalformed
		}
		b = b[used:]
		var data []byte
		var bits uint64
		switch t {
		case protowire.BytesType:
			data, used = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			bits, used = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			bits, used = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			_, used = protowire.ConsumeFixed32(b)
		case protowire.StartGroupType, protowire.EndGroupType:
			return errMalformed // proto3 has none
		default:
			return errMalformed
		}
		if used < 0 {
			return errMalformed
		}
		b = b[used:]
		if err := fn(n, t, data, bits); err != nil {
			return err
		}
	}
	return nil
}

// message calls fn with the content of each field n of b that is a message.
func message(b []byte, n protowire.Number, fn func([]byte) error) error {
	return fields(b, func(at protowire.Number, t protowire.Type, data []byte, _ uint64) error {
		if at != n {
			return nil
		}
		if t != protowire.BytesType {
			return errMalformed
		}
		return fn(data)
	})
}

// decodeMetrics reads the points of an OTLP MetricsData: gauges, sums, and of histograms count and sum. At most pointsMax are returned.
func decodeMetrics(b []byte) ([]point, error) {
	var points []point
	err := message(b, dataResources, func(resource []byte) error {
		return message(resource, resourceScopes, func(scope []byte) error {
			return message(scope, scopeMetrics, func(metric []byte) error {
				more, err := decodeMetric(metric, pointsMax-len(points))
				points = append(points, more...)
				return err
			})
		})
	})
	return points, err
}

// decodeMetric reads up to most points of one metric.
func decodeMetric(b []byte, most int) (points []point, err error) {
	var name string
	var kind protowire.Number
	var data []byte
	err = fields(b, func(n protowire.Number, t protowire.Type, d []byte, _ uint64) error {
		switch n {
		case metricName, metricGauge, metricSum, metricHistogram:
			if t != protowire.BytesType {
				return errMalformed
			}
			if n == metricName {
				name = string(d[:min(len(d), textBytesMax)])
			} else {
				kind, data = n, d
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(name) {
		return nil, fmt.Errorf("%s: a name is not UTF-8", errDataPrefix)
	}
	if kind == 0 || name == "" {
		return nil, nil // a kind that is not shown
	}
	var delta, monotonic bool
	if err := fields(data, func(n protowire.Number, t protowire.Type, _ []byte, bits uint64) error {
		if t == protowire.VarintType {
			delta = delta || n == seriesTemporality && bits == temporalityDelta
			monotonic = monotonic || n == sumMonotonic && bits != 0 && kind == metricSum
		}
		return nil
	}); err != nil {
		return nil, err
	}
	base := metricPrefix + sanitize(strings.TrimPrefix(name, "org.apache.kafka."))
	err = message(data, seriesPoints, func(d []byte) error {
		if kind == metricHistogram {
			h, err := decodeHistogram(d)
			if len(points)+len(h) <= most {
				for i := range h {
					h[i].name, h[i].count, h[i].delta = base+h[i].name, true, delta
				}
				points = append(points, h...)
			}
			return err
		}
		p, ok, err := decodeNumber(d)
		if ok && len(points) < most {
			p.name, p.count, p.delta = base, kind == metricSum && monotonic, kind == metricSum && delta
			points = append(points, p)
		}
		return err
	})
	return points, err
}

// metricPrefix begins the names of all metrics of clients.
const metricPrefix = "weir_client_"

// decodeNumber reads a NumberDataPoint; ok is false if it has no value.
func decodeNumber(b []byte) (p point, ok bool, err error) {
	err = fields(b, func(n protowire.Number, t protowire.Type, data []byte, bits uint64) (err error) {
		switch {
		case n == numberDouble && t == protowire.Fixed64Type:
			p.value, ok = math.Float64frombits(bits), true
		case n == numberInt && t == protowire.Fixed64Type:
			p.value, ok = float64(int64(bits)), true //nolint:gosec // the bits are an int64's
		case n == numberAttributes && t == protowire.BytesType:
			p.labels, err = appendAttribute(p.labels, data)
		case n == numberDouble || n == numberInt || n == numberAttributes:
			return errMalformed
		}
		return err
	})
	return p, ok, err
}

// decodeHistogram reads count and sum of a HistogramDataPoint.
func decodeHistogram(b []byte) ([]point, error) {
	var labels []label
	points := []point{{name: histogramCountSuffix}}
	err := fields(b, func(n protowire.Number, t protowire.Type, data []byte, bits uint64) (err error) {
		switch {
		case n == histogramCount && t == protowire.Fixed64Type:
			points[0].value = float64(bits)
		case n == histogramSum && t == protowire.Fixed64Type:
			points = append(points[:1], point{name: histogramSumSuffix, value: math.Float64frombits(bits)})
		case n == histogramAttributes && t == protowire.BytesType:
			labels, err = appendAttribute(labels, data)
		case n == histogramCount || n == histogramSum || n == histogramAttributes:
			return errMalformed
		}
		return err
	})
	for i := range points {
		points[i].labels = labels
	}
	return points, err
}

// appendAttribute reads a KeyValue into a label, if there are not too many. A value that is no text, number or boolean is left out.
func appendAttribute(labels []label, b []byte) ([]label, error) {
	var l label
	err := fields(b, func(n protowire.Number, t protowire.Type, data []byte, _ uint64) (err error) {
		if (n == attributeKey || n == attributeValue) && t != protowire.BytesType {
			return errMalformed
		}
		switch n {
		case attributeKey:
			l.name = sanitize(string(data[:min(len(data), textBytesMax)]))
		case attributeValue:
			l.value, err = decodeValue(data)
		}
		return err
	})
	if err != nil || l.name == "" || l.value == "" || len(labels) == labelsMax || strings.HasPrefix(l.name, "__") {
		return labels, err
	}
	for _, other := range labels {
		if other.name == l.name {
			return labels, nil
		}
	}
	return append(labels, l), nil
}

// decodeValue reads an AnyValue as text.
func decodeValue(b []byte) (text string, err error) {
	err = fields(b, func(n protowire.Number, t protowire.Type, data []byte, bits uint64) error {
		switch {
		case n == 1 && t == protowire.BytesType:
			text = strings.ToValidUTF8(string(data[:min(len(data), textBytesMax)]), "")
		case n == 2 && t == protowire.VarintType:
			text = strconv.FormatBool(bits != 0)
		case n == 3 && t == protowire.VarintType:
			text = strconv.FormatInt(int64(bits), 10) //nolint:gosec // the bits are an int64's
		case n == 4 && t == protowire.Fixed64Type:
			text = strconv.FormatFloat(math.Float64frombits(bits), 'g', -1, 64)
		}
		return nil
	})
	return text, err
}

// sanitize makes a name of letters, digits and underscores that does not begin with a digit.
func sanitize(name string) string {
	out := []byte(name)
	for i, c := range out {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			out[i] = '_'
		}
	}
	if len(out) > 0 && out[0] >= '0' && out[0] <= '9' {
		return "_" + string(out)
	}
	return string(out)
}
