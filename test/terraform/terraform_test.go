package terraform

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"weir/test/cluster"
)

// TestExamples applies each folder of examples/terraform, again with other variables where that changes something, and destroys it: the account is then
// as it was.
func TestExamples(t *testing.T) {
	store := cluster.StartS3(t)
	t.Setenv("WEIR_S3_ENDPOINT", store.Endpoint)
	t.Setenv("WEIR_S3_CREDENTIALS", store.Credentials)
	s3, err := minio.New(strings.TrimPrefix(store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{"data", "dead"} {
		if err := s3.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w := cluster.StartWeir(t, cluster.Options{NoDemo: true})

	examples := filepath.Join(cluster.Root(), "examples", "terraform")
	folders, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string][]object{ // one apply for each
		"configuration": {nil, {"retention_hours": 48}},
		"topic":         {nil, {"partitions": 9}},
		"channel":       {{"bucket": "data", "dead_letters": "dead"}, {"bucket": "data", "dead_letters": "dead", "freshness": 300}},
	}
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			sameFiles(t, examples, f.Name())
			ws := newWorkspace(t, w)
			before := ws.account(t)
			rounds := variables[f.Name()]
			if rounds == nil {
				rounds = []object{nil}
			}
			for _, given := range rounds {
				c, err := loadFolder(filepath.Join(examples, f.Name()), given)
				if err != nil {
					t.Fatal(err)
				}
				ws.apply(t.Context(), c)
			}
			ws.destroy(t.Context())
			ws.checkAccount(t, before)
		})
	}
}

// sameFiles checks that an example's provider and network are those of all examples: what differs between examples is in main.tf.
func sameFiles(t *testing.T, examples, name string) {
	t.Helper()
	for _, file := range []string{"provider.tf", "network.tf"} {
		want, err := os.ReadFile(filepath.Join(examples, "standard", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(examples, name, file))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s of example %s is not that of standard: %v", file, name, err)
		}
	}
}

// account is everything that an account has, as one line for each thing.
func (w *workspace) account(t *testing.T) []string {
	t.Helper()
	var lines []string
	add := func(kind string, ids ...string) {
		for _, id := range ids {
			lines = append(lines, kind+" "+id)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, p := t.Context(), w.p
	vpcs, err := p.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	must(err)
	for _, v := range vpcs.Vpcs {
		add("VPC", *v.VpcId)
	}
	subnets, err := p.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	must(err)
	for _, s := range subnets.Subnets {
		add("subnet", *s.SubnetId)
	}
	groups, err := p.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	must(err)
	for _, g := range groups.SecurityGroups {
		add("security group", *g.GroupId)
	}
	rules, err := p.ec2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{})
	must(err)
	for _, r := range rules.SecurityGroupRules {
		add("rule", *r.SecurityGroupRuleId)
	}
	interfaces, err := p.ec2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{})
	must(err)
	for _, i := range interfaces.NetworkInterfaces {
		add("interface", *i.NetworkInterfaceId)
	}
	named, err := p.ec2.DescribeTags(ctx, &ec2.DescribeTagsInput{})
	must(err)
	for _, v := range named.Tags {
		add("tag", *v.ResourceId+" "+*v.Key)
	}
	keys, err := p.kms.ListKeys(ctx, &kms.ListKeysInput{})
	must(err)
	for _, k := range keys.Keys {
		d, err := p.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyId})
		must(err)
		if d.KeyMetadata.KeyState != kmstypes.KeyStatePendingDeletion {
			add("key", *k.KeyId)
		}
	}
	logs, err := p.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	must(err)
	for _, g := range logs.LogGroups {
		add("log group", *g.LogGroupName)
	}
	secrets, err := p.secrets.ListSecrets(ctx, &secretsmanager.ListSecretsInput{})
	must(err)
	for _, s := range secrets.SecretList {
		add("secret", *s.Name)
	}
	clusters, err := p.kafka.ListClustersV2(ctx, &kafka.ListClustersV2Input{})
	must(err)
	for _, c := range clusters.ClusterInfoList {
		add("cluster", *c.ClusterArn)
	}
	configurations, err := p.kafka.ListConfigurations(ctx, &kafka.ListConfigurationsInput{})
	must(err)
	for _, c := range configurations.Configurations {
		add("configuration", *c.Arn)
	}
	connections, err := p.kafka.ListVpcConnections(ctx, &kafka.ListVpcConnectionsInput{})
	must(err)
	for _, c := range connections.VpcConnections {
		add("VPC connection", *c.VpcConnectionArn)
	}
	slices.Sort(lines)
	return lines
}

