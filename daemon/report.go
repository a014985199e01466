package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weir/kafka/broker"
	"weir/kafka/image"
	"weir/metadata"
	"weir/storage/tier"
)

const (
	// measureEvery is how often it is looked how full the broker's volume is. In between the broker counts what it takes.
	measureEvery = 500 * time.Millisecond
	// reportEvery is how often a broker's report is written at most, unless the settings changed: whoever changed them waits for that.
	reportEvery = 5 * time.Second
	// reportStep is what sizes are rounded up to, so that a trickle is no news.
	reportStep = 1 << 20
)

// reporter tells the broker how full its volume is, and the control plane what the broker holds.
type reporter struct {
	cluster string
	id      metadata.BrokerID
	log     *slog.Logger
	store   metadata.Store
	live    *image.Live
	tiers   *tier.Engine
	broker  *broker.Broker

	counted *image.Image // that partitions and leaders are of
	report  metadata.BrokerReport
}

// run does so until ctx ends. A store that does not answer holds up reports, but not the looks at the volume.
func (r *reporter) run(ctx context.Context) {
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() { r.tell(ctx) })
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		r.measure()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) measure() {
	var size int64
	if s := r.live.Current().Settings(); s != nil {
		size = s.VolumeBytes
	}
	r.tiers.SetVolume(size)
	r.broker.MeasureVolume(r.tiers.Used)
}

// tell writes the report when it changed.
func (r *reporter) tell(ctx context.Context) {
	changed := make(chan struct{}, 1)
	defer r.live.OnChange(func(*image.Image) {
		select {
		case changed <- struct{}{}:
		default: // it is told already
		}
	})()
	pause := time.NewTimer(0)
	defer pause.Stop()
	var told metadata.BrokerReport
	ever, rested := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
			rested = true
		case <-changed:
		}
		if !rested && (!ever || settingsNumber(r.live.Current()) == told.Settings) {
			continue
		}
		now := r.now()
		if !ever || now != told {
			_, err := r.store.Commit(ctx, metadata.Txn{
				Then: []metadata.Op{metadata.Put(metadata.BrokerReportKey(r.cluster, r.id), metadata.Encode(now))},
			})
			if err != nil {
				r.log.Debug("report not written", "err", err)
			} else {
				told, ever = now, true
			}
		}
		rested = false
		pause.Reset(reportEvery)
	}
}

// now is what there is to report.
func (r *reporter) now() metadata.BrokerReport {
	img := r.live.Current()
	if img != r.counted {
		r.counted, r.report = img, metadata.BrokerReport{Settings: settingsNumber(img)}
		for _, t := range img.Topics() {
			for i := range t.Partitions {
				r.count(&t.Partitions[i])
			}
		}
	}
	out := r.report
	out.UsedBytes = (r.tiers.Used() + reportStep - 1) / reportStep * reportStep
	return out
}

func (r *reporter) count(p *metadata.PartitionAssignment) {
	if p.Leader == r.id {
		r.report.Leaders++
	}
	if slices.Contains(p.Replicas, r.id) {
		r.report.Partitions++
	}
}

func settingsNumber(img *image.Image) int64 {
	if s := img.Settings(); s != nil {
		return s.Number
	}
	return 0
}
