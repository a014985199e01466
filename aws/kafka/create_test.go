package kafka

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

func TestCreateRefuses(t *testing.T) {
	const badRequest = "BadRequestException"
	type change = func(*account, *gen.CreateClusterInput)
	group := func(f func(*account, *gen.BrokerNodeGroupInfo)) change {
		return func(a *account, in *gen.CreateClusterInput) { f(a, in.BrokerNodeGroupInfo) }
	}
	logs := func(l gen.LoggingInfo) change {
		return func(_ *account, in *gen.CreateClusterInput) { in.LoggingInfo = &l }
	}
	auth := func(c gen.ClientAuthentication) change {
		return func(_ *account, in *gen.CreateClusterInput) { in.ClientAuthentication = &c }
	}
	encrypt := func(e gen.EncryptionInfo) change {
		return func(_ *account, in *gen.CreateClusterInput) { in.EncryptionInfo = &e }
	}
	volumes := func(gib int32, p *gen.ProvisionedThroughput) func(*account, *gen.BrokerNodeGroupInfo) {
		return func(_ *account, g *gen.BrokerNodeGroupInfo) {
			g.StorageInfo = &gen.StorageInfo{EbsStorageInfo: &gen.EBSStorageInfo{VolumeSize: &gib, ProvisionedThroughput: p}}
		}
	}
	secured := func(c change, broker gen.ClientBroker) change {
		return func(a *account, in *gen.CreateClusterInput) {
			c(a, in)
			in.EncryptionInfo = &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: broker}}
		}
	}
	tests := []struct {
		name      string
		change    change
		parameter string
		message   string // part of it
	}{
		{"underscore in the name", func(_ *account, in *gen.CreateClusterInput) { in.ClusterName = new("my_cluster") }, "clusterName", textBadCharacters},
		{"name that starts with a hyphen", func(_ *account, in *gen.CreateClusterInput) { in.ClusterName = new("-a") }, "clusterName", textBadCharacters},
		{"slash in the name", func(_ *account, in *gen.CreateClusterInput) { in.ClusterName = new("a/b") }, "clusterName", textBadCharacters},
		{
			"version", func(_ *account, in *gen.CreateClusterInput) { in.KafkaVersion = new("0.11") }, "kafkaVersion",
			"Unsupported KafkaVersion [0.11]. Valid values: [1.1.1, ",
		},
		{"size", group(func(_ *account, g *gen.BrokerNodeGroupInfo) { g.InstanceType = new("kafka.m1.tiny") }), "instanceType", "[kafka.m1.tiny]"},
		{"small size with KRaft", func(_ *account, in *gen.CreateClusterInput) {
			in.KafkaVersion, in.BrokerNodeGroupInfo.InstanceType = new("3.9.x.kraft"), new("kafka.t3.small")
		}, "instanceType", "KRaft"},
		{"one subnet", group(func(a *account, g *gen.BrokerNodeGroupInfo) { g.ClientSubnets = a.subnets(1) }), "clientSubnets", "two or three"},
		{"no subnet", group(func(_ *account, g *gen.BrokerNodeGroupInfo) { g.ClientSubnets = nil }), "clientSubnets", "two or three"},
		{"unknown subnet", group(func(a *account, g *gen.BrokerNodeGroupInfo) {
			g.ClientSubnets = append(a.subnets(2), "subnet-0")
		}), "clientSubnets", "'subnet-0' does not exist"},
		{"two subnets of one zone", group(func(a *account, g *gen.BrokerNodeGroupInfo) {
			g.ClientSubnets = []string{a.subnets(1)[0], a.subnets(1)[0], a.subnets(2)[1]}
		}), "clientSubnets", textZones},
		{"broker count", func(_ *account, in *gen.CreateClusterInput) { in.NumberOfBrokerNodes = new(int32(4)) }, "numberOfBrokerNodes", textBrokerCount},
		{"unknown group", group(func(_ *account, g *gen.BrokerNodeGroupInfo) { g.SecurityGroups = []string{"sg-0"} }), "securityGroups", "'sg-0' does not exist"},
		{"zone ids", group(func(_ *account, g *gen.BrokerNodeGroupInfo) { g.ZoneIds = []string{"use1-az9"} }), "zoneIds", "use1-az9"},
		{"tag", func(_ *account, in *gen.CreateClusterInput) { in.Tags = map[string]string{"aws:a": "b"} }, "tags", "reserved"},
		{"malformed configuration", func(_ *account, in *gen.CreateClusterInput) {
			in.ConfigurationInfo = &gen.ConfigurationInfo{Arn: new("arn:aws:kafka:us-east-1:000000000000:configuration/c/u-1"), Revision: new(int64(1))}
		}, "configurationInfo", textConfigurationARN},
		{"unknown configuration", func(_ *account, in *gen.CreateClusterInput) {
			in.ConfigurationInfo = &gen.ConfigurationInfo{Arn: new(noConfiguration), Revision: new(int64(1))}
		}, "configurationInfo", textConfiguration},
		{"another account's configuration", func(a *account, in *gen.CreateClusterInput) {
			arn := strings.Replace(a.configuration("c", "num.partitions=3"), "000000000000", "000000000001", 1)
			in.ConfigurationInfo = &gen.ConfigurationInfo{Arn: &arn, Revision: new(int64(1))}
		}, "configurationInfo", textConfiguration},
		{"unknown revision", func(a *account, in *gen.CreateClusterInput) {
			in.ConfigurationInfo = &gen.ConfigurationInfo{Arn: new(a.configuration("c", "num.partitions=3")), Revision: new(int64(2))}
		}, "configurationInfo", "no revision 2. Its latest is 1"},
		{"configuration of another version", func(a *account, in *gen.CreateClusterInput) {
			in.ConfigurationInfo = &gen.ConfigurationInfo{Arn: new(a.configuration("c", "num.partitions=3", "3.8.x", "4.0.x")), Revision: new(int64(1))}
		}, "configurationInfo", "for the Kafka versions [3.8.x, 4.0.x], not for KafkaVersion [3.9.x]"},
		{"tiered storage of an old version", func(_ *account, in *gen.CreateClusterInput) {
			in.StorageMode, in.KafkaVersion = gen.StorageModeTiered, new("3.5.1")
		}, "storageMode", "3.6.0 or newer"},
		{"tiered storage of small brokers", func(_ *account, in *gen.CreateClusterInput) {
			in.StorageMode, in.BrokerNodeGroupInfo.InstanceType = gen.StorageModeTiered, new("kafka.t3.small")
		}, "storageMode", "kafka.t3.small"},
		{"Graviton with an old version", func(_ *account, in *gen.CreateClusterInput) { in.KafkaVersion = new("3.2.0") }, "instanceType", "3.3.2 or newer"},
		{"volume too large", group(volumes(16385, nil)), "volumeSize", "between 1 and 16384 GiB"},
		{"throughput of a small broker", group(volumes(10, &gen.ProvisionedThroughput{Enabled: new(true)})), "provisionedThroughput", "kafka.m5.4xlarge"},
		{"throughput of a small volume", func(a *account, in *gen.CreateClusterInput) {
			in.BrokerNodeGroupInfo.InstanceType = new("kafka.m5.4xlarge")
			volumes(9, &gen.ProvisionedThroughput{Enabled: new(true)})(a, in.BrokerNodeGroupInfo)
		}, "provisionedThroughput", "at least 10 GiB"},
		{"too much throughput", func(a *account, in *gen.CreateClusterInput) {
			in.BrokerNodeGroupInfo.InstanceType = new("kafka.m5.4xlarge")
			volumes(10, &gen.ProvisionedThroughput{Enabled: new(true), VolumeThroughput: new(int32(594))})(a, in.BrokerNodeGroupInfo)
		}, "volumeThroughput", "between 250 and 593"},
		{"throughput that is off", group(volumes(10, &gen.ProvisionedThroughput{Enabled: new(false), VolumeThroughput: new(int32(300))})), "volumeThroughput", "only together"},
		{"more brokers than a cluster on ZooKeeper has", func(_ *account, in *gen.CreateClusterInput) {
			in.NumberOfBrokerNodes = new(int32(33))
		}, "numberOfBrokerNodes", "KafkaVersion [3.9.x] can have at most 30"},
		{"more brokers than a KRaft cluster has", func(_ *account, in *gen.CreateClusterInput) {
			in.KafkaVersion, in.NumberOfBrokerNodes = new("3.9.x.kraft"), new(int32(63))
		}, "numberOfBrokerNodes", "at most 60"},
		{"volumes of Express", func(_ *account, in *gen.CreateClusterInput) {
			in.KafkaVersion, in.BrokerNodeGroupInfo.InstanceType = new("3.8.x"), new("express.m7g.large")
			in.BrokerNodeGroupInfo.StorageInfo = &gen.StorageInfo{EbsStorageInfo: &gen.EBSStorageInfo{VolumeSize: new(int32(10))}}
		}, "storageInfo", "Express"},
		{"two zones of Express", func(a *account, in *gen.CreateClusterInput) {
			in.KafkaVersion, in.BrokerNodeGroupInfo.InstanceType = new("3.8.x"), new("express.m7g.large")
			in.BrokerNodeGroupInfo.ClientSubnets, in.NumberOfBrokerNodes = a.subnets(2), new(int32(2))
		}, "clientSubnets", "Express"},
		{"version of Express", group(func(_ *account, g *gen.BrokerNodeGroupInfo) { g.InstanceType = new("express.m7g.large") }), "", ""},
		{"old version of Express", func(_ *account, in *gen.CreateClusterInput) {
			in.KafkaVersion, in.BrokerNodeGroupInfo.InstanceType = new("3.5.1"), new("express.m7g.large")
		}, "kafkaVersion", "Express"},
		{"public access", group(func(_ *account, g *gen.BrokerNodeGroupInfo) {
			g.ConnectivityInfo = &gen.ConnectivityInfo{PublicAccess: &gen.PublicAccess{Type: new("SERVICE_PROVIDED_EIPS")}}
		}), "publicAccess", "can't be enabled when a cluster is created"},
		{"multi-VPC", group(func(_ *account, g *gen.BrokerNodeGroupInfo) {
			g.ConnectivityInfo = &gen.ConnectivityInfo{VpcConnectivity: &gen.VpcConnectivity{
				ClientAuthentication: &gen.VpcConnectivityClientAuthentication{Tls: &gen.VpcConnectivityTls{Enabled: new(true)}},
			}}
		}), "vpcConnectivity", textMultiVPC},
		{
			"a key's id", encrypt(gen.EncryptionInfo{EncryptionAtRest: &gen.EncryptionAtRest{DataVolumeKMSKeyId: new("k")}}),
			"dataVolumeKMSKeyId", "[k] is not the ARN",
		},
		{
			"unknown key", encrypt(gen.EncryptionInfo{EncryptionAtRest: &gen.EncryptionAtRest{
				DataVolumeKMSKeyId: new("arn:aws:kms:us-east-1:000000000000:key/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"),
			}}), "dataVolumeKMSKeyId", "is not the ARN of an enabled KMS key",
		},
		{"IAM in plaintext", secured(auth(iamOn()), gen.ClientBrokerPlaintext), "encryptionInfo.encryptionInTransit.clientBroker", "[SASL/IAM] can't be combined with clientBroker [PLAINTEXT]. Valid values: [TLS]"},
		{"only IAM, half in plaintext", secured(auth(iamOn()), gen.ClientBrokerTlsPlaintext), "encryptionInfo.encryptionInTransit.clientBroker", "unless unauthenticated access is enabled"},
		{"IAM between open brokers", func(a *account, in *gen.CreateClusterInput) {
			auth(iamOn())(a, in)
			in.EncryptionInfo = &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{InCluster: new(false)}}
		}, "encryptionInfo.encryptionInTransit.inCluster", "needs encryption between brokers"},
		{"mutual TLS without authorities", auth(gen.ClientAuthentication{Tls: &gen.Tls{Enabled: new(true)}}), "certificateAuthorityArnList", "at least one"},
		{"what is no authority", auth(gen.ClientAuthentication{Tls: &gen.Tls{CertificateAuthorityArnList: []string{"a"}}}), "certificateAuthorityArnList", "is not the ARN"},
		{"the same authority twice", auth(gen.ClientAuthentication{Tls: &gen.Tls{CertificateAuthorityArnList: []string{authority, authority}}}), "certificateAuthorityArnList", "twice"},
		{"nobody may in", auth(gen.ClientAuthentication{Unauthenticated: &gen.Unauthenticated{Enabled: new(false)}}), "clientAuthentication", "at least one way"},
		{
			"logs to no bucket", logs(gen.LoggingInfo{BrokerLogs: &gen.BrokerLogs{S3: &gen.S3{Enabled: new(true)}}}),
			"loggingInfo.brokerLogs.s3.bucket", "Specify the bucket",
		},
		{
			"logs to what is no bucket", logs(gen.LoggingInfo{BrokerLogs: &gen.BrokerLogs{S3: &gen.S3{Enabled: new(true), Bucket: new("A_b")}}}),
			"loggingInfo.brokerLogs.s3.bucket", "[A_b] is not the name",
		},
		{
			"logs to an unknown group", logs(gen.LoggingInfo{BrokerLogs: &gen.BrokerLogs{CloudWatchLogs: &gen.CloudWatchLogs{Enabled: new(true), LogGroup: new("g")}}}),
			"loggingInfo.brokerLogs.cloudWatchLogs.logGroup", "The log group [g] doesn't exist",
		},
		{"authorizer logs to no stream", logs(gen.LoggingInfo{
			BrokerLogs: &gen.BrokerLogs{}, AuthorizerLogs: &gen.AuthorizerLogs{Firehose: &gen.Firehose{Enabled: new(true)}},
		}), "loggingInfo.authorizerLogs.firehose.deliveryStream", "Specify the delivery stream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			in := a.request("orders")
			tt.change(a, in)
			before := a.store.Revision()
			_, err := a.CreateCluster(a.ctx, in)
			got := refusalOf(err)
			if tt.parameter == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if got.code != badRequest || got.parameter != tt.parameter || !strings.Contains(got.message, tt.message) {
				t.Errorf("got %+v, want parameter %q, message %q", got, tt.parameter, tt.message)
			}
			if a.store.Revision() != before {
				t.Error("a refused request changed the store")
			}
		})
	}
}

