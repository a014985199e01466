package ownership

import (
	"context"
	"slices"

	"weir/kafka/image"
	"weir/metadata"
)

// left counts the partitions that the broker leads by an image, and those that others lead and that it has still to forget.
func left(img *image.Image, b metadata.BrokerID) (leads, forgets int) {
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			switch {
			case p.Leader == b:
				leads++
			case slices.Contains(p.Former, b):
				forgets++
			}
		}
	}
	return leads, forgets
}

// AwaitLeft returns when no partition is this broker's any more: others lead all of them, and what it had of them is forgotten. It calls progress with
// each image, and how many are left by it.
func (o *Owner) AwaitLeft(ctx context.Context, progress func(leads, forgets int)) error {
	o.follow.mu.Lock()
	next := o.follow.taken // what is older shows partitions as they were before this incarnation
	o.follow.mu.Unlock()
	for {
		img, err := o.image.Await(ctx, next)
		if err != nil {
			return err
		}
		leads, forgets := left(img, o.cfg.Broker)
		if progress(leads, forgets); leads+forgets == 0 {
			return nil
		}
		next = img.Revision + 1
	}
}
