package terraform

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

func serverlessCluster() resource {
	return resource{
		schema: schema{
			computed: []string{"id", "arn", "bootstrap_brokers_sasl_iam", "cluster_uuid"},
			sets:     []string{"vpc_config.subnet_ids", "vpc_config.security_group_ids"},
			replace:  []string{"cluster_name", "vpc_config", "client_authentication"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			request := &types.ServerlessRequest{}
			if s := block(block(block(config, "client_authentication"), "sasl"), "iam"); s != nil {
				request.ClientAuthentication = &types.ServerlessClientAuthentication{Sasl: &types.ServerlessSasl{Iam: &types.Iam{Enabled: flag(s, "enabled")}}}
			}
			list, _ := blocks(config["vpc_config"])
			for _, v := range list {
				request.VpcConfigs = append(request.VpcConfigs, types.VpcConfig{SubnetIds: texts(v["subnet_ids"]), SecurityGroupIds: texts(v["security_group_ids"])})
			}
			out, err := p.kafka.CreateClusterV2(ctx, &kafka.CreateClusterV2Input{ClusterName: text(config, "cluster_name"), Serverless: request, Tags: tags(config)})
			if err != nil {
				return "", err
			}
			return *out.ClusterArn, p.clusterCreated(ctx, *out.ClusterArn)
		},
		read: func(ctx context.Context, p *provider, arn string, _ object) (object, error) {
			out, err := p.kafka.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: &arn})
			if is[*types.NotFoundException](err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			c := out.ClusterInfo
			state := object{"arn": *c.ClusterArn, "cluster_name": *c.ClusterName, "tags": c.Tags}
			state["client_authentication"] = one(c.Serverless.ClientAuthentication, func(a *types.ServerlessClientAuthentication) object {
				return object{"sasl": one(a.Sasl, func(s *types.ServerlessSasl) object {
					return object{"iam": one(s.Iam, func(i *types.Iam) object { return object{"enabled": aws.ToBool(i.Enabled)} })}
				})}
			})
			var configs []any
			for _, v := range c.Serverless.VpcConfigs {
				configs = append(configs, object{"subnet_ids": v.SubnetIds, "security_group_ids": v.SecurityGroupIds})
			}
			state["vpc_config"] = configs
			b, err := p.kafka.GetBootstrapBrokers(ctx, &kafka.GetBootstrapBrokersInput{ClusterArn: &arn})
			if err != nil {
				return nil, err
			}
			state["bootstrap_brokers_sasl_iam"] = sorted(b.BootstrapBrokerStringSaslIam)
			return state, nil
		},
		update: func(ctx context.Context, p *provider, arn string, config, state object, _ []difference) error {
			return p.changeKafkaTags(ctx, arn, config, state)
		},
		remove: func(ctx context.Context, p *provider, arn string, state object) error {
			return p.deleteCluster(ctx, arn, state)
		},
	}
}