func TestCreateV2RefusesWhatIsNotProvisioned(t *testing.T) {
	a := newAccount(t)
	serverless := &gen.ServerlessRequest{VpcConfigs: []gen.VpcConfig{{SubnetIds: a.subnets(2)}}}
	provisioned := &gen.ProvisionedRequest{
		KafkaVersion: new("3.9.x"), NumberOfBrokerNodes: new(int32(2)),
		BrokerNodeGroupInfo: &gen.BrokerNodeGroupInfo{ClientSubnets: a.subnets(2), InstanceType: new("kafka.t3.small")},
	}
	for name, in := range map[string]*gen.CreateClusterV2Input{
		"both":        {ClusterName: new("c"), Serverless: serverless, Provisioned: provisioned},
		"none of two": {ClusterName: new("c")},
	} {
		if _, err := a.CreateClusterV2(a.ctx, in); refusalOf(err).code != "BadRequestException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, err := a.CreateClusterV2(a.ctx, &gen.CreateClusterV2Input{ClusterName: new("c"), Provisioned: provisioned})
	if err != nil || out.State != gen.ClusterStateCreating || out.ClusterType != gen.ClusterTypeProvisioned {
		t.Errorf("provisioned: %+v, %v", out, err)
	}
}

func TestNamesAreUnique(t *testing.T) {
	a := newAccount(t)
	a.create("orders")
	_, err := a.CreateCluster(a.ctx, a.request("orders"))
	if r := refusalOf(err); r.code != "ConflictException" || r.parameter != "clusterName" {
		t.Errorf("second cluster of that name: %v", err)
	}
	if clusters, err := resource.ListClusters(a.ctx, a.store, a.scope); err != nil || len(clusters) != 1 {
		t.Errorf("%d clusters, %v", len(clusters), err)
	}
}

// A subnet that vanishes between the check and the commit must not end up in a cluster.
func TestCreateIsGuardedByTheNetworkItWasCheckedAgainst(t *testing.T) {
	a := newAccount(t)
	doomed := a.scope.SubnetsPrefix() + a.subnets(1)[0]
	hit := false
	a.store.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "Commit" && !hit {
			hit = true
			if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Delete(doomed)}}); err != nil {
				t.Error(err)
			}
		}
		return metadata.Fault{}
	})
	_, err := a.CreateCluster(a.ctx, a.request("orders"))
	if r := refusalOf(err); r.parameter != "clientSubnets" || !strings.Contains(r.message, "does not exist") {
		t.Errorf("got %v", err)
	}
}

