package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/checker"
)

const shareGroup = "share"

// configureShare lets the share group begin at the first record.
func (r *run) configureShare(t *testing.T) {
	t.Helper()
	cl, err := r.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, shareGroup
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
	res.Configs = append(res.Configs, c)
	req.Resources = append(req.Resources, res)
	resp, err := req.RequestWith(t.Context(), cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("configure the share group: %v", err)
	}
}

// sharer is a member of the share group that accepts most records and releases or rejects some.
func (r *run) sharer(ctx context.Context, name string, dice *rand.Rand) error {
	var mu sync.Mutex
	refused := map[checker.Partition]error{}
	cl, err := r.client(
		kgo.ShareGroup(shareGroup), kgo.ConsumeTopics(shared), kgo.ShareMaxRecords(20), kgo.ShareMaxRecordsStrict(),
		kgo.ShareAckCallback(func(_ *kgo.Client, results kgo.ShareAckResults) {
			mu.Lock()
			defer mu.Unlock()
			for _, res := range results {
				if res.Err != nil {
					refused[partitionOf(res.Topic, res.Partition)] = res.Err
				}
			}
		}),
	)
	if err != nil {
		return err
	}
	defer func() {
		r.rec.Complete(r.rec.Invoke(name, checker.Leave), checker.OK, nil)
		cl.Close()
	}()
	for ctx.Err() == nil {
		op := r.rec.Invoke(name, checker.Deliver)
		op.Group = shareGroup
		wait, cancel := context.WithTimeout(ctx, pollWait)
		fetches := cl.PollRecords(wait, 20)
		cancel()
		note(op, fetches)
		r.rec.Complete(op, checker.OK, nil)
		if len(op.Reads) == 0 {
			continue
		}
		settle := r.rec.Invoke(name, checker.Settle)
		settle.Group = shareGroup
		mu.Lock()
		clear(refused)
		mu.Unlock()
		fetches.EachRecord(func(rec *kgo.Record) {
			status := kgo.AckAccept
			switch dice.IntN(40) {
			case 0:
				status = kgo.AckRelease
			case 1:
				status = kgo.AckReject
			}
			rec.Ack(status)
			settle.Settled = append(settle.Settled, checker.Ack{
				Place: checker.Place{Partition: partitionOf(rec.Topic, rec.Partition), Offset: rec.Offset}, Final: status != kgo.AckRelease,
			})
		})
		flush, done := context.WithTimeout(context.Background(), opTimeout)
		err := cl.FlushAcks(flush)
		done()
		mu.Lock()
		for _, e := range refused {
			err = firstOf(err, e)
		}
		mu.Unlock()
		r.rec.Complete(settle, outcome(err), err)
		pause(ctx, time.Duration(dice.IntN(20))*time.Millisecond)
	}
	return nil
}