func mskConfiguration() resource {
	gone := func(err error) bool {
		bad, ok := errors.AsType[*types.BadRequestException](err)
		return ok && strings.Contains(bad.ErrorMessage(), "Configuration ARN does not exist")
	}
	return resource{
		schema: schema{computed: []string{"id", "arn", "latest_revision"}, sets: []string{"kafka_versions"}, replace: []string{"kafka_versions", "name"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			out, err := p.kafka.CreateConfiguration(ctx, &kafka.CreateConfigurationInput{
				Name: text(config, "name"), ServerProperties: []byte(*text(config, "server_properties")), Description: text(config, "description"),
				KafkaVersions: texts(config["kafka_versions"]),
			})
			if err != nil {
				return "", err
			}
			return *out.Arn, nil
		},
		read: func(ctx context.Context, p *provider, arn string, _ object) (object, error) {
			out, err := p.kafka.DescribeConfiguration(ctx, &kafka.DescribeConfigurationInput{Arn: &arn})
			if gone(err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			r, err := p.kafka.DescribeConfigurationRevision(ctx, &kafka.DescribeConfigurationRevisionInput{Arn: &arn, Revision: out.LatestRevision.Revision})
			if err != nil {
				return nil, err
			}
			return object{
				"arn": *out.Arn, "name": *out.Name, "description": aws.ToString(r.Description), "kafka_versions": out.KafkaVersions,
				"latest_revision": *out.LatestRevision.Revision, "server_properties": string(r.ServerProperties),
			}, nil
		},
		update: func(ctx context.Context, p *provider, arn string, config, _ object, _ []difference) error {
			_, err := p.kafka.UpdateConfiguration(ctx, &kafka.UpdateConfigurationInput{
				Arn: &arn, ServerProperties: []byte(*text(config, "server_properties")), Description: text(config, "description"),
			})
			return err
		},
		remove: func(ctx context.Context, p *provider, arn string, _ object) error {
			if _, err := p.kafka.DeleteConfiguration(ctx, &kafka.DeleteConfigurationInput{Arn: &arn}); err != nil {
				return err
			}
			return waiter{pending: []string{"DELETING"}}.wait(ctx, func(ctx context.Context) (string, error) {
				out, err := p.kafka.DescribeConfiguration(ctx, &kafka.DescribeConfigurationInput{Arn: &arn})
				if gone(err) {
					return "", nil
				}
				if err != nil {
					return "", err
				}
				return string(out.State), nil
			})
		},
	}
}

func scramAssociation() resource {
	list := func(ctx context.Context, p *provider, arn string) ([]string, error) {
		var arns []string
		for pages := kafka.NewListScramSecretsPaginator(p.kafka, &kafka.ListScramSecretsInput{ClusterArn: &arn}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			arns = append(arns, page.SecretArnList...)
		}
		return arns, nil
	}
	refused := func(secrets []types.UnprocessedScramSecret) error {
		var errs []error
		for _, u := range secrets {
			errs = append(errs, fmt.Errorf("%s: %s: %s", *u.SecretArn, *u.ErrorCode, *u.ErrorMessage))
		}
		return errors.Join(errs...)
	}
	associate := func(ctx context.Context, p *provider, arn string, secrets []string) error {
		for chunk := range slices.Chunk(secrets, 10) {
			out, err := p.kafka.BatchAssociateScramSecret(ctx, &kafka.BatchAssociateScramSecretInput{ClusterArn: &arn, SecretArnList: chunk})
			if err != nil {
				return err
			}
			if err := refused(out.UnprocessedScramSecrets); err != nil {
				return err
			}
		}
		return nil
	}
	disassociate := func(ctx context.Context, p *provider, arn string, secrets []string) error {
		for chunk := range slices.Chunk(secrets, 10) {
			out, err := p.kafka.BatchDisassociateScramSecret(ctx, &kafka.BatchDisassociateScramSecretInput{ClusterArn: &arn, SecretArnList: chunk})
			if err != nil {
				return err
			}
			if err := refused(out.UnprocessedScramSecrets); err != nil {
				return err
			}
		}
		return nil
	}
	return resource{
		schema: schema{computed: []string{"id"}, sets: []string{"secret_arn_list"}, replace: []string{"cluster_arn"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			arn := *text(config, "cluster_arn")
			return arn, associate(ctx, p, arn, texts(config["secret_arn_list"]))
		},
		read: func(ctx context.Context, p *provider, arn string, _ object) (object, error) {
			secrets, err := list(ctx, p, arn)
			if is[*types.NotFoundException](err) || err == nil && len(secrets) == 0 {
				return nil, nil
			}
			return object{"cluster_arn": arn, "secret_arn_list": secrets}, err
		},
		update: func(ctx context.Context, p *provider, arn string, config, state object, _ []difference) error {
			want, have := texts(config["secret_arn_list"]), texts(state["secret_arn_list"])
			missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(have, s) })
			if err := associate(ctx, p, arn, missing); err != nil {
				return err
			}
			return disassociate(ctx, p, arn, slices.DeleteFunc(have, func(s string) bool { return slices.Contains(want, s) }))
		},
		remove: func(ctx context.Context, p *provider, arn string, state object) error {
			return disassociate(ctx, p, arn, texts(state["secret_arn_list"]))
		},
	}
}

func clusterPolicy() resource {
	put := func(ctx context.Context, p *provider, config object, version *string) (string, error) {
		arn := text(config, "cluster_arn")
		_, err := p.kafka.PutClusterPolicy(ctx, &kafka.PutClusterPolicyInput{ClusterArn: arn, Policy: text(config, "policy"), CurrentVersion: version})
		return *arn, err
	}
	return resource{
		schema: schema{computed: []string{"id", "current_version"}, json: []string{"policy"}, replace: []string{"cluster_arn"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) { return put(ctx, p, config, nil) },
		read: func(ctx context.Context, p *provider, arn string, _ object) (object, error) {
			out, err := p.kafka.GetClusterPolicy(ctx, &kafka.GetClusterPolicyInput{ClusterArn: &arn})
			if is[*types.NotFoundException](err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return object{"cluster_arn": arn, "policy": *out.Policy, "current_version": *out.CurrentVersion}, nil
		},
		update: func(ctx context.Context, p *provider, _ string, config, state object, _ []difference) error {
			_, err := put(ctx, p, config, text(state, "current_version"))
			return err
		},
		remove: func(ctx context.Context, p *provider, arn string, _ object) error {
			_, err := p.kafka.DeleteClusterPolicy(ctx, &kafka.DeleteClusterPolicyInput{ClusterArn: &arn})
			return err
		},
	}
}

func mskTopic() resource {
	find := func(ctx context.Context, p *provider, id string) (*kafka.DescribeTopicOutput, error) {
		cluster, name, _ := strings.Cut(id, ",")
		out, err := p.kafka.DescribeTopic(ctx, &kafka.DescribeTopicInput{ClusterArn: &cluster, TopicName: &name})
		if is[*types.NotFoundException](err) {
			return nil, nil
		}
		return out, err
	}
	state := func(p *provider, id string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			t, err := find(ctx, p, id)
			if t == nil || err != nil {
				return "", err
			}
			return string(t.Status), nil
		}
	}
	encode := func(config object, missing *string) *string {
		if c := text(config, "configs"); c != nil {
			return aws.String(base64.StdEncoding.EncodeToString([]byte(*c)))
		}
		return missing
	}
	return resource{
		schema: schema{computed: []string{"id", "arn", "configs_actual"}, json: []string{"configs"}, unknown: []string{"configs"}, replace: []string{"cluster_arn", "name", "replication_factor"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			cluster, name := text(config, "cluster_arn"), text(config, "name")
			_, err := p.kafka.CreateTopic(ctx, &kafka.CreateTopicInput{
				ClusterArn: cluster, TopicName: name, PartitionCount: number(config, "partition_count"), ReplicationFactor: number(config, "replication_factor"),
				Configs: encode(config, nil),
			})
			if err != nil {
				return "", err
			}
			id := *cluster + "," + *name
			return id, waiter{target: []string{"ACTIVE"}, twice: true}.wait(ctx, state(p, id))
		},
		read: func(ctx context.Context, p *provider, id string, prior object) (object, error) {
			t, err := find(ctx, p, id)
			if t == nil || err != nil {
				return nil, err
			}
			actual, err := base64.StdEncoding.DecodeString(aws.ToString(t.Configs))
			if err != nil {
				return nil, err
			}
			cluster, _, _ := strings.Cut(id, ",")
			out := object{
				"arn": *t.TopicArn, "cluster_arn": cluster, "name": *t.TopicName, "partition_count": *t.PartitionCount, "replication_factor": *t.ReplicationFactor,
				"configs_actual": string(actual),
			}
			var server, ours map[string]any
			if err := json.Unmarshal(actual, &server); err != nil {
				return nil, fmt.Errorf("configs %q: %w", actual, err)
			}
			if prior == nil {
				out["configs"] = string(actual)
				return out, nil
			}
			configs := text(prior, "configs")
			if configs == nil {
				return out, nil // what the server has by default is nobody's configuration
			}
			if err := json.Unmarshal([]byte(*configs), &ours); err != nil {
				return nil, err
			}
			for k := range maps.Clone(ours) {
				if v, ok := server[k]; ok {
					ours[k] = v
				} else {
					delete(ours, k)
				}
			}
			text, err := json.Marshal(ours)
			out["configs"] = string(text)
			return out, err
		},
		update: func(ctx context.Context, p *provider, id string, config, _ object, d []difference) error {
			cluster, name := text(config, "cluster_arn"), text(config, "name")
			done := waiter{pending: []string{"UPDATING"}, target: []string{"ACTIVE"}, twice: true}
			if under(d, "configs") {
				in := &kafka.UpdateTopicInput{ClusterArn: cluster, TopicName: name, Configs: encode(config, aws.String("e30="))}
				if _, err := p.kafka.UpdateTopic(ctx, in); err != nil {
					return err
				}
				if err := done.wait(ctx, state(p, id)); err != nil {
					return err
				}
			}
			if under(d, "partition_count") {
				in := &kafka.UpdateTopicInput{ClusterArn: cluster, TopicName: name, PartitionCount: number(config, "partition_count")}
				if _, err := p.kafka.UpdateTopic(ctx, in); err != nil {
					return err
				}
				return done.wait(ctx, state(p, id))
			}
			return nil
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			cluster, name, _ := strings.Cut(id, ",")
			if _, err := p.kafka.DeleteTopic(ctx, &kafka.DeleteTopicInput{ClusterArn: &cluster, TopicName: &name}); err != nil {
				return err
			}
			return waiter{pending: []string{"DELETING", "ACTIVE"}}.wait(ctx, state(p, id))
		},
	}
}

func vpcConnection() resource {
	find := func(ctx context.Context, p *provider, arn string) (*kafka.DescribeVpcConnectionOutput, error) {
		out, err := p.kafka.DescribeVpcConnection(ctx, &kafka.DescribeVpcConnectionInput{Arn: &arn})
		if is[*types.NotFoundException](err) {
			return nil, nil
		}
		return out, err
	}
	state := func(p *provider, arn string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			c, err := find(ctx, p, arn)
			if c == nil || err != nil {
				return "", err
			}
			return string(c.State), nil
		}
	}
	return resource{
		schema: schema{
			computed: []string{"id", "arn"}, sets: []string{"client_subnets", "security_groups"},
			replace: []string{"authentication", "client_subnets", "security_groups", "target_cluster_arn", "vpc_id"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			out, err := p.kafka.CreateVpcConnection(ctx, &kafka.CreateVpcConnectionInput{
				Authentication: text(config, "authentication"), ClientSubnets: texts(config["client_subnets"]), SecurityGroups: texts(config["security_groups"]),
				TargetClusterArn: text(config, "target_cluster_arn"), VpcId: text(config, "vpc_id"), Tags: tags(config),
			})
			if err != nil {
				return "", err
			}
			arn := *out.VpcConnectionArn
			return arn, waiter{pending: []string{"CREATING"}, target: []string{"AVAILABLE"}, twice: true}.wait(ctx, state(p, arn))
		},
		read: func(ctx context.Context, p *provider, arn string, _ object) (object, error) {
			c, err := find(ctx, p, arn)
			if c == nil || err != nil {
				return nil, err
			}
			return object{
				"arn": *c.VpcConnectionArn, "authentication": *c.Authentication, "client_subnets": c.Subnets, "security_groups": c.SecurityGroups,
				"target_cluster_arn": *c.TargetClusterArn, "vpc_id": *c.VpcId, "tags": c.Tags,
			}, nil
		},
		update: func(ctx context.Context, p *provider, arn string, config, state object, _ []difference) error {
			return p.changeKafkaTags(ctx, arn, config, state)
		},
		remove: func(ctx context.Context, p *provider, arn string, _ object) error {
			if _, err := p.kafka.DeleteVpcConnection(ctx, &kafka.DeleteVpcConnectionInput{Arn: &arn}); err != nil {
				return err
			}
			return waiter{pending: []string{"AVAILABLE", "INACTIVE", "DEACTIVATING", "DELETING"}}.wait(ctx, state(p, arn))
		},
	}
}

func mskChannel() resource {
	find := func(ctx context.Context, p *provider, id string) (*kafka.DescribeChannelOutput, error) {
		arn, cluster, _ := strings.Cut(id, ",")
		out, err := p.kafka.DescribeChannel(ctx, &kafka.DescribeChannelInput{ChannelArn: &arn, ClusterArn: &cluster})
		if is[*types.NotFoundException](err) {
			return nil, nil
		}
		return out, err
	}
	state := func(p *provider, id string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			c, err := find(ctx, p, id)
			if c == nil || err != nil {
				return "", err
			}
			return string(c.Status), nil
		}
	}
	destination := func(o object) *types.S3DestinationConfiguration {
		dead, storage := block(o, "dead_letter_queue_s3"), block(o, "storage")
		return &types.S3DestinationConfiguration{
			ServiceExecutionRoleArn: text(o, "service_execution_role_arn"), DataFreshnessInSeconds: number(o, "data_freshness_in_seconds"),
			DeadLetterQueueS3: &types.DeadLetterQueueS3{BucketArn: text(dead, "bucket_arn"), ErrorOutputPrefix: text(dead, "error_output_prefix")},
			Storage: &types.S3Storage{
				BucketArn: text(storage, "bucket_arn"), CompressionType: types.S3CompressionType(*text(storage, "compression_type")),
				StorageClass: types.S3StorageClass(*text(storage, "storage_class")), OutputPrefix: text(storage, "output_prefix"),
				OutputKeyTemplate: text(storage, "output_key_template"),
			},
		}
	}
	return resource{
		schema: schema{
			computed: []string{"id", "arn", "destination_type", "s3_destination.data_freshness_in_seconds"},
			replace: []string{
				"channel_name", "cluster_arn", "topic_configuration", "s3_destination.storage", "s3_destination.dead_letter_queue_s3",
				"s3_destination.service_execution_role_arn", "logging_info", "encryption_configuration",
			},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			topic := block(config, "topic_configuration")
			out, err := p.kafka.CreateChannel(ctx, &kafka.CreateChannelInput{
				ChannelName: text(config, "channel_name"), ClusterArn: text(config, "cluster_arn"), Tags: tags(config),
				TopicConfigurationList: []types.TopicConfiguration{{
					TopicArn:        text(topic, "topic_arn"),
					RecordConverter: &types.RecordConverter{ValueConverter: types.ValueConverter(*text(block(topic, "record_converter"), "value_converter"))},
				}},
				S3DestinationConfiguration: destination(block(config, "s3_destination")),
			})
			if err != nil {
				return "", err
			}
			id := *out.ChannelArn + "," + *text(config, "cluster_arn")
			return id, waiter{pending: []string{"CREATING"}, target: []string{"ACTIVE"}, twice: true}.wait(ctx, state(p, id))
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			c, err := find(ctx, p, id)
			if c == nil || err != nil {
				return nil, err
			}
			_, cluster, _ := strings.Cut(id, ",")
			var topics []any
			for _, t := range c.TopicConfigurationList {
				topics = append(topics, object{
					"topic_arn":        aws.ToString(t.TopicArn),
					"record_converter": one(t.RecordConverter, func(r *types.RecordConverter) object { return object{"value_converter": r.ValueConverter} }),
					"record_schema":    one(t.RecordSchema, func(r *types.RecordSchema) object { return object{"gsr_arn": aws.ToString(r.GsrArn)} }),
				})
			}
			return object{
				"arn": *c.ChannelArn, "channel_name": *c.ChannelName, "cluster_arn": cluster, "destination_type": c.DestinationType, "tags": c.Tags,
				"topic_configuration":      topics,
				"encryption_configuration": one(c.EncryptionConfiguration, func(*types.EncryptionConfiguration) object { return object{"set": true} }),
				"logging_info":             one(c.LoggingInfo, func(*types.ChannelLoggingInfo) object { return object{"set": true} }),
				"s3_destination": one(c.S3DestinationConfiguration, func(s *types.S3DestinationConfiguration) object {
					return object{
						"service_execution_role_arn": aws.ToString(s.ServiceExecutionRoleArn), "data_freshness_in_seconds": aws.ToInt32(s.DataFreshnessInSeconds),
						"dead_letter_queue_s3": one(s.DeadLetterQueueS3, func(d *types.DeadLetterQueueS3) object {
							return object{
								"bucket_arn": aws.ToString(d.BucketArn), "error_output_prefix": aws.ToString(d.ErrorOutputPrefix),
								"expected_bucket_owner": aws.ToString(d.ExpectedBucketOwner),
							}
						}),
						"storage": one(s.Storage, func(s *types.S3Storage) object {
							return object{
								"bucket_arn": aws.ToString(s.BucketArn), "compression_type": s.CompressionType, "storage_class": s.StorageClass,
								"output_prefix": aws.ToString(s.OutputPrefix), "output_key_template": aws.ToString(s.OutputKeyTemplate),
								"expected_bucket_owner": aws.ToString(s.ExpectedBucketOwner),
							}
						}),
					}
				}),
			}, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, before object, d []difference) error {
			arn, cluster, _ := strings.Cut(id, ",")
			if under(d, "s3_destination.data_freshness_in_seconds") {
				freshness := number(block(config, "s3_destination"), "data_freshness_in_seconds")
				_, err := p.kafka.UpdateChannel(ctx, &kafka.UpdateChannelInput{
					ChannelArn: &arn, ClusterArn: &cluster, S3DestinationUpdate: &types.S3DestinationUpdate{DataFreshnessInSeconds: freshness},
				})
				if err != nil {
					return err
				}
				if err := (waiter{pending: []string{"UPDATING"}, target: []string{"ACTIVE"}, twice: true}).wait(ctx, state(p, id)); err != nil {
					return err
				}
			}
			return p.changeKafkaTags(ctx, arn, config, before)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			arn, cluster, _ := strings.Cut(id, ",")
			if _, err := p.kafka.DeleteChannel(ctx, &kafka.DeleteChannelInput{ChannelArn: &arn, ClusterArn: &cluster}); err != nil {
				return err
			}
			return waiter{pending: []string{"DELETING", "ACTIVE"}}.wait(ctx, state(p, id))
		},
	}
}
