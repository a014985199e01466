package kafka

import (
	"cmp"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// How a cluster is shown. Both versions of the API show the same facts. What was not asked for is shown as it is served, because Terraform
// reads the answers back: every block that it computes must be there (docs/adr/0006 says which are left out, and why).

// observed is what is shown of a cluster beside its record.
type observed struct {
	operation *string // ARN of the operation that is under way
	action    gen.CustomerActionStatus
}

func clusterV2(c *resource.Cluster, seen observed) gen.Cluster {
	out := gen.Cluster{
		ActiveOperationArn: seen.operation,
		ClusterType:        clusterType(c),
		ClusterArn:         new(c.ARN()),
		ClusterName:        new(c.Name),
		CreationTime:       new(c.Created),
		CurrentVersion:     new(c.CurrentVersion),
		State:              gen.ClusterState(c.State),
		StateInfo:          stateInfo(c.StateInfo),
		Tags:               tagsOf(c),
		Serverless:         serverless(c),
	}
	if out.Serverless == nil {
		out.Provisioned = new(provisioned(c, seen))
	}
	return out
}

func provisioned(c *resource.Cluster, seen observed) gen.Provisioned {
	return gen.Provisioned{
		BrokerNodeGroupInfo:       brokerNodeGroup(c),
		Rebalancing:               rebalancing(c),
		CurrentBrokerSoftwareInfo: software(c),
		ClientAuthentication:      clientAuthentication(&c.Security),
		EncryptionInfo:            encryption(c),
		EnhancedMonitoring:        monitoringLevel(c),
		OpenMonitoring:            exportersV2(c.OpenMonitoring),
		LoggingInfo:               logging(&c.Logging),
		NumberOfBrokerNodes:       new(int32(c.Brokers)),
		StorageMode:               storageMode(c),
		CustomerActionStatus:      seen.action,
	}
}

func clusterInfo(c *resource.Cluster, seen observed) gen.ClusterInfo {
	p := provisioned(c, seen)
	return gen.ClusterInfo{
		ActiveOperationArn:        seen.operation,
		BrokerNodeGroupInfo:       p.BrokerNodeGroupInfo,
		Rebalancing:               p.Rebalancing,
		ClientAuthentication:      p.ClientAuthentication,
		ClusterArn:                new(c.ARN()),
		ClusterName:               new(c.Name),
		CreationTime:              new(c.Created),
		CurrentBrokerSoftwareInfo: p.CurrentBrokerSoftwareInfo,
		CurrentVersion:            new(c.CurrentVersion),
		EncryptionInfo:            p.EncryptionInfo,
		EnhancedMonitoring:        p.EnhancedMonitoring,
		OpenMonitoring:            exporters(c.OpenMonitoring),
		LoggingInfo:               p.LoggingInfo,
		NumberOfBrokerNodes:       p.NumberOfBrokerNodes,
		State:                     gen.ClusterState(c.State),
		StateInfo:                 stateInfo(c.StateInfo),
		Tags:                      tagsOf(c),
		StorageMode:               p.StorageMode,
		CustomerActionStatus:      p.CustomerActionStatus,
	}
}

func stateInfo(s *resource.StateInfo) *gen.StateInfo {
	if s == nil {
		return nil
	}
	return &gen.StateInfo{Code: new(s.Code), Message: new(s.Message)}
}

func tagsOf(c *resource.Cluster) map[string]string {
	if c.Tags == nil {
		return map[string]string{}
	}
	return c.Tags
}

func brokerNodeGroup(c *resource.Cluster) *gen.BrokerNodeGroupInfo {
	g := &gen.BrokerNodeGroupInfo{
		BrokerAZDistribution: gen.BrokerAZDistributionDefault,
		InstanceType:         new(c.InstanceType),
		SecurityGroups:       c.SecurityGroups,
		ConnectivityInfo:     connectivity(&c.Connectivity),
	}
	for _, s := range c.Subnets {
		g.ClientSubnets = append(g.ClientSubnets, s.ID)
		g.ZoneIds = append(g.ZoneIds, s.ZoneID)
	}
	if c.VolumeGiB > 0 {
		g.StorageInfo = &gen.StorageInfo{EbsStorageInfo: &gen.EBSStorageInfo{VolumeSize: new(c.VolumeGiB)}}
		g.StorageInfo.EbsStorageInfo.ProvisionedThroughput = provisionedThroughput(c.Throughput)
	}
	return g
}

// rebalancing is shown of Express clusters, and of Standard ones for which it was asked for.
func rebalancing(c *resource.Cluster) *gen.Rebalancing {
	if c.Rebalancing == "" && c.Kind() != metadata.Express {
		return nil
	}
	return &gen.Rebalancing{Status: cmp.Or(gen.RebalancingStatus(c.Rebalancing), gen.RebalancingStatusPaused)}
}

func software(c *resource.Cluster) *gen.BrokerSoftwareInfo {
	s := &gen.BrokerSoftwareInfo{KafkaVersion: new(c.KafkaVersion)}
	if c.Configuration.ARN != "" {
		s.ConfigurationArn, s.ConfigurationRevision = new(c.Configuration.ARN), new(c.Configuration.Revision)
	}
	return s
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