// checkAccount waits until an account is as it was before.
func (w *workspace) checkAccount(t *testing.T, before []string) {
	t.Helper()
	cluster.Eventually(t, time.Minute, func() error {
		if now := w.account(t); !slices.Equal(now, before) {
			return fmt.Errorf("the account had %d things and has now %d: %q", len(before), len(now),
				slices.DeleteFunc(now, func(s string) bool { return slices.Contains(before, s) }))
		}
		return nil
	})
}

// surroundings are what the tests' own clusters stand in.
const surroundings = `
data "aws_availability_zones" "available" {
  state = "available"
}
resource "aws_vpc" "main" {
  cidr_block = "10.40.0.0/16"
}
resource "aws_subnet" "main" {
  count             = 3
  vpc_id            = aws_vpc.main.id
  availability_zone = data.aws_availability_zones.available.names[count.index]
  cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
}
resource "aws_security_group" "main" {
  name   = "main"
  vpc_id = aws_vpc.main.id
}
resource "aws_cloudwatch_log_group" "main" {
  name = "/msk/main"
}
resource "aws_msk_configuration" "main" {
  name              = "main"
  description       = var.description
  server_properties = var.properties
}
`

// inline reads a text whose variables are the given ones.
func inline(text string, variables object) (*configuration, error) {
	for name := range variables {
		text += fmt.Sprintf("variable %q {}\n", name)
	}
	return load(map[string][]byte{"main.tf": []byte(text)}, variables)
}

// standard is a cluster all of whose blocks follow variables.
const standard = surroundings + `
resource "aws_msk_cluster" "main" {
  cluster_name           = "updated"
  kafka_version          = var.kafka
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = var.monitoring
  storage_mode           = var.mode

  broker_node_group_info {
    instance_type   = var.type
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
    storage_info {
      ebs_storage_info {
        volume_size = var.gib
      }
    }
    connectivity_info {
      public_access {
        type = "DISABLED"
      }
      vpc_connectivity {
        client_authentication {
          tls = false
          sasl {
            iam   = var.iam
            scram = false
          }
        }
      }
    }
  }
  client_authentication {
    unauthenticated = true
    sasl {
      iam   = true
      scram = var.scram
    }
  }
  encryption_info {
    encryption_in_transit {
      client_broker = var.transit
      in_cluster    = true
    }
  }
  configuration_info {
    arn      = aws_msk_configuration.main.arn
    revision = aws_msk_configuration.main.latest_revision
  }
  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = var.exporters
      }
      node_exporter {
        enabled_in_broker = var.exporters
      }
    }
  }
  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = var.logs
        log_group = var.logs ? aws_cloudwatch_log_group.main.name : null
      }
      firehose {
        enabled = false
      }
      s3 {
        enabled = false
      }
    }
  }
  tags = var.tags
}
`

