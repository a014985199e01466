package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/topic"
	"weir/metadata"
)

// storeFault gives an error of the metadata store the code that clients are told: a retriable one, as the change may or may not have been made. Other
// errors stay what they are.
func storeFault(err error) error {
	for _, of := range []error{metadata.ErrUnavailable, metadata.ErrConflict, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, of) {
			return errors.Join(&topic.Fault{
				Code: kerr.RequestTimedOut, Message: "The metadata store did not answer in time; the change may or may not have been made.",
			}, err)
		}
	}
	return err
}

// settle waits until this broker's image shows the change of that revision, so that whoever asks the broker next sees it. The change is committed
// whatever happens here; 0 is no change.
func (b *Broker) settle(ctx context.Context, rev metadata.Revision) {
	if rev == 0 {
		return
	}
	if _, err := b.image.Await(ctx, rev); err != nil {
		b.log.Debug("committed change not seen yet", "revision", rev, "err", err)
	}
}
