package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Connections from the VPCs of clients. They are checked, kept and shown now; nothing listens for them yet (docs/adr/0006).

func (a *api) createVpcConnection(ctx context.Context, in *gen.CreateVpcConnectionInput) (*gen.CreateVpcConnectionOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	auth := resource.ConnectionAuth(*in.Authentication)
	if !slices.Contains(resource.ConnectionAuths(), auth) {
		return nil, badRequest("authentication", "Unknown authentication [%s]. Valid values: [%s]",
			auth, list(resource.ConnectionAuths(), func(a resource.ConnectionAuth) string { return string(a) }))
	}
	scope := scopeOf(ctx)
	for {
		c, at, err := a.connectable(ctx, in.TargetClusterArn, auth)
		if err != nil {
			return nil, err
		}
		network, err := resource.ReadNetwork(ctx, a.store, scope)
		if err != nil {
			return nil, storeError(err)
		}
		given, err := clientNetwork(scope, network, &c, in)
		if err != nil {
			return nil, err
		}
		room, err := a.connectionPlace(ctx)
		if err != nil {
			return nil, err
		}
		v := resource.VPCConnection{
			UUID: resource.NewUUID(), Account: scope.Account, Region: scope.Region, Cluster: c.UUID, ClusterName: c.Name, Target: c.ARN(),
			Authentication: auth, VPC: *in.VpcId, Subnets: in.ClientSubnets, SecurityGroups: in.SecurityGroups,
			Created: a.now().UTC(), Tags: in.Tags, State: resource.ConnectionAvailable,
		}
		op := connectionOperation(ctx, resource.OpCreateConnection, &v, v.Created)
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: append(given, room.given, metadata.Cond{Key: c.Key(), Modified: at}, metadata.Cond{Key: v.Key()}),
			Then: []metadata.Op{
				room.then, resource.UseNetwork(scope), metadata.Put(v.Key(), metadata.Encode(v)), metadata.Put(op.Key(c.Scope()), metadata.Encode(op)),
			},
		})
		if err == nil {
			return &gen.CreateVpcConnectionOutput{
				VpcConnectionArn: new(v.ARN()), State: gen.VpcConnectionState(v.State), Authentication: in.Authentication, VpcId: in.VpcId,
				ClientSubnets: v.Subnets, SecurityGroups: v.SecurityGroups, CreationTime: new(v.Created), Tags: v.Tags,
			}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

// connectable reads the cluster that a connection is to be made to. The call knows no NotFoundException.
func (a *api) connectable(ctx context.Context, arn *string, auth resource.ConnectionAuth) (resource.Cluster, metadata.Revision, error) {
	ref, ok := resource.ParseClusterARN(*arn)
	if !ok {
		return resource.Cluster{}, 0, badRequest("targetClusterArn", "%q is not the ARN of a cluster.", *arn)
	}
	c, at, err := a.referenced(ctx, ref, "targetClusterArn")
	if _, absent := errors.AsType[*gen.NotFoundException](err); absent {
		err = badRequest("targetClusterArn", "%s", textNotFound)
	}
	switch {
	case err != nil:
		return c, 0, err
	case c.Kind() == metadata.Serverless:
		return c, 0, badRequest("targetClusterArn", "A serverless cluster takes no VPC connections: name the VPCs when you create it.")
	case !c.State.Allows(resource.ActionConnect):
		return c, 0, badRequest("targetClusterArn", "You can't %s in %s state.", doing(resource.ActionConnect), c.State)
	case !c.Connects(auth):
		return c, 0, badRequest("authentication",
			"Multi-VPC private connectivity with %s isn't turned on for the cluster. Turn it on with UpdateConnectivity (vpcConnectivity).", auth)
	}
	return c, at, nil
}

// clientNetwork checks where the clients of a connection are: as many subnets as the cluster has, in the same zones.
func clientNetwork(
	scope resource.Scope, network *resource.Network, c *resource.Cluster, in *gen.CreateVpcConnectionInput,
) ([]metadata.Cond, error) {
	if !slices.ContainsFunc(network.VPCs, func(v resource.VPC) bool { return v.ID == *in.VpcId }) {
		return nil, badRequest("vpcId", "The VPC '%s' does not exist", *in.VpcId)
	}
	var given []metadata.Cond
	var zones, want []string
	for _, id := range in.ClientSubnets {
		i := slices.IndexFunc(network.Subnets, func(s resource.Subnet) bool { return s.ID == id })
		switch {
		case i < 0:
			return nil, badRequest("clientSubnets", "The subnet ID '%s' does not exist", id)
		case network.Subnets[i].VPC != *in.VpcId:
			return nil, badRequest("clientSubnets", "The subnet '%s' is not in the VPC '%s'.", id, *in.VpcId)
		}
		zones = append(zones, network.Subnets[i].ZoneID)
		given = append(given, metadata.Cond{Key: scope.SubnetsPrefix() + id, Modified: network.Modified[id]})
	}
	for _, s := range c.Subnets {
		want = append(want, s.ZoneID)
	}
	slices.Sort(zones)
	slices.Sort(want)
	if !slices.Equal(zones, want) {
		return nil, badRequest("clientSubnets", "Specify one client subnet in each Availability Zone of the cluster: [%s]", strings.Join(want, ", "))
	}
	if len(in.SecurityGroups) == 0 {
		return nil, badRequest("securityGroups", "Specify at least one security group of the VPC '%s'.", *in.VpcId)
	}
	_, conds, err := securityGroups(scope, network, *in.VpcId, in.SecurityGroups)
	return append(given, conds...), err
}

// connectionOperation is the record, among the cluster's operations, of something that was done with a connection.
func connectionOperation(ctx context.Context, t resource.OperationType, v *resource.VPCConnection, now time.Time) resource.Operation {
	op := resource.NewOperation(t, v.Cluster, awsapi.ScopeFrom(ctx).RequestID, now)
	op.Connection = &resource.OperationConnection{ARN: v.ARN(), Owner: v.Account, Created: v.Created}
	return op.Complete(now, resource.StepInitialize, resource.StepFinalize)
}

// connected is a connection with its cluster, which is nil if it is gone, and the conditions that both are as they were read.
type connected struct {
	resource.VPCConnection
	at      metadata.Revision
	cluster *resource.Cluster
	given   []metadata.Cond
}

// connection reads the connection that an ARN names, and its cluster.
func (a *api) connection(ctx context.Context, arn *string, parameter string) (connected, error) {
	var none connected
	scope, name, uuid, ok := resource.ParseVPCConnectionARN(*arn)
	if !ok {
		return none, badRequest(parameter, "%q is not the ARN of a VPC connection.", *arn)
	}
	if scope != scopeOf(ctx) {
		return none, notFound(parameter)
	}
	v, at, ok, err := resource.ReadVPCConnection(ctx, a.store, scope, uuid)
	switch {
	case err != nil:
		return none, storeError(err)
	case !ok || v.ClusterName != name:
		return none, notFound(parameter)
	}
	k := connected{VPCConnection: v, at: at, given: []metadata.Cond{{Key: v.Key(), Modified: at}}}
	c, at, ok, err := resource.ReadCluster(ctx, a.store, scope.ClusterKey(v.Cluster))
	if err != nil {
		return none, storeError(err)
	}
	if ok {
		k.cluster = &c
	}
	// A cluster that goes meanwhile takes its operations with it, so that none may be added to them then.
	k.given = append(k.given, metadata.Cond{Key: scope.ClusterKey(v.Cluster), Modified: at})
	return k, nil
}

func (a *api) describeVpcConnection(ctx context.Context, in *gen.DescribeVpcConnectionInput) (*gen.DescribeVpcConnectionOutput, error) {
	v, err := a.connection(ctx, in.Arn, "arn")
	if err != nil {
		return nil, err
	}
	return &gen.DescribeVpcConnectionOutput{
		VpcConnectionArn: new(v.ARN()), TargetClusterArn: new(v.Target), State: gen.VpcConnectionState(v.Seen(v.cluster)),
		Authentication: new(string(v.Authentication)), VpcId: new(v.VPC), Subnets: v.Subnets, SecurityGroups: v.SecurityGroups,
		CreationTime: new(v.Created), Tags: v.Tags,
	}, nil
}

func (a *api) deleteVpcConnection(ctx context.Context, in *gen.DeleteVpcConnectionInput) (*gen.DeleteVpcConnectionOutput, error) {
	for {
		v, err := a.connection(ctx, in.Arn, "arn")
		if err != nil {
			return nil, err
		}
		txn := metadata.Txn{
			If:   v.given,
			Then: []metadata.Op{metadata.Delete(v.Key())},
		}
		if v.cluster != nil {
			op := connectionOperation(ctx, resource.OpDeleteConnection, &v.VPCConnection, a.now().UTC())
			txn.Then = append(txn.Then, metadata.Put(op.Key(v.cluster.Scope()), metadata.Encode(op)))
		}
		_, err = a.store.Commit(ctx, txn)
		if err == nil {
			return &gen.DeleteVpcConnectionOutput{VpcConnectionArn: new(v.ARN()), State: gen.VpcConnectionStateDeleting}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

func (a *api) listVpcConnections(ctx context.Context, in *gen.ListVpcConnectionsInput) (*gen.ListVpcConnectionsOutput, error) {
	all, clusters, err := a.connections(ctx)
	if err != nil {
		return nil, err
	}
	shown, next, err := page("ListVpcConnections", all, connectionUUID, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListVpcConnectionsOutput{VpcConnections: []gen.VpcConnection{}, NextToken: next}
	for i := range shown {
		v := &shown[i]
		out.VpcConnections = append(out.VpcConnections, gen.VpcConnection{
			VpcConnectionArn: new(v.ARN()), TargetClusterArn: new(v.Target), CreationTime: new(v.Created),
			Authentication: new(string(v.Authentication)), VpcId: new(v.VPC), State: gen.VpcConnectionState(v.Seen(clusters[v.Cluster])),
		})
	}
	return out, nil
}

func (a *api) listClientVpcConnections(ctx context.Context, in *gen.ListClientVpcConnectionsInput) (*gen.ListClientVpcConnectionsOutput, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	all, _, err := a.connections(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v resource.VPCConnection) bool { return v.Cluster != c.UUID })
	shown, next, err := page("ListClientVpcConnections/"+c.UUID, all, connectionUUID, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListClientVpcConnectionsOutput{ClientVpcConnections: []gen.ClientVpcConnection{}, NextToken: next}
	for i := range shown {
		v := &shown[i]
		out.ClientVpcConnections = append(out.ClientVpcConnections, gen.ClientVpcConnection{
			VpcConnectionArn: new(v.ARN()), CreationTime: new(v.Created), Authentication: new(string(v.Authentication)),
			State: gen.VpcConnectionState(v.Seen(&c)), Owner: new(v.Account),
		})
	}
	return out, nil
}

func connectionUUID(v *resource.VPCConnection) string { return v.UUID }

// connections are all of the account's, and the clusters that they may lead to, by uuid.
func (a *api) connections(ctx context.Context) ([]resource.VPCConnection, map[string]*resource.Cluster, error) {
	all, err := resource.ListVPCConnections(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return nil, nil, storeError(err)
	}
	clusters, err := resource.ListClusters(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return nil, nil, storeError(err)
	}
	byUUID := make(map[string]*resource.Cluster, len(clusters))
	for i := range clusters {
		byUUID[clusters[i].UUID] = &clusters[i]
	}
	return all, byUUID, nil
}

func (a *api) rejectClientVpcConnection(
	ctx context.Context, in *gen.RejectClientVpcConnectionInput,
) (*gen.RejectClientVpcConnectionOutput, error) {
	for {
		c, _, err := a.cluster(ctx, in.ClusterArn)
		if err != nil {
			return nil, err
		}
		if !c.State.Allows(resource.ActionReject) {
			return nil, refused(resource.ActionReject, c.State)
		}
		v, err := a.connection(ctx, in.VpcConnectionArn, "vpcConnectionArn")
		if _, absent := errors.AsType[*gen.NotFoundException](err); absent || err == nil && v.Cluster != c.UUID {
			err = badRequest("vpcConnectionArn", "The cluster has no such VPC connection.")
		}
		if err != nil {
			return nil, err
		}
		if v.State == resource.ConnectionRejected {
			return nil, badRequest("vpcConnectionArn", "You can't reject a VPC connection in %s state.", v.State)
		}
		v.State = resource.ConnectionRejected
		op := connectionOperation(ctx, resource.OpRejectConnection, &v.VPCConnection, a.now().UTC())
		_, err = a.store.Commit(ctx, metadata.Txn{
			If:   v.given,
			Then: []metadata.Op{metadata.Put(v.Key(), metadata.Encode(v.VPCConnection)), metadata.Put(op.Key(c.Scope()), metadata.Encode(op))},
		})
		if err == nil {
			return &gen.RejectClientVpcConnectionOutput{}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}
