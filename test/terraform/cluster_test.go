package terraform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// clusterState polls as the provider does, by the newer call, for clusters of both kinds.
func clusterState(p *provider, arn string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		out, err := p.kafka.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: &arn})
		if is[*types.NotFoundException](err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return string(out.ClusterInfo.State), nil
	}
}

func (p *provider) clusterCreated(ctx context.Context, arn string) error {
	return waiter{pending: []string{"CREATING"}, target: []string{"ACTIVE"}}.wait(ctx, clusterState(p, arn))
}

func (p *provider) deleteCluster(ctx context.Context, arn string, _ object) error {
	_, err := p.kafka.DeleteCluster(ctx, &kafka.DeleteClusterInput{ClusterArn: &arn})
	if is[*types.NotFoundException](err) {
		return nil
	}
	if err != nil {
		return err
	}
	return waiter{pending: []string{"DELETING"}}.wait(ctx, clusterState(p, arn))
}

// operationDone waits for the end of an operation.
func (p *provider) operationDone(ctx context.Context, arn *string) error {
	w := waiter{pending: []string{"PENDING", "UPDATE_IN_PROGRESS"}, target: []string{"UPDATE_COMPLETE"}}
	return w.wait(ctx, func(ctx context.Context) (string, error) {
		out, err := p.kafka.DescribeClusterOperation(ctx, &kafka.DescribeClusterOperationInput{ClusterOperationArn: arn})
		if err != nil {
			return "", err
		}
		o := out.ClusterOperationInfo
		if o.ErrorInfo != nil {
			return "", fmt.Errorf("%s: %s: %s", *o.OperationState, aws.ToString(o.ErrorInfo.ErrorCode), aws.ToString(o.ErrorInfo.ErrorString))
		}
		return *o.OperationState, nil
	})
}

