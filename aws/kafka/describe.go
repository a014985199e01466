package kafka

import (
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// How a cluster is shown. Both versions of the API show the same facts. What was not asked for is shown as it is served, because Terraform
// reads the answers back: every block that it computes must be there (docs/adr/0006 says which are left out, and why).

func clusterV2(c *resource.Cluster, operation *string) gen.Cluster {
	return gen.Cluster{
		ActiveOperationArn: operation,
		ClusterType:        gen.ClusterTypeProvisioned,
		ClusterArn:         new(c.ARN()),
		ClusterName:        new(c.Name),
		CreationTime:       new(c.Created),
		CurrentVersion:     new(c.CurrentVersion),
		State:              gen.ClusterState(c.State),
		StateInfo:          stateInfo(c.StateInfo),
		Tags:               tagsOf(c),
		Provisioned:        new(provisioned(c)),
	}
}

func provisioned(c *resource.Cluster) gen.Provisioned {
	return gen.Provisioned{
		BrokerNodeGroupInfo:       brokerNodeGroup(c),
		Rebalancing:               rebalancing(c),
		CurrentBrokerSoftwareInfo: software(c),
		ClientAuthentication:      clientAuthentication(c),
		EncryptionInfo:            encryption(c),
		EnhancedMonitoring:        gen.EnhancedMonitoring(c.Monitoring),
		OpenMonitoring: &gen.OpenMonitoringInfo{Prometheus: &gen.PrometheusInfo{
			JmxExporter: &gen.JmxExporterInfo{EnabledInBroker: new(false)}, NodeExporter: &gen.NodeExporterInfo{EnabledInBroker: new(false)},
		}},
		LoggingInfo:          logging(c),
		NumberOfBrokerNodes:  new(int32(c.Brokers)),
		StorageMode:          storageMode(c),
		CustomerActionStatus: gen.CustomerActionStatusNone,
	}
}

func clusterInfo(c *resource.Cluster, operation *string) gen.ClusterInfo {
	p := provisioned(c)
	return gen.ClusterInfo{
		ActiveOperationArn:        operation,
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
		OpenMonitoring: &gen.OpenMonitoring{Prometheus: &gen.Prometheus{
			JmxExporter: &gen.JmxExporter{EnabledInBroker: new(false)}, NodeExporter: &gen.NodeExporter{EnabledInBroker: new(false)},
		}},
		LoggingInfo:          p.LoggingInfo,
		NumberOfBrokerNodes:  p.NumberOfBrokerNodes,
		State:                gen.ClusterState(c.State),
		StateInfo:            stateInfo(c.StateInfo),
		Tags:                 tagsOf(c),
		StorageMode:          p.StorageMode,
		CustomerActionStatus: p.CustomerActionStatus,
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
		ConnectivityInfo: &gen.ConnectivityInfo{
			PublicAccess: &gen.PublicAccess{Type: new(publicAccessDisabled)},
			VpcConnectivity: &gen.VpcConnectivity{ClientAuthentication: &gen.VpcConnectivityClientAuthentication{
				Sasl: &gen.VpcConnectivitySasl{
					Scram: &gen.VpcConnectivityScram{Enabled: new(false)}, Iam: &gen.VpcConnectivityIam{Enabled: new(false)},
				},
				Tls: &gen.VpcConnectivityTls{Enabled: new(false)},
			}},
			NetworkType: gen.NetworkTypeIpv4,
		},
	}
	for _, s := range c.Subnets {
		g.ClientSubnets = append(g.ClientSubnets, s.ID)
		g.ZoneIds = append(g.ZoneIds, s.ZoneID)
	}
	if c.VolumeGiB > 0 {
		g.StorageInfo = &gen.StorageInfo{EbsStorageInfo: &gen.EBSStorageInfo{VolumeSize: new(c.VolumeGiB)}}
		if t := c.Throughput; t != nil {
			g.StorageInfo.EbsStorageInfo.ProvisionedThroughput = &gen.ProvisionedThroughput{Enabled: &t.Enabled}
		}
	}
	return g
}

func express(c *resource.Cluster) bool {
	t, _ := resource.LookupInstanceType(c.InstanceType)
	return t.Express()
}

// rebalancing of Express clusters is paused: nothing rebalances yet.
func rebalancing(c *resource.Cluster) *gen.Rebalancing {
	if !express(c) {
		return nil
	}
	return &gen.Rebalancing{Status: gen.RebalancingStatusPaused}
}

func storageMode(c *resource.Cluster) gen.StorageMode {
	if express(c) {
		return ""
	}
	return gen.StorageModeLocal
}

func software(c *resource.Cluster) *gen.BrokerSoftwareInfo {
	return &gen.BrokerSoftwareInfo{KafkaVersion: new(c.KafkaVersion)}
}

func clientAuthentication(c *resource.Cluster) *gen.ClientAuthentication {
	w := c.Security.ClientAuthentication
	if w == nil {
		return nil
	}
	out := &gen.ClientAuthentication{}
	if w.Unauthenticated != nil {
		out.Unauthenticated = &gen.Unauthenticated{Enabled: w.Unauthenticated}
	}
	if w.SCRAM != nil || w.IAM != nil {
		out.Sasl = &gen.Sasl{}
		if w.SCRAM != nil {
			out.Sasl.Scram = &gen.Scram{Enabled: w.SCRAM}
		}
		if w.IAM != nil {
			out.Sasl.Iam = &gen.Iam{Enabled: w.IAM}
		}
	}
	if w.TLS != nil {
		out.Tls = &gen.Tls{Enabled: w.TLS}
	}
	return out
}

func encryption(c *resource.Cluster) *gen.EncryptionInfo {
	return &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{
		ClientBroker: gen.ClientBroker(c.Security.ClientBroker), InCluster: new(c.InCluster),
	}}
}

func logging(c *resource.Cluster) *gen.LoggingInfo {
	if c.Logging.Broker == nil && c.Logging.Authorizer == nil {
		return nil
	}
	out := &gen.LoggingInfo{BrokerLogs: &gen.BrokerLogs{}}
	out.BrokerLogs.CloudWatchLogs, out.BrokerLogs.Firehose, out.BrokerLogs.S3 = logDestinations(c.Logging.Broker)
	if c.Logging.Authorizer != nil {
		out.AuthorizerLogs = &gen.AuthorizerLogs{}
		out.AuthorizerLogs.CloudWatchLogs, out.AuthorizerLogs.Firehose, out.AuthorizerLogs.S3 = logDestinations(c.Logging.Authorizer)
	}
	return out
}

func logDestinations(ds []resource.LogDestination) (cw *gen.CloudWatchLogs, fh *gen.Firehose, s3 *gen.S3) {
	for _, d := range ds {
		switch d.Kind {
		case resource.LogToCloudWatch:
			cw = &gen.CloudWatchLogs{Enabled: new(d.Enabled), LogGroup: optional(d.Target)}
		case resource.LogToFirehose:
			fh = &gen.Firehose{Enabled: new(d.Enabled), DeliveryStream: optional(d.Target)}
		case resource.LogToS3:
			s3 = &gen.S3{Enabled: new(d.Enabled), Bucket: optional(d.Target), Prefix: optional(d.Prefix)}
		}
	}
	return cw, fh, s3
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
