package broker

import (
	"context"
	"math"
	"time"

	"weir/kafka/image"
	"weir/metadata"
)

// loadEvery is how often a broker of a serverless cluster says what it carries, if that has changed.
const loadEvery = 15 * time.Second

// loadStep is what rates are rounded to, so that a trickle is no news.
const loadStep = 100_000

// reportLoad tells the control plane what this broker carries, as long as the cluster is serverless, until ctx ends.
func (b *Broker) reportLoad(ctx context.Context) {
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	var told metadata.BrokerLoad
	ever := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !b.kind.rules.Load().Placed {
			continue
		}
		now := b.load(b.image.Current())
		if ever && now == told {
			continue
		}
		_, err := b.store.Commit(ctx, metadata.Txn{
			Then: []metadata.Op{metadata.Put(metadata.BrokerLoadKey(b.cfg.Cluster, b.cfg.Broker), metadata.Encode(now))},
		})
		if err != nil {
			b.log.Debug("load not reported", "err", err)
			continue
		}
		told, ever = now, true
	}
}

func (b *Broker) load(img *image.Image) metadata.BrokerLoad {
	round := func(v float64) float64 { return math.Round(v/loadStep) * loadStep }
	in, out := &b.kafka.all.bytesIn, &b.kafka.all.bytesOut
	l := metadata.BrokerLoad{
		In: round(in.FiveMinuteRate()), InLong: round(in.FifteenMinuteRate()),
		Out: round(out.FiveMinuteRate()), OutLong: round(out.FifteenMinuteRate()),
	}
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			if t.Partitions[i].Leader == b.cfg.Broker && !t.Internal {
				l.Leaders++
			}
		}
	}
	return l
}
