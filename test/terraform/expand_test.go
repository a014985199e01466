package terraform

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// What a configuration's blocks are in requests.

func brokerNodeGroup(o object) *types.BrokerNodeGroupInfo {
	g := &types.BrokerNodeGroupInfo{
		BrokerAZDistribution: types.BrokerAZDistributionDefault, ClientSubnets: texts(o["client_subnets"]), InstanceType: text(o, "instance_type"),
		SecurityGroups: texts(o["security_groups"]), ConnectivityInfo: connectivityInfo(o),
	}
	if s := block(o, "storage_info"); s != nil {
		g.StorageInfo = &types.StorageInfo{}
		if e := block(s, "ebs_storage_info"); e != nil {
			g.StorageInfo.EbsStorageInfo = &types.EBSStorageInfo{VolumeSize: number(e, "volume_size")}
			if t := block(e, "provisioned_throughput"); t != nil {
				g.StorageInfo.EbsStorageInfo.ProvisionedThroughput = &types.ProvisionedThroughput{
					Enabled: flag(t, "enabled"), VolumeThroughput: number(t, "volume_throughput"),
				}
			}
		}
	}
	return g
}

func connectivityInfo(nodes object) *types.ConnectivityInfo {
	o := block(nodes, "connectivity_info")
	if o == nil {
		return nil
	}
	c := &types.ConnectivityInfo{}
	if p := block(o, "public_access"); p != nil {
		c.PublicAccess = &types.PublicAccess{Type: text(p, "type")}
	}
	if v := block(o, "vpc_connectivity"); v != nil {
		c.VpcConnectivity = &types.VpcConnectivity{}
		if a := block(v, "client_authentication"); a != nil {
			auth := &types.VpcConnectivityClientAuthentication{Tls: &types.VpcConnectivityTls{Enabled: flag(a, "tls")}}
			if s := block(a, "sasl"); s != nil {
				auth.Sasl = &types.VpcConnectivitySasl{
					Iam: &types.VpcConnectivityIam{Enabled: flag(s, "iam")}, Scram: &types.VpcConnectivityScram{Enabled: flag(s, "scram")},
				}
			}
			c.VpcConnectivity.ClientAuthentication = auth
		}
	}
	return c
}

func clientAuthentication(config object) *types.ClientAuthentication {
	o := block(config, "client_authentication")
	if o == nil {
		return nil
	}
	a := &types.ClientAuthentication{Unauthenticated: &types.Unauthenticated{Enabled: flag(o, "unauthenticated")}}
	if s := block(o, "sasl"); s != nil {
		a.Sasl = &types.Sasl{Iam: &types.Iam{Enabled: flag(s, "iam")}, Scram: &types.Scram{Enabled: flag(s, "scram")}}
	}
	if t := block(o, "tls"); t != nil {
		arns := texts(t["certificate_authority_arns"])
		a.Tls = &types.Tls{Enabled: aws.Bool(len(arns) > 0), CertificateAuthorityArnList: arns}
	}
	return a
}

func configurationInfo(config object) *types.ConfigurationInfo {
	o := block(config, "configuration_info")
	if o == nil {
		return nil
	}
	return &types.ConfigurationInfo{Arn: text(o, "arn"), Revision: aws.Int64(int64(*number(o, "revision")))}
}

func encryption(config object) *types.EncryptionInfo {
	o := block(config, "encryption_info")
	if o == nil {
		return nil
	}
	e := &types.EncryptionInfo{}
	if t := block(o, "encryption_in_transit"); t != nil {
		e.EncryptionInTransit = &types.EncryptionInTransit{ClientBroker: types.ClientBrokerTls, InCluster: aws.Bool(true)}
		if v := text(t, "client_broker"); v != nil {
			e.EncryptionInTransit.ClientBroker = types.ClientBroker(*v)
		}
		if v, ok := t["in_cluster"].(bool); ok {
			e.EncryptionInTransit.InCluster = &v
		}
	}
	if v := text(o, "encryption_at_rest_kms_key_arn"); v != nil {
		e.EncryptionAtRest = &types.EncryptionAtRest{DataVolumeKMSKeyId: v}
	}
	return e
}

func logging(config object) *types.LoggingInfo {
	o := block(block(config, "logging_info"), "broker_logs")
	if o == nil {
		return nil
	}
	l := &types.BrokerLogs{}
	if c := block(o, "cloudwatch_logs"); c != nil {
		l.CloudWatchLogs = &types.CloudWatchLogs{Enabled: flag(c, "enabled"), LogGroup: text(c, "log_group")}
	}
	if f := block(o, "firehose"); f != nil {
		l.Firehose = &types.Firehose{Enabled: flag(f, "enabled"), DeliveryStream: text(f, "delivery_stream")}
	}
	if s := block(o, "s3"); s != nil {
		l.S3 = &types.S3{Enabled: flag(s, "enabled"), Bucket: text(s, "bucket"), Prefix: text(s, "prefix")}
	}
	return &types.LoggingInfo{BrokerLogs: l}
}

func openMonitoring(config object) *types.OpenMonitoringInfo {
	o := block(block(config, "open_monitoring"), "prometheus")
	if o == nil {
		return nil
	}
	p := &types.PrometheusInfo{}
	if j := block(o, "jmx_exporter"); j != nil {
		p.JmxExporter = &types.JmxExporterInfo{EnabledInBroker: flag(j, "enabled_in_broker")}
	}
	if n := block(o, "node_exporter"); n != nil {
		p.NodeExporter = &types.NodeExporterInfo{EnabledInBroker: flag(n, "enabled_in_broker")}
	}
	return &types.OpenMonitoringInfo{Prometheus: p}
}

func rebalancing(config object) *types.Rebalancing {
	o := block(config, "rebalancing")
	if o == nil {
		return nil
	}
	return &types.Rebalancing{Status: types.RebalancingStatus(*text(o, "status"))}
}
