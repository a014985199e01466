package terraform

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"weir/test/cluster"
)

// A provider holds the clients of the services, which all live at Weir's address.
type provider struct {
	ec2     *ec2.Client
	kafka   *kafka.Client
	kms     *kms.Client
	logs    *cloudwatchlogs.Client
	secrets *secretsmanager.Client
	sts     *sts.Client
}

func newProvider(w *cluster.Weir) *provider {
	cfg := aws.Config{
		Region:       w.Getenv("AWS_REGION"),
		BaseEndpoint: aws.String(w.Getenv("AWS_ENDPOINT_URL")),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: w.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: w.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
		// The provider repeats what is throttled, up to 25 times.
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 25, 2*time.Second })
		},
	}
	return &provider{
		ec2: ec2.NewFromConfig(cfg), kafka: kafka.NewFromConfig(cfg), kms: kms.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg),
		secrets: secretsmanager.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg),
	}
}

// resources are all kinds that are known.
func resources() map[string]resource {
	return map[string]resource{
		"aws_vpc": vpc(), "aws_subnet": subnet(), "aws_security_group": securityGroup(),
		"aws_vpc_security_group_ingress_rule": groupRule(true), "aws_vpc_security_group_egress_rule": groupRule(false),
		"aws_kms_key": kmsKey(), "aws_cloudwatch_log_group": logGroup(),
		"aws_secretsmanager_secret": secret(), "aws_secretsmanager_secret_version": secretVersion(),
		"aws_msk_configuration": mskConfiguration(), "aws_msk_cluster": mskCluster(), "aws_msk_serverless_cluster": serverlessCluster(),
		"aws_msk_scram_secret_association": scramAssociation(), "aws_msk_cluster_policy": clusterPolicy(), "aws_msk_topic": mskTopic(),
		"aws_msk_vpc_connection": vpcConnection(), "aws_msk_channel": mskChannel(),
	}
}

// lookup reads a data source.
func (p *provider) lookup(ctx context.Context, kind string, config object) (object, error) {
	switch kind {
	case "aws_availability_zones":
		out, err := p.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{Filters: filters("state", *text(config, "state"))})
		if err != nil {
			return nil, err
		}
		var names []any
		for _, z := range out.AvailabilityZones {
			names = append(names, *z.ZoneName)
		}
		return object{"names": names}, nil
	case "aws_caller_identity":
		out, err := p.sts.GetCallerIdentity(ctx, nil)
		if err != nil {
			return nil, err
		}
		return object{"account_id": *out.Account, "arn": *out.Arn}, nil
	case "aws_msk_bootstrap_brokers":
		out, err := p.kafka.GetBootstrapBrokers(ctx, &kafka.GetBootstrapBrokersInput{ClusterArn: text(config, "cluster_arn")})
		if err != nil {
			return nil, err
		}
		return object{"bootstrap_brokers": aws.ToString(out.BootstrapBrokerString)}, nil
	case "aws_msk_broker_nodes":
		var addresses []any
		for pages := kafka.NewListNodesPaginator(p.kafka, &kafka.ListNodesInput{ClusterArn: text(config, "cluster_arn")}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, n := range page.NodeInfoList {
				// Terraform passes over nodes without this, and reads it of the others.
				if n.BrokerNodeInfo != nil {
					addresses = append(addresses, *n.BrokerNodeInfo.ClientVpcIpAddress, *n.BrokerNodeInfo.AttachedENIId, *n.BrokerNodeInfo.ClientSubnet, *n.NodeARN)
				}
			}
		}
		return object{"nodes": addresses}, nil
	case "aws_msk_kafka_version":
		for pages := kafka.NewListKafkaVersionsPaginator(p.kafka, &kafka.ListKafkaVersionsInput{}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, v := range page.KafkaVersions {
				if *v.Version == *text(config, "version") {
					return object{"version": *v.Version, "status": v.Status}, nil
				}
			}
		}
		return nil, fmt.Errorf("no such version: %s", *text(config, "version"))
	default:
		return nil, fmt.Errorf("no such data source is known here")
	}
}

// changeTags brings tags to what is configured, by the calls that a service has for it.
func changeTags(ctx context.Context, config, state object, set func(context.Context, map[string]string) error, unset func(context.Context, []string) error) error {
	want, have := tags(config), tags(state)
	var gone []string
	for k := range have {
		if _, ok := want[k]; !ok {
			gone = append(gone, k)
		}
	}
	if len(gone) > 0 {
		if err := unset(ctx, gone); err != nil {
			return err
		}
	}
	if len(want) == 0 {
		return nil
	}
	return set(ctx, want)
}
