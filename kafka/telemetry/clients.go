package telemetry

import (
	"container/list"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/batch"
)

// Bounds of what is kept. They are documented in docs/guide/limits.md.
const (
	ClientsMax         = 4_096
	SeriesMax          = 20_000
	SeriesPerClientMax = 1_000
	decodedBytesMax    = 8 << 20
	expiryMin          = time.Minute
)

// InstanceID names a client for as long as it runs.
type InstanceID [16]byte

func (id InstanceID) String() string { return uuid.UUID(id).String() }

// reserved ids name no client, as in Kafka: all zeros, and the one that ends in 1.
func (id InstanceID) reserved() bool {
	var zero, one InstanceID
	one[15] = 1
	return id == zero || id == one
}

// Client is what a connection tells of its client.
type Client struct {
	ID, SoftwareName, SoftwareVersion, Address string
	Port                                       string
	instance                                   InstanceID
}

func (c *Client) attribute(name string) string {
	switch name {
	case "client_instance_id":
		return kafkaUUID(c.instance)
	case "client_id":
		return c.ID
	case "client_software_name":
		return c.SoftwareName
	case "client_software_version":
		return c.SoftwareVersion
	case "client_source_address":
		return c.Address
	}
	return c.Port
}

// Answer is what a client is asked for.
type Answer struct {
	Instance     InstanceID
	Subscription int32
	Interval     time.Duration
	Metrics      []string
	BytesMax     int32
	Codecs       []int8 // that pushes may have, the best first
}

// Codecs are those that pushes may have, the best first.
func codecs() []int8 {
	return []int8{int8(batch.Zstd), int8(batch.LZ4), int8(batch.Gzip), int8(batch.Snappy)}
}

// Push is what a client pushes.
type Push struct {
	Instance     InstanceID
	Subscription int32
	Terminating  bool
	Codec        int8
	Metrics      []byte // OTLP MetricsData, compressed
}

// Clients are the clients that push to this broker, and what they pushed. It is a prometheus.Collector and safe for concurrent use.
type Clients struct {
	decoder *batch.Decoder
	metrics metrics

	mu            sync.Mutex
	version       int // of subscriptions
	subscriptions []*Subscription
	byID          map[InstanceID]*instance
	recent        *list.List // of *instance, the one that was heard of last in front
	series        int        // of all
	kinds         map[string]nameKind
}

// instance is a client that was heard of.
type instance struct {
	Client

	at      *list.Element
	version int // of the subscriptions that what follows is from
	answer  Answer

	lastGet, lastPush, heard time.Time
	terminating              bool
	lastError                *kerr.Error
	series                   map[string]*series
}

// New returns Clients without subscriptions. With a registerer, it shows itself there.
func New(r prometheus.Registerer) *Clients {
	c := &Clients{
		decoder: batch.NewDecoder(decodedBytesMax), byID: make(map[InstanceID]*instance), recent: list.New(), kinds: make(map[string]nameKind),
	}
	c.metrics = newMetrics(r)
	if r != nil {
		r.MustRegister(c)
	}
	return c
}

// Subscribe replaces all subscriptions.
func (c *Clients) Subscribe(all []*Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscriptions = all
	c.version++
}