// Terraform reads these fields back and plans a change, or fails, when they are missing.
func TestDescribeEchoesWhatTerraformReads(t *testing.T) {
	a := newAccount(t)
	in := a.request("orders")
	in.Tags = map[string]string{"team": "blue"}
	in.LoggingInfo = &gen.LoggingInfo{BrokerLogs: &gen.BrokerLogs{S3: &gen.S3{Enabled: new(false), Bucket: new("b"), Prefix: new("p")}}}
	in.ClientAuthentication = &gen.ClientAuthentication{
		Unauthenticated: &gen.Unauthenticated{Enabled: new(true)}, Sasl: &gen.Sasl{Iam: &gen.Iam{Enabled: new(false)}},
	}
	in.EncryptionInfo = &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{InCluster: new(true)}}
	created, err := a.CreateCluster(a.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	v1, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	v2, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	p := v2.ClusterInfo.Provisioned
	want := &gen.BrokerNodeGroupInfo{
		BrokerAZDistribution: "DEFAULT", ClientSubnets: a.subnets(3), InstanceType: new("kafka.m7g.large"),
		SecurityGroups: []string{a.network.SecurityGroups[0].ID},
		StorageInfo:    &gen.StorageInfo{EbsStorageInfo: &gen.EBSStorageInfo{VolumeSize: new(int32(100))}},
		ConnectivityInfo: &gen.ConnectivityInfo{
			PublicAccess: &gen.PublicAccess{Type: new("DISABLED")}, NetworkType: "IPV4",
			VpcConnectivity: &gen.VpcConnectivity{ClientAuthentication: &gen.VpcConnectivityClientAuthentication{
				Sasl: &gen.VpcConnectivitySasl{
					Scram: &gen.VpcConnectivityScram{Enabled: new(false)}, Iam: &gen.VpcConnectivityIam{Enabled: new(false)},
				},
				Tls: &gen.VpcConnectivityTls{Enabled: new(false)},
			}},
		},
		ZoneIds: p.BrokerNodeGroupInfo.ZoneIds,
	}
	if diff := cmp.Diff(want, p.BrokerNodeGroupInfo); diff != "" {
		t.Errorf("broker node group (-want +got):\n%s", diff)
	}
	if len(want.ZoneIds) != 3 {
		t.Errorf("zone ids %v", want.ZoneIds)
	}
	if diff := cmp.Diff(in.LoggingInfo, p.LoggingInfo); diff != "" {
		t.Errorf("logging (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(in.ClientAuthentication, p.ClientAuthentication); diff != "" {
		t.Errorf("client authentication (-want +got):\n%s", diff)
	}
	key, _, _, err := resource.FindKey(a.ctx, a.store, a.scope, resource.KafkaAlias)
	if err != nil {
		t.Fatal(err)
	}
	wantEncryption := &gen.EncryptionInfo{
		EncryptionAtRest:    &gen.EncryptionAtRest{DataVolumeKMSKeyId: new(a.scope.KeyARN(key.ID))},
		EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: "TLS", InCluster: new(true)},
	}
	if diff := cmp.Diff(wantEncryption, p.EncryptionInfo); diff != "" {
		t.Errorf("encryption (-want +got):\n%s", diff)
	}
	if *p.CurrentBrokerSoftwareInfo.KafkaVersion != "3.9.x" || p.EnhancedMonitoring != "DEFAULT" || p.StorageMode != "LOCAL" ||
		*p.NumberOfBrokerNodes != 3 || *p.OpenMonitoring.Prometheus.JmxExporter.EnabledInBroker {
		t.Errorf("provisioned: %+v", p)
	}
	c := v1.ClusterInfo
	if diff := cmp.Diff(want, c.BrokerNodeGroupInfo); diff != "" {
		t.Errorf("v1's broker node group (-want +got):\n%s", diff)
	}
	if *c.ClusterArn != *created.ClusterArn || c.State != gen.ClusterStateCreating || c.ActiveOperationArn != nil || c.Tags["team"] != "blue" ||
		!strings.HasPrefix(*c.CurrentVersion, "K") || *c.CurrentVersion != *v2.ClusterInfo.CurrentVersion || c.CreationTime == nil {
		t.Errorf("v1: %+v", c)
	}
}

