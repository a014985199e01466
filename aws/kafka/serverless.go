package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// The bounds of a serverless cluster's networks, as the service has them.
const (
	serverlessZonesMin  = 2
	serverlessGroupsMax = 5
)

// serverlessRequest is what CreateClusterV2 asks for of a serverless cluster.
type serverlessRequest struct {
	name string
	tags map[string]string
	gen.ServerlessRequest
}

func (a *api) createServerless(ctx context.Context, in *gen.CreateClusterV2Input) (*gen.CreateClusterV2Output, error) {
	r := serverlessRequest{name: *in.ClusterName, tags: in.Tags, ServerlessRequest: *in.Serverless}
	c, err := a.createFrom(ctx, func() (draft, error) { return a.buildServerless(ctx, &r, a.now().UTC()) })
	if err != nil {
		return nil, err
	}
	return &gen.CreateClusterV2Output{
		ClusterArn: new(c.ARN()), ClusterName: new(c.Name), State: gen.ClusterState(c.State), ClusterType: gen.ClusterTypeServerless,
	}, nil
}

// buildServerless checks the request and makes the cluster's record of it. The brokers, which the API never shows, live in the first VPC.
func (a *api) buildServerless(ctx context.Context, r *serverlessRequest, now time.Time) (draft, error) {
	scope := scopeOf(ctx)
	if !nameForm.MatchString(r.name) {
		return draft{}, badRequest("clusterName", "%s", textBadCharacters)
	}
	if err := checkTags(r.tags); err != nil {
		return draft{}, err
	}
	if auth := r.ClientAuthentication; auth != nil && auth.Sasl != nil && auth.Sasl.Iam != nil && auth.Sasl.Iam.Enabled != nil && !*auth.Sasl.Iam.Enabled {
		return draft{}, badRequest("clientAuthentication.sasl.iam", "IAM is the only client authentication of serverless clusters, so it can't be disabled.")
	}
	place, err := a.serverlessPlace(ctx)
	if err != nil {
		return draft{}, err
	}
	network, err := resource.ReadNetwork(ctx, a.store, scope)
	if err != nil {
		return draft{}, storeError(err)
	}
	vpcs, given, err := r.networks(scope, network, a.quotas.ServerlessVPCs)
	if err != nil {
		return draft{}, err
	}
	id, kafkaID := resource.NewClusterUUID()
	home := vpcs[0]
	return draft{given: append(given, place.given), then: []metadata.Op{place.then}, cluster: resource.Cluster{
		UUID: id, Name: r.name, Account: scope.Account, Region: scope.Region, Created: now, KafkaID: kafkaID,
		Type: metadata.Serverless, KafkaVersion: resource.ServerlessKafkaVersion, InstanceType: resource.ServerlessInstanceType,
		Brokers: resource.ServerlessBrokersMin, Subnets: home.Subnets, SecurityGroups: home.SecurityGroups,
		Monitoring: string(gen.EnhancedMonitoringDefault), InCluster: true,
		Security:       resource.Security{ClientBroker: string(gen.ClientBrokerTls)},
		Rebalancing:    resource.RebalancingActive,
		Serverless:     &resource.Serverless{VPCs: vpcs, IAM: true},
		Tags:           maps.Clone(r.tags),
		CurrentVersion: resource.NewVersion(),
		Nodes:          resource.NewNodes(resource.ServerlessBrokersMin, home.Subnets, now),
	}}, nil
}

// networks checks the VPCs that are to reach the cluster.
func (r *serverlessRequest) networks(scope resource.Scope, network *resource.Network, most int) (
	vpcs []resource.VPCAccess, given []metadata.Cond, err error,
) {
	if n := len(r.VpcConfigs); n < 1 || n > most {
		return nil, nil, badRequest("vpcConfigs", "Specify 1 to %d VPC configurations.", most)
	}
	seen := make(map[string]bool)
	for i, config := range r.VpcConfigs {
		at := func(field string) string { return fmt.Sprintf("vpcConfigs[%d].%s", i, field) }
		v, conds, err := serverlessSubnets(scope, network, at("subnetIds"), config.SubnetIds)
		if err != nil {
			return nil, nil, err
		}
		if seen[v.VPC] {
			return nil, nil, badRequest(at("subnetIds"), "The VPC '%s' is given twice: specify one VPC configuration for each VPC.", v.VPC)
		}
		seen[v.VPC] = true
		given = append(given, conds...)
		if n := len(config.SecurityGroupIds); n > serverlessGroupsMax {
			return nil, nil, badRequest(at("securityGroupIds"), "Specify at most %d security groups for a VPC.", serverlessGroupsMax)
		}
		v.SecurityGroups, conds, err = securityGroups(scope, network, v.VPC, config.SecurityGroupIds)
		if refusal, ok := errors.AsType[*gen.BadRequestException](err); ok {
			return nil, nil, badRequest(at("securityGroupIds"), "%s", refusal.Message)
		}
		if err != nil {
			return nil, nil, err
		}
		given = append(given, conds...)
		vpcs = append(vpcs, v)
	}
	return vpcs, given, nil
}

