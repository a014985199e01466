// Package franz is what those who write transactions with franz-go have to know of it.
package franz

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// AwaitPartitions returns when the client has stored which partitions the topic has. It is to be called between a client's first records for a topic and
// the end of their transaction: kgo 1.22 lets go of records that waited for the topic's metadata before it stores these (storePartitionsUpdate). If all
// are acknowledged by then, EndTransaction finds no partition with records, and aborts whatever it was asked to; no sequence number begins anew, and the
// next transaction's records are refused.
func AwaitPartitions(ctx context.Context, cl *kgo.Client, topic string) error {
	for {
		if leader, _, _ := cl.PartitionLeader(topic, 0); leader >= 0 { //nolint:errcheck // of what is not known yet
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait until the client knows topic %s: %w", topic, ctx.Err())
		}
	}
}
