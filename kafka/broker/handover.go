package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

// awaitSuccessors waits, on the connection's write loop, until the partitions that refused the request have another leader, or the same one again.
func (op *produceOp) awaitSuccessors(ctx context.Context) {
	img := op.img
	if !op.handedOver(img) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, op.b.cfg.Limits.HandOverWait)
	defer cancel()
	for op.handedOver(img) {
		next, err := op.b.image.Await(ctx, img.Revision+1)
		if err != nil {
			break
		}
		img = next
	}
	op.img = img
	for _, p := range op.parts[:len(op.req.Parts)] {
		if t, ok := img.TopicByID(p.topic); ok && p.refused() {
			p.hint = hint(t, p.index)
		}
	}
}

// handedOver reports whether, by the image, a partition that refused the request is still led as it was.
func (op *produceOp) handedOver(img *image.Image) bool {
	for _, p := range op.parts[:len(op.req.Parts)] {
		if !p.refused() {
			continue
		}
		t, ok := img.TopicByID(p.topic)
		if !ok || int(p.index) >= len(t.Partitions) {
			continue
		}
		if as := &t.Partitions[p.index]; as.Leader == op.b.cfg.Broker && as.Epoch == p.led.LeaderEpoch() {
			return true
		}
	}
	return false
}

// opens reports whether a partition may be open in a moment: it is ours, or is about to be, which others, who send clients here, may know before our image shows it.
func (b *Broker) opens(t *image.Topic, index int32) bool {
	as := &t.Partitions[index]
	return as.Leader == b.cfg.Broker || as.Target == b.cfg.Broker
}

// refused reports whether the partition is, or was, ours and takes nothing any more.
func (p *producePart) refused() bool {
	return p.err != nil && p.led != nil && errors.Is(p.err, kerr.NotLeaderForPartition)
}

// target names the partition.
type target struct {
	topic metadata.TopicID
	index int32
}