// serverlessSubnets checks the subnets of one VPC.
func serverlessSubnets(scope resource.Scope, network *resource.Network, parameter string, ids []string) (
	v resource.VPCAccess, given []metadata.Cond, err error,
) {
	zones := make(map[string]bool)
	for _, id := range ids {
		i := slices.IndexFunc(network.Subnets, func(s resource.Subnet) bool { return s.ID == id })
		if i < 0 {
			return v, nil, badRequest(parameter, "The subnet ID '%s' does not exist", id)
		}
		s := network.Subnets[i]
		switch {
		case v.VPC != "" && s.VPC != v.VPC:
			return v, nil, badRequest(parameter, "The subnets of a VPC configuration must be in the same VPC.")
		case zones[s.ZoneID]:
			return v, nil, badRequest(parameter, "The subnets of a VPC configuration must each be in an Availability Zone of its own.")
		}
		zones[s.ZoneID], v.VPC = true, s.VPC
		v.Subnets = append(v.Subnets, resource.ClientSubnet{ID: s.ID, VPC: s.VPC, Zone: s.Zone, ZoneID: s.ZoneID})
		given = append(given, metadata.Cond{Key: scope.SubnetsPrefix() + s.ID, Modified: network.Modified[s.ID]})
	}
	if len(zones) < serverlessZonesMin {
		return v, nil, badRequest(parameter, "Specify subnets in at least %d Availability Zones.", serverlessZonesMin)
	}
	return v, given, nil
}

// serverless is how the API shows the part of a cluster that only serverless clusters have; nil for others.
func serverless(c *resource.Cluster) *gen.Serverless {
	if c.Kind() != metadata.Serverless {
		return nil
	}
	out := &gen.Serverless{
		VpcConfigs:       []gen.VpcConfig{},
		ConnectivityInfo: &gen.ServerlessConnectivityInfo{NetworkType: gen.NetworkTypeIpv4},
	}
	if s := c.Serverless; s != nil {
		out.ClientAuthentication = &gen.ServerlessClientAuthentication{Sasl: &gen.ServerlessSasl{Iam: &gen.Iam{Enabled: new(s.IAM)}}}
		for _, v := range s.VPCs {
			config := gen.VpcConfig{SecurityGroupIds: v.SecurityGroups}
			for _, subnet := range v.Subnets {
				config.SubnetIds = append(config.SubnetIds, subnet.ID)
			}
			out.VpcConfigs = append(out.VpcConfigs, config)
		}
	}
	return out
}

// clusterType is what the API calls the cluster's kind.
func clusterType(c *resource.Cluster) gen.ClusterType {
	if c.Kind() == metadata.Serverless {
		return gen.ClusterTypeServerless
	}
	return gen.ClusterTypeProvisioned
}

// ofType returns the clusters of a type; "" is any.
func ofType(clusters []resource.Cluster, want gen.ClusterType) []resource.Cluster {
	return slices.DeleteFunc(clusters, func(c resource.Cluster) bool { return want != "" && clusterType(&c) != want })
}

// textVersion1 refuses a serverless cluster to a call that is older than those.
const textVersion1 = "This operation can't be used for serverless clusters. Use %s."

// provisionedOnly refuses a serverless cluster to a call for which there is another.
func provisionedOnly(c *resource.Cluster, parameter, instead string) error {
	if c.Kind() != metadata.Serverless {
		return nil
	}
	return badRequest(parameter, textVersion1, instead)
}

// serverlessOperation is how an operation of a serverless cluster is shown; nil for others. What such a cluster can be asked for changes no fields that
// the API has here.
func serverlessOperation(c *resource.Cluster) *gen.ClusterOperationV2Serverless {
	if c.Kind() != metadata.Serverless {
		return nil
	}
	network := func() *gen.ServerlessConnectivityInfo {
		return &gen.ServerlessConnectivityInfo{NetworkType: gen.NetworkTypeIpv4}
	}
	return &gen.ClusterOperationV2Serverless{SourceClusterInfo: network(), TargetClusterInfo: network()}
}

// shown tells whether the API shows the operation.
func shown(c *resource.Cluster, op *resource.Operation) bool {
	return c.Shows(op.Type)
}

// scaling tells whether all that the cluster is being updated for is the service's own choice of brokers, which is no reason to make a caller wait who
// wants it gone.
func (a *api) scaling(ctx context.Context, c *resource.Cluster) (bool, error) {
	if c.Kind() != metadata.Serverless || c.Operation == "" {
		return false, nil
	}
	op, _, ok, err := resource.ReadOperation(ctx, a.store, c.Scope().OperationKey(c.UUID, c.Operation))
	if err != nil {
		return false, storeError(err)
	}
	return ok && c.Scales(op.Type), nil
}
