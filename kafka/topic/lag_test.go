package topic

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"weir/kafka/image"
	"weir/metadata"
)

// A client that was told that all brokers serve asks one whose image is still that of a moment ago.
func TestCreateCatchesUpWithRegisteredBrokers(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	for b := metadata.BrokerID(1); b <= 3; b++ {
		put := metadata.Put(metadata.SessionKey(cluster, b), metadata.Encode(metadata.Session{Broker: b, Ready: true}))
		if _, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{put}}); err != nil {
			t.Fatal(err)
		}
	}
	live := image.New(store, cluster) // shows nothing until it runs
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	asked := make(chan struct{}, 10)
	go func() {
		defer close(ended)
		<-asked
		_ = live.Run(ctx)
	}()
	store.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "List" && strings.HasSuffix(c.Key, "/sess/") {
			asked <- struct{}{}
		}
		return metadata.Fault{}
	})
	a := New(Config{Cluster: cluster, Broker: 1, Properties: map[string]string{"default.replication.factor": "3"}},
		Deps{Store: store, Image: live, Log: slog.New(slog.DiscardHandler)})
	create(t, a, NewTopic{Name: "orders", Partitions: 3, Replication: -1})
	if err := a.CreateInternal("__consumer_offsets")(t.Context(), 3, 3, nil); err != nil {
		t.Fatal(err)
	}
	internal, ok := live.Current().Topic("__consumer_offsets")
	if !ok || len(internal.Partitions[0].Replicas) != 3 {
		t.Errorf("internal topic: %+v", internal)
	}
	cancel()
	<-ended
}
