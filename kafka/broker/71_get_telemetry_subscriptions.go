package broker

import (
	"context"
	"errors"
	"net"
	"reflect"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/telemetry"
	"weir/kafka/topic"
	"weir/metadata"
)

// GetTelemetrySubscriptions (key 71), version 0 (KIP-714). Answered from memory: which metrics the client is asked for, and how often. A client without
// an instance id gets one.
// Errors: THROTTLING_QUOTA_EXCEEDED (asked again too early).
func (b *Broker) getTelemetrySubscriptions(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.GetTelemetrySubscriptionsRequest](r), kmsg.NewPtrGetTelemetrySubscriptionsResponse()
	a, err := b.telemetry.Get(req.ClientInstanceID, b.telemetryClient(r), b.telemetryBytesMax())
	if err != nil {
		resp.ErrorCode = b.code(r, err)
		return resp
	}
	resp.ClientInstanceID, resp.SubscriptionID, resp.RequestedMetrics = a.Instance, a.Subscription, a.Metrics
	resp.PushIntervalMillis, resp.TelemetryMaxBytes = int32(a.Interval.Milliseconds()), a.BytesMax
	resp.AcceptedCompressionTypes, resp.DeltaTemporality = a.Codecs, true
	return resp
}

func (b *Broker) telemetryBytesMax() int32 {
	return int32(b.topics.Layers().BrokerInt("telemetry.max.bytes"))
}

// telemetryClient is what a connection tells of the client.
func (b *Broker) telemetryClient(r *Request) telemetry.Client {
	c := telemetry.Client{ID: r.ClientID, Address: r.ClientHost}
	if r.conn != nil {
		c.SoftwareName, c.SoftwareVersion, c.Port = r.conn.software[0], r.conn.software[1], r.conn.port()
	}
	return c
}

// configureTelemetry gives the subscriptions of the newest image to telemetry. Several may call it at once.
func (b *Broker) configureTelemetry(*image.Image) {
	b.telemetryMu.Lock()
	defer b.telemetryMu.Unlock()
	now := b.image.Current().Configs(metadata.ClientMetricsConfigs)
	if sameMap(now, b.subscriptions) {
		return
	}
	b.subscriptions = now
	var all []*telemetry.Subscription
	for name, configs := range now {
		s, err := telemetry.Parse(configs)
		if err != nil { // it was checked before it was stored: another version of the program did that
			b.log.Warn("subscription to clients' metrics is not understood", "name", name, "err", err)
			continue
		}
		all = append(all, s)
	}
	b.telemetry.Subscribe(all)
}

// sameMap tells whether both are one map. Images share the maps that did not change.
func sameMap(x, y map[string]map[string]string) bool {
	return reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer()
}

// checkSubscription says what is wrong with a subscription to clients' metrics.
func checkSubscription(configs map[string]string) error {
	_, err := telemetry.Parse(configs)
	refused, ok := errors.AsType[*telemetry.Refusal](err)
	if !ok {
		return err
	}
	code := kerr.InvalidConfig
	if refused.Request {
		code = kerr.InvalidRequest
	}
	return &topic.Fault{Code: code, Message: refused.Message}
}

// port is the peer's.
func (c *conn) port() string {
	if c.nc == nil {
		return ""
	}
	_, port, err := net.SplitHostPort(c.nc.RemoteAddr().String())
	if err != nil {
		return ""
	}
	return port
}