func TestBootstrapAndNodesOfAnActiveCluster(t *testing.T) {
	a := newAccount(t)
	in := a.request("orders")
	in.NumberOfBrokerNodes = new(int32(6))
	created, err := a.CreateCluster(a.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	arn := *created.ClusterArn
	a.activate(arn)
	b, err := a.GetBootstrapBrokers(a.ctx, &gen.GetBootstrapBrokersInput{ClusterArn: &arn})
	if diff := cmp.Diff(&gen.GetBootstrapBrokersOutput{BootstrapBrokerString: new("127.0.1.1:9092,127.0.1.2:9092,127.0.1.3:9092")}, b); diff != "" || err != nil {
		t.Errorf("bootstrap brokers (-want +got), %v:\n%s", err, diff)
	}
	nodes, err := a.ListNodes(a.ctx, &gen.ListNodesInput{ClusterArn: &arn})
	if err != nil || len(nodes.NodeInfoList) != 6 {
		t.Fatalf("nodes: %+v, %v", nodes, err)
	}
	n := nodes.NodeInfoList[4]
	if *n.BrokerNodeInfo.BrokerId != 5.0 || *n.BrokerNodeInfo.ClientVpcIpAddress != "127.0.1.5" || *n.BrokerNodeInfo.ClientSubnet != a.subnets(2)[1] ||
		n.NodeType != "BROKER" || *n.InstanceType != "m7g.large" || len(*n.BrokerNodeInfo.AttachedENIId) != len("eni-")+17 ||
		!strings.HasPrefix(*n.NodeARN, "arn:aws:kafka:us-east-1:000000000000:broker/orders/") || n.BrokerNodeInfo.Endpoints[0] != "127.0.1.5" {
		t.Errorf("node 5: %+v %+v", n, n.BrokerNodeInfo)
	}
	for _, ids := range [][]string{nil, {"1", "2"}, {"7"}, {"one"}, {"0"}, {"99999999999"}} {
		_, err := a.RebootBroker(a.ctx, &gen.RebootBrokerInput{ClusterArn: &arn, BrokerIds: ids})
		if r := refusalOf(err); r.code != "BadRequestException" || r.parameter != "brokerIds" {
			t.Errorf("reboot %v: %v", ids, err)
		}
	}
}

func TestDeleteChecksTheVersion(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	a.activate(arn)
	_, err := a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn, CurrentVersion: new("K000")})
	if r := refusalOf(err); r.code != "BadRequestException" || r.message != textStaleVersion {
		t.Errorf("stale version: %v", err)
	}
	c, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn, CurrentVersion: c.ClusterInfo.CurrentVersion})
	if err != nil || out.State != gen.ClusterStateDeleting || *out.ClusterArn != arn {
		t.Errorf("delete: %+v, %v", out, err)
	}
	_, err = a.CreateCluster(a.ctx, a.request("orders"))
	if r := refusalOf(err); r.code != "ConflictException" {
		t.Errorf("the name is free before the cluster is gone: %v", err)
	}
}