// Get answers what the client is asked for. An id of zero gets a new one. bytesMax is the limit that pushes have. The error is a kerr.Error:
// THROTTLING_QUOTA_EXCEEDED if the client asks again too early and nothing changed.
func (c *Clients) Get(id InstanceID, from Client, bytesMax int32) (Answer, error) {
	if id == (InstanceID{}) {
		id = InstanceID(uuid.New())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	in := c.instanceLocked(id, from, now)
	last := in.lastGet
	if in.lastPush.After(last) {
		last = in.lastPush
	}
	again := in.lastError == kerr.UnknownSubscriptionID || in.lastError == kerr.UnsupportedCompressionType
	if !again && now.Sub(last) < in.answer.Interval {
		c.metrics.throttled.Inc()
		return Answer{}, kerr.ThrottlingQuotaExceeded
	}
	in.lastGet, in.lastError = now, nil
	a := in.answer
	a.BytesMax = bytesMax
	return a, nil
}

// Push takes the metrics of a client. Errors are kerr.Errors: INVALID_REQUEST (an id that is none, a client that said it ends), THROTTLING_QUOTA_EXCEEDED,
// UNKNOWN_SUBSCRIPTION_ID, UNSUPPORTED_COMPRESSION_TYPE, TELEMETRY_TOO_LARGE, INVALID_RECORD (bytes that are not OTLP metrics).
func (c *Clients) Push(p Push, from Client, bytesMax int32) error {
	if p.Instance.reserved() {
		return kerr.InvalidRequest
	}
	if err := c.admit(p, from, bytesMax); err != nil {
		return err
	}
	if len(p.Metrics) == 0 {
		return nil
	}
	points, err := c.decode(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.byID[p.Instance]
	if err != nil {
		c.metrics.pushes.WithLabelValues("invalid").Inc()
		if in != nil {
			in.lastError = kerr.InvalidRecord
		}
		return fmt.Errorf("telemetry: push of client %s: %w: %w", p.Instance, kerr.InvalidRecord, err)
	}
	c.metrics.pushes.WithLabelValues("ok").Inc()
	if in != nil { // it may have been put out meanwhile
		c.keepLocked(in, points)
	}
	return nil
}

// decode reads the points of a push, without holding the lock.
func (c *Clients) decode(p Push) ([]point, error) {
	b, err := c.decoder.Decompress(batch.Codec(p.Codec), p.Metrics)
	if err != nil {
		return nil, err
	}
	return decodeMetrics(b)
}

// admit checks a push in Kafka's order.
func (c *Clients) admit(p Push, from Client, bytesMax int32) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	in := c.instanceLocked(p.Instance, from, now)
	refuse := func(why string, k *kerr.Error) error {
		c.metrics.pushes.WithLabelValues(why).Inc()
		in.lastError = k
		return k
	}
	ended := in.terminating
	in.terminating = p.Terminating
	if ended {
		return refuse("terminated", kerr.InvalidRequest)
	}
	// A client may push at once after it asked: it spreads its pushes over the interval by itself.
	early := !in.lastGet.After(in.lastPush) && now.Sub(in.lastPush) < in.answer.Interval
	if early && !p.Terminating {
		c.metrics.throttled.Inc()
		return refuse("early", kerr.ThrottlingQuotaExceeded)
	}
	if !early {
		in.lastPush = now
	}
	switch {
	case p.Subscription != in.answer.Subscription:
		return refuse("subscription", kerr.UnknownSubscriptionID)
	case p.Codec < 0 || p.Codec > int8(batch.Zstd):
		return refuse("codec", kerr.UnsupportedCompressionType)
	case int64(len(p.Metrics)) > int64(bytesMax):
		return refuse("large", kerr.TelemetryTooLarge)
	}
	in.lastError = nil
	return nil
}

// instanceLocked finds the client, or makes room for a new one, and says what it is asked for now.
func (c *Clients) instanceLocked(id InstanceID, from Client, now time.Time) *instance {
	c.expireLocked(now)
	in, ok := c.byID[id]
	if !ok {
		for len(c.byID) >= ClientsMax {
			c.removeLocked(c.recent.Back().Value.(*instance)) //nolint:errcheck // it holds nothing else
		}
		from.instance = id
		in = &instance{Client: from, version: -1, series: make(map[string]*series)}
		in.at = c.recent.PushFront(in)
		c.byID[id] = in
	}
	c.recent.MoveToFront(in.at)
	in.heard = now
	if in.version != c.version {
		// Kafka forgets what it knew of the client, so that it hears of the change at once.
		in.lastGet, in.lastPush, in.terminating, in.lastError = time.Time{}, time.Time{}, false, nil
		in.answer, in.version = c.answerLocked(&in.Client), c.version
	}
	return in
}

func (c *Clients) answerLocked(client *Client) Answer {
	a := Answer{Instance: client.instance, Interval: intervalDefault, Metrics: []string{}, Codecs: codecs()}
	for _, s := range c.subscriptions {
		if s.matches(client) {
			a.Metrics = append(a.Metrics, s.Metrics...)
			a.Interval = min(a.Interval, s.Interval)
		}
	}
	slices.Sort(a.Metrics)
	a.Metrics = slices.Compact(a.Metrics)
	if slices.Contains(a.Metrics, AllMetrics) {
		a.Metrics = []string{AllMetrics}
	}
	crc := crc32.Checksum(fmt.Appendf(nil, "[%s]%d", strings.Join(a.Metrics, ", "), a.Interval.Milliseconds()), crc32.MakeTable(crc32.Castagnoli))
	a.Subscription = int32(crc ^ client.instance.hash()) //nolint:gosec // all 32 bits count
	return a
}

// hash folds the id, so that two clients rarely have the same subscription id.
func (id InstanceID) hash() uint32 {
	x := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
	return uint32(x>>32) ^ uint32(x) //nolint:gosec // all 32 bits count
}

// expiry is the time after which a client that is not heard of is gone.
func (in *instance) expiry() time.Duration { return max(expiryMin, 3*in.answer.Interval) }

// expireLocked forgets clients that were not heard of. Those with long intervals may stand before shorter ones: they are found when they are last.
func (c *Clients) expireLocked(now time.Time) {
	for e := c.recent.Back(); e != nil; {
		in, previous := e.Value.(*instance), e.Prev() //nolint:errcheck // it holds nothing else
		if now.Sub(in.heard) < expiryMin {
			return
		}
		if now.Sub(in.heard) >= in.expiry() {
			c.removeLocked(in)
		}
		e = previous
	}
}

func (c *Clients) removeLocked(in *instance) {
	for _, s := range in.series {
		c.forgetLocked(s)
	}
	c.recent.Remove(in.at)
	delete(c.byID, in.instance)
}

// kafkaUUID is an id as Kafka's tools write it.
func kafkaUUID(id InstanceID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }
