package txn

import (
	"errors"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// P2: ids of many allocators, some of which lose the answer to their commit or end with half a block, never repeat.
func TestProducerIDsAreUnique(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	var mu sync.Mutex
	seen := map[int64]bool{}
	commits := 0
	store.SetFault(func(c metadata.Call) metadata.Fault {
		mu.Lock()
		defer mu.Unlock()
		if c.Method == "Commit" {
			if commits++; commits%3 == 0 {
				return metadata.Fault{After: metadata.ErrUnavailable}
			}
		}
		return metadata.Fault{}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 { // restarts
				ids := NewProducerIDs(store, "c1")
				for range 1_500 {
					id, err := ids.Next(t.Context())
					if errors.Is(err, metadata.ErrUnavailable) || errors.Is(err, kerr.CoordinatorLoadInProgress) { // it may ask again
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if seen[id] {
						t.Errorf("%d was handed out twice", id)
					}
					seen[id] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(seen) < 30_000 {
		t.Errorf("only %d ids", len(seen))
	}
}