// TestUpdates makes a Standard cluster with every block set and changes one after the other, in the provider's order, then several at once.
func TestUpdates(t *testing.T) {
	w := cluster.StartWeir(t, cluster.Options{NoDemo: true})
	ws := newWorkspace(t, w)
	before := ws.account(t)
	variables := object{
		"description": "first", "properties": "log.retention.hours=72\n", "kafka": "3.8.x.kraft", "brokers": 3, "monitoring": "DEFAULT", "mode": "LOCAL",
		"type": "kafka.m7g.large", "gib": 10, "iam": false, "scram": false, "transit": "TLS_PLAINTEXT", "exporters": false, "logs": false, "tags": object{"round": "0"},
	}
	apply := func(ctx context.Context) {
		t.Helper()
		c, err := inline(standard, variables)
		if err != nil {
			t.Fatal(err)
		}
		ws.apply(ctx, c)
	}
	apply(t.Context())
	main := func() object { return ws.find("aws_msk_cluster.main").state }
	arn, version := main()["arn"], main()["current_version"]
	for _, step := range []struct {
		name    string
		changes object
	}{
		{"connectivity", object{"iam": true}},
		{"type", object{"type": "kafka.m7g.xlarge"}},
		{"storage", object{"gib": 20}},
		{"count", object{"brokers": 6}},
		{"monitoring", object{"monitoring": "PER_TOPIC_PER_BROKER", "exporters": true, "logs": true}},
		{"configuration, at run time", object{"properties": "log.retention.hours=72\nnum.io.threads=16\n"}},
		{"configuration, by restarts", object{"properties": "log.retention.hours=24\nnum.io.threads=16\n", "description": "second"}},
		{"version with configuration", object{"kafka": "3.9.x.kraft", "properties": "log.retention.hours=12\nnum.io.threads=16\n"}},
		{"security", object{"scram": true, "transit": "TLS"}},
		{"storage mode", object{"mode": "TIERED"}},
		{"tags only", object{"tags": object{"team": "a b/ü"}}},
		{"several at once", object{"type": "kafka.m7g.large", "gib": 30, "monitoring": "PER_BROKER", "brokers": 3, "iam": false, "exporters": false}},
	} {
		t.Run(step.name, func(t *testing.T) {
			begin := time.Now()
			maps.Copy(variables, step.changes)
			apply(t.Context())
			fmt.Fprintf(t.Output(), "%-30s %v\n", step.name, time.Since(begin).Round(time.Millisecond))
			if main()["arn"] != arn {
				t.Errorf("the cluster is another one")
			}
			if same := main()["current_version"] == version; same != (step.name == "tags only") {
				t.Errorf("the version was %v and is %v", version, main()["current_version"])
			}
			version = main()["current_version"]
		})
	}
	ws.inUse(t)
	ws.destroy(t.Context())
	ws.checkAccount(t, before)
}

// inUse checks that a configuration is not deleted under its cluster.
func (w *workspace) inUse(t *testing.T) {
	t.Helper()
	arn := w.find("aws_msk_configuration.main").id
	_, err := w.p.kafka.DeleteConfiguration(t.Context(), &kafka.DeleteConfigurationInput{Arn: &arn})
	if err == nil || !strings.Contains(err.Error(), "Configuration is in use by one or more clusters") {
		t.Errorf("delete of a configuration in use: %v", err)
	}
}

// bare is a cluster with only what Terraform requires: all the rest is the server's choice, which a plan must accept.
const bare = surroundings + `
resource "aws_msk_cluster" "main" {
  cluster_name           = "bare"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3
  broker_node_group_info {
    instance_type   = var.type
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
  }
}
`

// TestBare makes clusters with the least that Terraform accepts.
func TestBare(t *testing.T) {
	w := cluster.StartWeir(t, cluster.Options{NoDemo: true})
	for _, kind := range []string{"kafka.m5.large", "express.m7g.large"} {
		t.Run(kind, func(t *testing.T) {
			ws := newWorkspace(t, w)
			before := ws.account(t)
			c, err := inline(bare, object{"type": kind, "description": "", "properties": "log.retention.hours=1\n"})
			if err != nil {
				t.Fatal(err)
			}
			ws.apply(t.Context(), c)
			ws.destroy(t.Context())
			ws.checkAccount(t, before)
		})
	}
}