// findCluster reads by the older call, as Terraform does. nil is gone.
func (p *provider) findCluster(ctx context.Context, arn string) (*types.ClusterInfo, error) {
	out, err := p.kafka.DescribeCluster(ctx, &kafka.DescribeClusterInput{ClusterArn: &arn})
	if is[*types.NotFoundException](err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if out.ClusterInfo == nil {
		return nil, fmt.Errorf("DescribeCluster answers without clusterInfo")
	}
	return out.ClusterInfo, nil
}

func (p *provider) changeKafkaTags(ctx context.Context, arn string, config, state object) error {
	return changeTags(ctx, config, state, func(ctx context.Context, m map[string]string) error {
		_, err := p.kafka.TagResource(ctx, &kafka.TagResourceInput{ResourceArn: &arn, Tags: m})
		return err
	}, func(ctx context.Context, keys []string) error {
		_, err := p.kafka.UntagResource(ctx, &kafka.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
		return err
	})
}

func mskCluster() resource {
	const connectivity = "broker_node_group_info.connectivity_info"
	return resource{
		schema: schema{
			computed: []string{
				"id", "arn", "cluster_uuid", "current_version", "zookeeper_connect_string", "zookeeper_connect_string_tls", "storage_mode", "rebalancing",
				"bootstrap_brokers", "bootstrap_brokers_tls", "bootstrap_brokers_sasl_scram", "bootstrap_brokers_sasl_iam",
				"bootstrap_brokers_public_tls", "bootstrap_brokers_public_sasl_scram", "bootstrap_brokers_public_sasl_iam",
				"bootstrap_brokers_vpc_connectivity_tls", "bootstrap_brokers_vpc_connectivity_sasl_scram", "bootstrap_brokers_vpc_connectivity_sasl_iam",
				connectivity, connectivity + ".public_access", connectivity + ".public_access.type", connectivity + ".vpc_connectivity",
				connectivity + ".vpc_connectivity.client_authentication", connectivity + ".vpc_connectivity.client_authentication.sasl",
				connectivity + ".vpc_connectivity.client_authentication.sasl.iam", connectivity + ".vpc_connectivity.client_authentication.sasl.scram",
				connectivity + ".vpc_connectivity.client_authentication.tls",
				"broker_node_group_info.storage_info", "encryption_info.encryption_at_rest_kms_key_arn",
			},
			optional: []string{
				"encryption_info", "encryption_info.encryption_in_transit", "logging_info", "logging_info.broker_logs.cloudwatch_logs",
				"logging_info.broker_logs.firehose", "logging_info.broker_logs.s3", "open_monitoring", "open_monitoring.prometheus.jmx_exporter",
				"open_monitoring.prometheus.node_exporter", "broker_node_group_info.storage_info.ebs_storage_info.provisioned_throughput",
			},
			sets: []string{
				"broker_node_group_info.client_subnets", "broker_node_group_info.security_groups", "client_authentication.tls.certificate_authority_arns",
			},
			replace: []string{
				"cluster_name", "broker_node_group_info.client_subnets", "broker_node_group_info.security_groups", "broker_node_group_info.az_distribution",
				"encryption_info.encryption_at_rest_kms_key_arn", "encryption_info.encryption_in_transit.in_cluster",
			},
			defaults: object{
				"enhanced_monitoring": "DEFAULT", "broker_node_group_info.az_distribution": "DEFAULT",
				"encryption_info.encryption_in_transit.client_broker": "TLS", "encryption_info.encryption_in_transit.in_cluster": true,
			},
		},
		create: createCluster, read: readCluster, update: updateCluster,
		remove: func(ctx context.Context, p *provider, id string, state object) error {
			return p.deleteCluster(ctx, id, state)
		},
	}
}

// createCluster asks for everything but the authentication of VPC connections, which a new cluster cannot have.
func createCluster(ctx context.Context, p *provider, config object) (string, error) {
	in := &kafka.CreateClusterInput{
		ClusterName: text(config, "cluster_name"), KafkaVersion: text(config, "kafka_version"), NumberOfBrokerNodes: number(config, "number_of_broker_nodes"),
		BrokerNodeGroupInfo: brokerNodeGroup(block(config, "broker_node_group_info")), ClientAuthentication: clientAuthentication(config),
		ConfigurationInfo: configurationInfo(config), EncryptionInfo: encryption(config), EnhancedMonitoring: types.EnhancedMonitoringDefault,
		LoggingInfo: logging(config), OpenMonitoring: openMonitoring(config), Rebalancing: rebalancing(config), Tags: tags(config),
	}
	if v := text(config, "enhanced_monitoring"); v != nil {
		in.EnhancedMonitoring = types.EnhancedMonitoring(*v)
	}
	if v := text(config, "storage_mode"); v != nil {
		in.StorageMode = types.StorageMode(*v)
	}
	var later *types.VpcConnectivity
	if c := in.BrokerNodeGroupInfo.ConnectivityInfo; c != nil {
		later, c.VpcConnectivity = c.VpcConnectivity, nil
	}
	out, err := p.kafka.CreateCluster(ctx, in)
	if err != nil {
		return "", err
	}
	arn := *out.ClusterArn
	if err := p.clusterCreated(ctx, arn); err != nil || later == nil {
		return arn, err
	}
	cluster, err := p.findCluster(ctx, arn)
	if err != nil {
		return "", err
	}
	operation, err := p.kafka.UpdateConnectivity(ctx, &kafka.UpdateConnectivityInput{
		ClusterArn: &arn, ConnectivityInfo: &types.ConnectivityInfo{VpcConnectivity: later}, CurrentVersion: cluster.CurrentVersion,
	})
	if err != nil {
		return "", err
	}
	return arn, p.operationDone(ctx, operation.ClusterOperationArn)
}

func readCluster(ctx context.Context, p *provider, arn string, _ object) (object, error) {
	c, err := p.findCluster(ctx, arn)
	if c == nil {
		return nil, err
	}
	b, err := p.kafka.GetBootstrapBrokers(ctx, &kafka.GetBootstrapBrokersInput{ClusterArn: &arn})
	if err != nil {
		return nil, err
	}
	parts := strings.Split(arn, "/")
	if len(parts) != 3 {
		return nil, fmt.Errorf("the ARN %s has not three parts", arn)
	}
	return object{
		"arn": *c.ClusterArn, "cluster_uuid": parts[2], "cluster_name": *c.ClusterName, "current_version": *c.CurrentVersion,
		"bootstrap_brokers": sorted(b.BootstrapBrokerString), "bootstrap_brokers_tls": sorted(b.BootstrapBrokerStringTls),
		"bootstrap_brokers_sasl_iam": sorted(b.BootstrapBrokerStringSaslIam), "bootstrap_brokers_sasl_scram": sorted(b.BootstrapBrokerStringSaslScram),
		"broker_node_group_info": flatNodeGroup(c.BrokerNodeGroupInfo), "client_authentication": flatAuthentication(c.ClientAuthentication),
		"configuration_info": flatConfiguration(c.CurrentBrokerSoftwareInfo), "enhanced_monitoring": c.EnhancedMonitoring,
		"encryption_info": flatEncryption(c.EncryptionInfo), "kafka_version": *c.CurrentBrokerSoftwareInfo.KafkaVersion,
		"logging_info": flatLogging(c.LoggingInfo), "number_of_broker_nodes": *c.NumberOfBrokerNodes, "open_monitoring": flatMonitoring(c.OpenMonitoring),
		"rebalancing": flatRebalancing(c.Rebalancing), "storage_mode": c.StorageMode, "tags": c.Tags,
		"zookeeper_connect_string": sorted(c.ZookeeperConnectString), "zookeeper_connect_string_tls": sorted(c.ZookeeperConnectStringTls),
	}, nil
}

// sorted is a list of endpoints in the order in which Terraform keeps it.
func sorted(endpoints *string) string {
	list := strings.Split(aws.ToString(endpoints), ",")
	slices.Sort(list)
	return strings.Join(list, ",")
}

// updateCluster makes one call for each part that changed, in the provider's order, and waits for each.
func updateCluster(ctx context.Context, p *provider, arn string, config, state object, d []difference) error {
	version := text(state, "current_version")
	nodes := block(config, "broker_node_group_info")
	k := p.kafka
	steps := []struct {
		name    string
		changed bool
		call    func() (*string, error)
	}{
		{"connectivity", under(d, "broker_node_group_info.connectivity_info"), func() (*string, error) {
			out, err := k.UpdateConnectivity(ctx, &kafka.UpdateConnectivityInput{ClusterArn: &arn, CurrentVersion: version, ConnectivityInfo: connectivityInfo(nodes)})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"type", under(d, "broker_node_group_info.instance_type"), func() (*string, error) {
			out, err := k.UpdateBrokerType(ctx, &kafka.UpdateBrokerTypeInput{ClusterArn: &arn, CurrentVersion: version, TargetInstanceType: text(nodes, "instance_type")})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"storage", under(d, "broker_node_group_info.storage_info"), func() (*string, error) {
			volume := block(block(nodes, "storage_info"), "ebs_storage_info")
			info := types.BrokerEBSVolumeInfo{KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: number(volume, "volume_size")}
			if t := block(volume, "provisioned_throughput"); t != nil {
				info.ProvisionedThroughput = &types.ProvisionedThroughput{Enabled: flag(t, "enabled"), VolumeThroughput: number(t, "volume_throughput")}
			}
			out, err := k.UpdateBrokerStorage(ctx, &kafka.UpdateBrokerStorageInput{
				ClusterArn: &arn, CurrentVersion: version, TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{info},
			})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"count", under(d, "number_of_broker_nodes"), func() (*string, error) {
			out, err := k.UpdateBrokerCount(ctx, &kafka.UpdateBrokerCountInput{
				ClusterArn: &arn, CurrentVersion: version, TargetNumberOfBrokerNodes: number(config, "number_of_broker_nodes"),
			})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"monitoring", under(d, "enhanced_monitoring", "logging_info", "open_monitoring"), func() (*string, error) {
			in := &kafka.UpdateMonitoringInput{
				ClusterArn: &arn, CurrentVersion: version, EnhancedMonitoring: types.EnhancedMonitoringDefault, LoggingInfo: logging(config),
				OpenMonitoring: openMonitoring(config),
			}
			if v := text(config, "enhanced_monitoring"); v != nil {
				in.EnhancedMonitoring = types.EnhancedMonitoring(*v)
			}
			out, err := k.UpdateMonitoring(ctx, in)
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"configuration", under(d, "configuration_info") && !under(d, "kafka_version"), func() (*string, error) {
			out, err := k.UpdateClusterConfiguration(ctx, &kafka.UpdateClusterConfigurationInput{
				ClusterArn: &arn, CurrentVersion: version, ConfigurationInfo: configurationInfo(config),
			})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"version", under(d, "kafka_version"), func() (*string, error) {
			in := &kafka.UpdateClusterKafkaVersionInput{ClusterArn: &arn, CurrentVersion: version, TargetKafkaVersion: text(config, "kafka_version")}
			if under(d, "configuration_info") {
				in.ConfigurationInfo = configurationInfo(config)
			}
			out, err := k.UpdateClusterKafkaVersion(ctx, in)
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"security", under(d, "encryption_info", "client_authentication"), func() (*string, error) {
			in := &kafka.UpdateSecurityInput{ClusterArn: &arn, CurrentVersion: version}
			if under(d, "client_authentication") {
				in.ClientAuthentication = clientAuthentication(config)
			}
			if under(d, "encryption_info") {
				if in.EncryptionInfo = encryption(config); in.EncryptionInfo != nil {
					in.EncryptionInfo.EncryptionAtRest = nil // cannot be changed, and refused when it is sent
					if t := in.EncryptionInfo.EncryptionInTransit; t != nil {
						t.InCluster = nil // neither can this
					}
				}
			}
			out, err := k.UpdateSecurity(ctx, in)
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"storage mode", under(d, "storage_mode"), func() (*string, error) {
			out, err := k.UpdateStorage(ctx, &kafka.UpdateStorageInput{
				ClusterArn: &arn, CurrentVersion: version, StorageMode: types.StorageMode(*text(config, "storage_mode")),
			})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
		{"rebalancing", under(d, "rebalancing"), func() (*string, error) {
			out, err := k.UpdateRebalancing(ctx, &kafka.UpdateRebalancingInput{ClusterArn: &arn, CurrentVersion: version, Rebalancing: rebalancing(config)})
			return operation(out, err, func() *string { return out.ClusterOperationArn })
		}},
	}
	for _, step := range steps {
		if !step.changed {
			continue
		}
		id, err := step.call()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := p.operationDone(ctx, id); err != nil {
			return fmt.Errorf("%s: waiting for %s: %w", step.name, *id, err)
		}
		c, err := p.findCluster(ctx, arn)
		if err != nil {
			return err
		}
		if *c.CurrentVersion == *version {
			return fmt.Errorf("%s: the cluster's version is still %s", step.name, *version)
		}
		version = c.CurrentVersion
	}
	if under(d, "tags") {
		return p.changeKafkaTags(ctx, arn, config, state)
	}
	return nil
}

// operation is the operation that an update call answered with.
func operation[T any](_ *T, err error, arn func() *string) (*string, error) {
	if err != nil {
		return nil, err
	}
	if arn() == nil {
		return nil, fmt.Errorf("the answer names no operation")
	}
	return arn(), nil
}
