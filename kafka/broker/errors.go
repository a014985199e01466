package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// This is one of the two edges where Go errors become codes: engines return wrapped errors, clients see Kafka's codes.

// code returns Kafka's code for err, 0 for nil. An error that carries none is logged and counted here, where it stops travelling,
// and becomes UNKNOWN_SERVER_ERROR. what and args say what was attempted, as for slog.
func (b *Broker) code(r *Request, err error, args ...any) int16 {
	k := kafkaError(err)
	if k != kerr.UnknownServerError {
		if k == nil {
			return 0
		}
		b.kafka.failed(r.Body.Key(), k)
		return k.Code
	}
	api := kmsg.NameForKey(r.Body.Key())
	b.metrics.errors.WithLabelValues(api).Inc()
	b.log.Error("request failed for a reason that has no code", append([]any{"api", api, "client", r.ClientID, "err", err}, args...)...)
	return k.Code
}

// kafkaError is the Kafka error that err wraps or stands for; nil for nil.
func kafkaError(err error) *kerr.Error {
	var k *kerr.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &k):
		return k
	case errors.Is(err, metadata.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return kerr.RequestTimedOut // retriable: the store did not answer in time, or the broker is closing
	default:
		return kerr.UnknownServerError
	}
}

// message is the text for a client: what went wrong with its request. Errors without a code say nothing, since they are about our insides.
func message(err error) *string {
	var k *kerr.Error
	if !errors.As(err, &k) || k == kerr.UnknownServerError {
		return nil
	}
	text := err.Error()
	return &text
}
