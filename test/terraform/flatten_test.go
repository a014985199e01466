package terraform

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// What answers are in Terraform's state: a structure that is there is a block, also when nothing is in it.

// one is the list of one block; none for a structure that is not there.
func one[T any](v *T, flat func(*T) object) []any {
	if v == nil {
		return nil
	}
	return []any{flat(v)}
}

func flatNodeGroup(g *types.BrokerNodeGroupInfo) []any {
	return one(g, func(g *types.BrokerNodeGroupInfo) object {
		return object{
			"az_distribution": g.BrokerAZDistribution, "client_subnets": g.ClientSubnets, "instance_type": aws.ToString(g.InstanceType),
			"security_groups": g.SecurityGroups, "connectivity_info": one(g.ConnectivityInfo, flatConnectivity),
			"storage_info": one(g.StorageInfo, func(s *types.StorageInfo) object {
				return object{"ebs_storage_info": one(s.EbsStorageInfo, func(e *types.EBSStorageInfo) object {
					return object{"volume_size": e.VolumeSize, "provisioned_throughput": one(e.ProvisionedThroughput, func(t *types.ProvisionedThroughput) object {
						return object{"enabled": aws.ToBool(t.Enabled), "volume_throughput": aws.ToInt32(t.VolumeThroughput)}
					})}
				})}
			}),
		}
	})
}

func flatConnectivity(c *types.ConnectivityInfo) object {
	return object{
		"public_access": one(c.PublicAccess, func(p *types.PublicAccess) object { return object{"type": aws.ToString(p.Type)} }),
		"vpc_connectivity": one(c.VpcConnectivity, func(v *types.VpcConnectivity) object {
			return object{"client_authentication": one(v.ClientAuthentication, func(a *types.VpcConnectivityClientAuthentication) object {
				o := object{"sasl": one(a.Sasl, func(s *types.VpcConnectivitySasl) object {
					o := object{}
					if s.Iam != nil {
						o["iam"] = aws.ToBool(s.Iam.Enabled)
					}
					if s.Scram != nil {
						o["scram"] = aws.ToBool(s.Scram.Enabled)
					}
					return o
				})}
				if a.Tls != nil {
					o["tls"] = aws.ToBool(a.Tls.Enabled)
				}
				return o
			})}
		}),
	}
}

func flatAuthentication(a *types.ClientAuthentication) []any {
	return one(a, func(a *types.ClientAuthentication) object {
		o := object{
			"sasl": one(a.Sasl, func(s *types.Sasl) object {
				o := object{}
				if s.Iam != nil {
					o["iam"] = aws.ToBool(s.Iam.Enabled)
				}
				if s.Scram != nil {
					o["scram"] = aws.ToBool(s.Scram.Enabled)
				}
				return o
			}),
			"tls": one(a.Tls, func(t *types.Tls) object {
				if !aws.ToBool(t.Enabled) {
					return object{}
				}
				return object{"certificate_authority_arns": t.CertificateAuthorityArnList}
			}),
		}
		if a.Unauthenticated != nil {
			o["unauthenticated"] = aws.ToBool(a.Unauthenticated.Enabled)
		}
		return o
	})
}

// flatConfiguration is no block where a cluster has no configuration.
func flatConfiguration(s *types.BrokerSoftwareInfo) []any {
	if s.ConfigurationArn == nil && s.ConfigurationRevision == nil {
		return nil
	}
	return []any{object{"arn": aws.ToString(s.ConfigurationArn), "revision": aws.ToInt64(s.ConfigurationRevision)}}
}

func flatEncryption(e *types.EncryptionInfo) []any {
	return one(e, func(e *types.EncryptionInfo) object {
		o := object{"encryption_in_transit": one(e.EncryptionInTransit, func(t *types.EncryptionInTransit) object {
			return object{"client_broker": t.ClientBroker, "in_cluster": aws.ToBool(t.InCluster)}
		})}
		if e.EncryptionAtRest != nil {
			o["encryption_at_rest_kms_key_arn"] = aws.ToString(e.EncryptionAtRest.DataVolumeKMSKeyId)
		}
		return o
	})
}

func flatLogging(l *types.LoggingInfo) []any {
	return one(l, func(l *types.LoggingInfo) object {
		return object{"broker_logs": one(l.BrokerLogs, func(b *types.BrokerLogs) object {
			return object{
				"cloudwatch_logs": one(b.CloudWatchLogs, func(c *types.CloudWatchLogs) object {
					return object{"enabled": aws.ToBool(c.Enabled), "log_group": aws.ToString(c.LogGroup)}
				}),
				"firehose": one(b.Firehose, func(f *types.Firehose) object {
					return object{"enabled": aws.ToBool(f.Enabled), "delivery_stream": aws.ToString(f.DeliveryStream)}
				}),
				"s3": one(b.S3, func(s *types.S3) object {
					return object{"enabled": aws.ToBool(s.Enabled), "bucket": aws.ToString(s.Bucket), "prefix": aws.ToString(s.Prefix)}
				}),
			}
		})}
	})
}

func flatMonitoring(m *types.OpenMonitoring) []any {
	return one(m, func(m *types.OpenMonitoring) object {
		return object{"prometheus": one(m.Prometheus, func(p *types.Prometheus) object {
			return object{
				"jmx_exporter":  one(p.JmxExporter, func(j *types.JmxExporter) object { return object{"enabled_in_broker": aws.ToBool(j.EnabledInBroker)} }),
				"node_exporter": one(p.NodeExporter, func(n *types.NodeExporter) object { return object{"enabled_in_broker": aws.ToBool(n.EnabledInBroker)} }),
			}
		})}
	})
}

func flatRebalancing(r *types.Rebalancing) []any {
	return one(r, func(r *types.Rebalancing) object { return object{"status": r.Status} })
}
