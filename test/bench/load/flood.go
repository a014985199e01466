package load

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Flood produces with franz-go as fast as one client can, as an application does: an idempotent producer, linger 5 ms.
type Flood struct {
	Bootstrap  string
	Topic      string
	BatchBytes int32
	ValueBytes int
	Duration   time.Duration
}

// Run produces until Duration is over and everything is acknowledged.
func (f Flood) Run(ctx context.Context) (*Produced, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Duration+grace)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(f.Bootstrap, ",")...), kgo.DefaultProduceTopic(f.Topic),
		kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchMaxBytes(f.BatchBytes), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	value := make([]byte, f.ValueBytes)
	var acked atomic.Int64
	var failure atomic.Pointer[error]
	begin := time.Now()
	for time.Since(begin) < f.Duration && failure.Load() == nil {
		cl.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failure.CompareAndSwap(nil, &err)
				return
			}
			acked.Add(1)
		})
	}
	err = cl.Flush(ctx)
	if first := failure.Load(); first != nil {
		err = errors.Join(*first, err)
	}
	return &Produced{Records: acked.Load(), Payload: acked.Load() * int64(f.ValueBytes), Elapsed: time.Since(begin)}, err
}
