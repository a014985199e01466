package kafka

import (
	"context"
	"fmt"

	"weir/control/resource"
	"weir/metadata"
)

// Quotas of an account. Each is counted after the key was read that everything writes which takes a place of it, and the taking is guarded by that
// key: of two calls that find one place left, one counts again.

// place is what a transaction must hold to take places of a quota.
type place struct {
	given metadata.Cond
	then  metadata.Op
}

// taking begins to take places of the quota that key stands for. It must be called before what there is is counted.
func (a *api) taking(ctx context.Context, key string) (place, error) {
	kv, _, err := a.store.Get(ctx, key)
	if err != nil {
		return place{}, storeError(fmt.Errorf("read %s: %w", key, err))
	}
	cond, op := resource.Taking(key, kv.Modified)
	return place{cond, op}, nil
}

// brokerPlaces checks that a cluster of the version may have so many brokers, and the account as many as it has then. uuid is the cluster's; it is
// empty for one that is to be made. Brokers that other clusters are about to get count.
func (a *api) brokerPlaces(ctx context.Context, parameter string, version resource.KafkaVersion, uuid string, brokers int) (place, error) {
	if most := a.quotas.ClusterBrokers(version); brokers > most {
		return place{}, badRequest(parameter, "A cluster with KafkaVersion [%s] can have at most %d brokers.", version.Name, most)
	}
	room, err := a.taking(ctx, scopeOf(ctx).ClusterQuotaKey())
	if err != nil {
		return room, err
	}
	clusters, err := resource.ListClusters(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return room, storeError(err)
	}
	others, own := 0, 0
	for i := range clusters {
		c := &clusters[i]
		switch {
		case c.Kind() == metadata.Serverless:
		case c.UUID == uuid:
			own = c.Brokers
		default:
			ahead, err := resource.ReadAhead(ctx, a.store, *c)
			if err != nil {
				return room, storeError(err)
			}
			others += max(c.Brokers, ahead.Brokers)
		}
	}
	if others+brokers > a.quotas.Brokers {
		return room, badRequest(parameter, "An account can have at most %d brokers in a Region. This one has %d and the request asks for %d more.",
			a.quotas.Brokers, others+own, brokers-own)
	}
	return room, nil
}

// serverlessPlace refuses another serverless cluster when the account has as many as it may have.
func (a *api) serverlessPlace(ctx context.Context) (place, error) {
	room, err := a.taking(ctx, scopeOf(ctx).ClusterQuotaKey())
	if err != nil {
		return room, err
	}
	clusters, err := resource.ListClusters(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return room, storeError(err)
	}
	have := 0
	for i := range clusters {
		if clusters[i].Kind() == metadata.Serverless {
			have++
		}
	}
	if have >= a.quotas.ServerlessClusters {
		return room, badRequest("serverless", "An account can have at most %d serverless clusters in a Region.", a.quotas.ServerlessClusters)
	}
	return room, nil
}

// connectionPlace refuses another VPC connection when the account has as many as it may have.
func (a *api) connectionPlace(ctx context.Context) (place, error) {
	room, err := a.taking(ctx, scopeOf(ctx).ConnectionQuotaKey())
	if err != nil {
		return room, err
	}
	have, err := resource.ListVPCConnections(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return room, storeError(err)
	}
	if len(have) >= a.quotas.VPCConnections {
		return room, badRequest("targetClusterArn", "An account can have at most %d VPC connections in a Region. Delete one that isn't used.",
			a.quotas.VPCConnections)
	}
	return room, nil
}
