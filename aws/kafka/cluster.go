package kafka

import (
	"context"
	"errors"
	"strings"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// scopeOf is the account and region that a call is about.
func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// cluster reads the cluster that an ARN names. The ARN must be of the call's own account and region: no other can be reached yet.
func (a *api) cluster(ctx context.Context, arn *string) (resource.Cluster, metadata.Revision, error) {
	ref, ok := resource.ParseClusterARN(*arn)
	if !ok {
		return resource.Cluster{}, 0, badRequest("clusterArn", "%q is not the ARN of a cluster.", *arn)
	}
	return a.referenced(ctx, ref, "clusterArn")
}

func (a *api) referenced(ctx context.Context, ref resource.ClusterRef, parameter string) (resource.Cluster, metadata.Revision, error) {
	if ref.Scope != scopeOf(ctx) {
		return resource.Cluster{}, 0, notFound(parameter)
	}
	c, at, ok, err := resource.ReadCluster(ctx, a.store, ref.Scope.ClusterKey(ref.UUID))
	if err != nil {
		return resource.Cluster{}, 0, storeError(err)
	}
	if !ok || c.Name != ref.Name || ref.Serverless != (c.Kind() == metadata.Serverless) {
		return resource.Cluster{}, 0, notFound(parameter)
	}
	return c, at, nil
}

func (a *api) createCluster(ctx context.Context, in *gen.CreateClusterInput) (*gen.CreateClusterOutput, error) {
	c, err := a.create(ctx, createRequest{
		name: *in.ClusterName, tags: in.Tags,
		ProvisionedRequest: gen.ProvisionedRequest{
			BrokerNodeGroupInfo: in.BrokerNodeGroupInfo, Rebalancing: in.Rebalancing, ClientAuthentication: in.ClientAuthentication,
			ConfigurationInfo: in.ConfigurationInfo, EncryptionInfo: in.EncryptionInfo, EnhancedMonitoring: in.EnhancedMonitoring,
			OpenMonitoring: in.OpenMonitoring, KafkaVersion: in.KafkaVersion, LoggingInfo: in.LoggingInfo,
			NumberOfBrokerNodes: in.NumberOfBrokerNodes, StorageMode: in.StorageMode,
		},
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateClusterOutput{ClusterArn: new(c.ARN()), ClusterName: new(c.Name), State: gen.ClusterState(c.State)}, nil
}

func (a *api) createClusterV2(ctx context.Context, in *gen.CreateClusterV2Input) (*gen.CreateClusterV2Output, error) {
	switch {
	case in.Serverless != nil && in.Provisioned != nil:
		return nil, badRequest("serverless", "Specify either provisioned or serverless, not both.")
	case in.Serverless != nil:
		return a.createServerless(ctx, in)
	case in.Provisioned == nil:
		return nil, badRequest("provisioned", "Specify either provisioned or serverless.")
	}
	c, err := a.create(ctx, createRequest{name: *in.ClusterName, tags: in.Tags, ProvisionedRequest: *in.Provisioned})
	if err != nil {
		return nil, err
	}
	return &gen.CreateClusterV2Output{
		ClusterArn: new(c.ARN()), ClusterName: new(c.Name), State: gen.ClusterState(c.State), ClusterType: gen.ClusterTypeProvisioned,
	}, nil
}

// createAttempts bounds how often a create is built anew because something that it was checked against has changed meanwhile. Of creates at the same
// moment one gets through each time, since they take places of one quota.
const createAttempts = 200

// create checks the request and commits the new cluster with its operation.
func (a *api) create(ctx context.Context, r createRequest) (resource.Cluster, error) {
	return a.createFrom(ctx, func() (draft, error) { return a.build(ctx, &r, a.now().UTC()) })
}

// createFrom commits a new cluster with its operation. It is built anew when what it was checked against has changed.
func (a *api) createFrom(ctx context.Context, build func() (draft, error)) (resource.Cluster, error) {
	scope := scopeOf(ctx)
	for range createAttempts {
		d, err := build()
		if err != nil {
			return resource.Cluster{}, err
		}
		c := d.cluster
		op := resource.NewOperation(resource.OpCreate, c.UUID, awsapi.ScopeFrom(ctx).RequestID, c.Created)
		txn := resource.CreateTxn(c, op, d.given...)
		txn.Then = append(txn.Then, d.then...)
		_, err = a.store.Commit(ctx, txn)
		if err == nil {
			c.State = resource.Creating
			return c, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return resource.Cluster{}, storeError(err)
		}
		_, taken, err := a.store.Get(ctx, scope.ClusterNameKey(c.Name))
		if err != nil {
			return resource.Cluster{}, storeError(err)
		}
		if taken {
			return resource.Cluster{}, &gen.ConflictException{
				InvalidParameter: "clusterName", Message: "A cluster with the name " + c.Name + " already exists in this account and Region.",
			}
		}
	}
	return resource.Cluster{}, storeError(metadata.ErrUnavailable)
}

func (a *api) describeCluster(ctx context.Context, in *gen.DescribeClusterInput) (*gen.DescribeClusterOutput, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	if err := provisionedOnly(&c, "clusterArn", "DescribeClusterV2"); err != nil {
		return nil, err
	}
	seen, err := a.observe(ctx, &c)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeClusterOutput{ClusterInfo: new(clusterInfo(&c, seen))}, nil
}

func (a *api) describeClusterV2(ctx context.Context, in *gen.DescribeClusterV2Input) (*gen.DescribeClusterV2Output, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	seen, err := a.observe(ctx, &c)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeClusterV2Output{ClusterInfo: new(clusterV2(&c, seen))}, nil
}

// observe reads what is shown of a cluster beside its record.
func (a *api) observe(ctx context.Context, c *resource.Cluster) (observed, error) {
	op, err := a.activeOperation(ctx, c)
	if err != nil {
		return observed{}, err
	}
	action, err := a.customerAction(ctx, c)
	return observed{op, action}, err
}

// activeOperation is the ARN of the operation that is under way, or nil: creating and deleting have none to show.
func (a *api) activeOperation(ctx context.Context, c *resource.Cluster) (*string, error) {
	if c.Operation == "" {
		return nil, nil //nolint:nilnil // absent is an answer
	}
	op, _, ok, err := resource.ReadOperation(ctx, a.store, c.Scope().OperationKey(c.UUID, c.Operation))
	if err != nil {
		return nil, storeError(err)
	}
	if !ok || !shown(c, &op) {
		return nil, nil //nolint:nilnil // as above
	}
	return new(c.OperationARN(op.ID)), nil
}

// namedClusters returns the scope's clusters whose names start with prefix.
func (a *api) namedClusters(ctx context.Context, prefix *string) ([]resource.Cluster, error) {
	all, err := resource.ListClusters(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return nil, storeError(err)
	}
	if prefix == nil {
		return all, nil
	}
	var named []resource.Cluster
	for _, c := range all {
		if strings.HasPrefix(c.Name, *prefix) {
			named = append(named, c)
		}
	}
	return named, nil
}

func clusterName(c *resource.Cluster) string { return c.Name }

func (a *api) listClusters(ctx context.Context, in *gen.ListClustersInput) (*gen.ListClustersOutput, error) {
	named, err := a.namedClusters(ctx, in.ClusterNameFilter)
	if err != nil {
		return nil, err
	}
	clusters, next, err := page("ListClusters", ofType(named, gen.ClusterTypeProvisioned), clusterName, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListClustersOutput{ClusterInfoList: []gen.ClusterInfo{}, NextToken: next}
	for i := range clusters {
		seen, err := a.observe(ctx, &clusters[i])
		if err != nil {
			return nil, err
		}
		out.ClusterInfoList = append(out.ClusterInfoList, clusterInfo(&clusters[i], seen))
	}
	return out, nil
}

func (a *api) listClustersV2(ctx context.Context, in *gen.ListClustersV2Input) (*gen.ListClustersV2Output, error) {
	kind := gen.ClusterType(deref(in.ClusterTypeFilter))
	switch kind {
	case "", gen.ClusterTypeProvisioned, gen.ClusterTypeServerless:
	default:
		return nil, badRequest("clusterTypeFilter", "Unknown cluster type [%s]. Valid values: %v", kind, kind.EnumValues())
	}
	named, err := a.namedClusters(ctx, in.ClusterNameFilter)
	if err != nil {
		return nil, err
	}
	clusters, next, err := page("ListClustersV2", ofType(named, kind), clusterName, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListClustersV2Output{ClusterInfoList: []gen.Cluster{}, NextToken: next}
	for i := range clusters {
		seen, err := a.observe(ctx, &clusters[i])
		if err != nil {
			return nil, err
		}
		out.ClusterInfoList = append(out.ClusterInfoList, clusterV2(&clusters[i], seen))
	}
	return out, nil
}

// deleteCluster is never queued: it ends whatever waits.
func (a *api) deleteCluster(ctx context.Context, in *gen.DeleteClusterInput) (*gen.DeleteClusterOutput, error) {
	c, _, err := a.start(ctx, in.ClusterArn, resource.ActionDelete, func(c *resource.Cluster) (resource.Operation, error) {
		if in.CurrentVersion != nil && *in.CurrentVersion != c.CurrentVersion {
			return resource.Operation{}, badRequest("currentVersion", "%s", textStaleVersion)
		}
		return resource.NewOperation(resource.OpDelete, c.UUID, awsapi.ScopeFrom(ctx).RequestID, a.now().UTC()), nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteClusterOutput{ClusterArn: new(c.ARN()), State: gen.ClusterStateDeleting}, nil
}

// start begins the operation that makes returns on a cluster whose state allows the action, in the state that belongs to the operation, or queues it
// (see turn). When the cluster changes under it, it is checked again.
func (a *api) start(
	ctx context.Context, arn *string, action resource.Action, makes func(*resource.Cluster) (resource.Operation, error),
) (resource.Cluster, resource.Operation, error) {
	for {
		c, at, err := a.cluster(ctx, arn)
		if err != nil {
			return c, resource.Operation{}, err
		}
		as, queue, err := a.turn(ctx, &c, action)
		if err != nil {
			return c, resource.Operation{}, err
		}
		op, err := makes(&as)
		if err != nil {
			return c, resource.Operation{}, err
		}
		txn, err := startOrQueue(c, at, op, queue)
		if err != nil {
			return c, resource.Operation{}, err
		}
		_, err = a.store.Commit(ctx, txn)
		if !errors.Is(err, metadata.ErrConflict) {
			return c, op, storeError(err)
		}
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
