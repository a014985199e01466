package load

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// initProducer gives the connection a producer id.
func (l *link) initProducer(ctx context.Context, admin *kgo.Client) error {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.TransactionTimeoutMillis = 60_000
	answer, err := request.RequestWith(ctx, admin)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("get a producer id: %w", err)
	}
	l.idempotent = true
	l.producer = producer{answer.ProducerID, answer.ProducerEpoch}
	l.sequences = map[int32]int32{}
	return nil
}

// stamp gives each batch of a request its producer and next sequence.
func (l *link) stamp(r *request, b Batch) {
	for _, p := range r.parts {
		next := l.sequences[p.partition]
		l.producer.stamp(p.header, b.Bytes[batchHeader:], next)
		l.sequences[p.partition] = int32((int64(next) + int64(b.Records)) & 0x7fffffff)
	}
}
