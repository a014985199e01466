package txn

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// blockSize is how many ids a broker takes at once: one metadata transaction per thousand producers.
const blockSize = 1000

// ProducerIDs hands out producer ids, each once in the life of the cluster (reliability design, P2): what a broker took and did not use
// is lost when it ends. It is safe for concurrent use.
type ProducerIDs struct {
	store metadata.Store
	key   string

	turn      chan struct{} // held by whoever uses the fields below, also while a block is taken
	next, end int64
}

// NewProducerIDs returns a ProducerIDs that has no block yet.
func NewProducerIDs(store metadata.Store, cluster string) *ProducerIDs {
	return &ProducerIDs{store: store, key: metadata.ProducerIDKey(cluster), turn: make(chan struct{}, 1)}
}

// Next returns an id that nobody had before. It fails if a new block is needed and the store cannot be asked.
func (p *ProducerIDs) Next(ctx context.Context) (int64, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if p.next == p.end {
		first, err := p.take(ctx)
		if err != nil {
			return 0, fmt.Errorf("take a block of producer ids: %w", err)
		}
		p.next, p.end = first, first+blockSize
	}
	id := p.next
	p.next++
	return id, nil
}

// tries bounds how often other brokers may be faster.
const tries = 20

// take reserves a block. A commit whose outcome is not known reserves nothing: the block may be lost, but is never used twice.
func (p *ProducerIDs) take(ctx context.Context) (int64, error) {
	for range tries {
		kv, ok, err := p.store.Get(ctx, p.key)
		if err != nil {
			return 0, err
		}
		var block metadata.ProducerIDBlock
		if ok {
			if block, err = metadata.Decode[metadata.ProducerIDBlock](kv); err != nil {
				return 0, err
			}
		}
		if block.Next < 0 || block.Next > math.MaxInt64-blockSize {
			return 0, fmt.Errorf("the next producer id is %d: %w", block.Next, kerr.UnknownServerError)
		}
		first := block.Next
		block.Next += blockSize
		_, err = p.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: p.key, Modified: kv.Modified}},
			Then: []metadata.Op{metadata.Put(p.key, metadata.Encode(block))},
		})
		if err == nil {
			return first, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return 0, err
		}
	}
	return 0, kerr.CoordinatorLoadInProgress // retriable: all brokers take blocks at the same moment
}
