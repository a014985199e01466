package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/telemetry"
)

// PushTelemetry (key 72), version 0 (KIP-714). The metrics of a client, OTLP in any of the codecs, are shown at the broker's metrics port.
// Errors: INVALID_REQUEST (no instance id, a client that said it ends), THROTTLING_QUOTA_EXCEEDED (too early), UNKNOWN_SUBSCRIPTION_ID (ask anew),
// UNSUPPORTED_COMPRESSION_TYPE, TELEMETRY_TOO_LARGE, INVALID_RECORD (what is no OTLP).
func (b *Broker) pushTelemetry(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.PushTelemetryRequest](r), kmsg.NewPtrPushTelemetryResponse()
	err := b.telemetry.Push(telemetry.Push{
		Instance: req.ClientInstanceID, Subscription: req.SubscriptionID, Terminating: req.Terminating, Codec: req.CompressionType, Metrics: req.Metrics,
	}, b.telemetryClient(r), b.telemetryBytesMax())
	if errors.Is(err, kerr.InvalidRecord) {
		b.log.Debug("push of a client's metrics refused", "client", r.ClientID, "err", err)
	}
	resp.ErrorCode = b.code(r, err)
	return resp
}
