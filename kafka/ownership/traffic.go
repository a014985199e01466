package ownership

import (
	"context"
	"encoding/json"
	"fmt"

	"weir/kafka/partition"
	"weir/metadata"
)

// AskTraffic asks a broker of the cluster, which may be this one, what the partitions that it leads have carried.
func AskTraffic(ctx context.Context, peers Peers, b metadata.BrokerID) ([]partition.Traffic, error) {
	a, err := ask(ctx, peers, b, question{What: askTraffic})
	if err != nil {
		return nil, fmt.Errorf("ask broker %d for its traffic: %w", b, err)
	}
	var ts []partition.Traffic
	if err := json.Unmarshal(a.data, &ts); err != nil {
		return nil, fmt.Errorf("ask broker %d for its traffic: %w: %w", b, errAnswer, err)
	}
	return ts, nil
}

// traffic answers AskTraffic.
func (o *Owner) traffic() *answer {
	ts := []partition.Traffic{}
	for _, k := range o.leaders.Keys() {
		if p, err := o.leaders.Get(k); err == nil { // or it was closed just now
			ts = append(ts, p.Traffic())
		}
	}
	return &answer{data: metadata.Encode(ts)}
}