func TestARNsThatNameNoCluster(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	tests := []struct{ name, arn, code string }{
		{"no ARN", "orders", "BadRequestException"},
		{"ARN of another kind", strings.Replace(arn, ":cluster/", ":configuration/", 1), "BadRequestException"},
		{"no generation", strings.TrimSuffix(arn, "-1"), "BadRequestException"},
		{"upper case", arn[:len(arn)-20] + strings.ToUpper(arn[len(arn)-20:]) + "A", "BadRequestException"},
		{"path in the uuid", strings.Replace(arn, "orders/", "orders/../", 1), "BadRequestException"},
		{"other name", strings.Replace(arn, "orders", "order", 1), "NotFoundException"},
		{"other region", strings.Replace(arn, "us-east-1", "us-east-2", 1), "NotFoundException"},
		{"other account", strings.Replace(arn, "000000000000", "000000000001", 1), "NotFoundException"},
		{"other uuid", "arn:aws:kafka:us-east-1:000000000000:cluster/orders/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11-1", "NotFoundException"},
	}
	for _, tt := range tests {
		_, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: &tt.arn})
		if r := refusalOf(err); r.code != tt.code || r.parameter != "clusterArn" {
			t.Errorf("%s (%s): %v", tt.name, tt.arn, err)
		}
	}
	for _, op := range []string{
		"arn:aws:kafka:us-east-1:000000000000:cluster-operation/orders/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11-1/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11",
		strings.Replace(arn, ":cluster/", ":cluster-operation/", 1) + "/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11",
	} {
		_, err := a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: &op})
		if r := refusalOf(err); r.code != "NotFoundException" {
			t.Errorf("%s: %v", op, err)
		}
	}
	// The operation that creates the cluster is ours, not one that the API shows.
	ops, err := resource.ListOperations(a.ctx, a.store, a.scope, mustUUID(t, arn))
	if err != nil || len(ops) != 1 {
		t.Fatal(ops, err)
	}
	op := strings.Replace(arn, ":cluster/", ":cluster-operation/", 1) + "/" + ops[0].ID
	_, err = a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: &op})
	if r := refusalOf(err); r.code != "NotFoundException" {
		t.Errorf("creating operation: %v", err)
	}
}

func mustUUID(t *testing.T, arn string) string {
	t.Helper()
	ref, ok := resource.ParseClusterARN(arn)
	if !ok {
		t.Fatalf("%s is no ARN of a cluster", arn)
	}
	return ref.UUID
}
