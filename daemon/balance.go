package daemon

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"weir/kafka/balance"
	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/kafka/peer"
	"weir/kafka/topic"
	"weir/metadata"
	"weir/node"
)

// balancePartitions does so, while the broker is the controller, until ctx ends.
func balancePartitions(
	ctx context.Context, h *node.Handover, log *slog.Logger, store metadata.Store, live *image.Live, topics *topic.Admin, peers *peer.Client, r prometheus.Registerer,
) {
	b := balance.New(balance.Config{Cluster: h.Cluster, Broker: h.Broker}, balance.Deps{
		Log: log, Store: store, Image: live, Topics: topics, Registerer: r,
		Traffic: func(ctx context.Context, of metadata.BrokerID) ([]partition.Traffic, error) {
			return ownership.AskTraffic(ctx, peers, of)
		},
	})
	_ = b.Run(ctx) // it ends with ctx only
}
