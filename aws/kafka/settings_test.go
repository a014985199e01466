package kafka

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/kafka/configdef"
	"weir/metadata"
)

const (
	noConfiguration = "arn:aws:kafka:us-east-1:000000000000:configuration/c/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11-1"
	authority       = "arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"
)

func iamOn() gen.ClientAuthentication {
	return gen.ClientAuthentication{Sasl: &gen.Sasl{Iam: &gen.Iam{Enabled: new(true)}}}
}

// configuration records a configuration and returns its ARN.
func (a *account) configuration(name, text string, versions ...string) string {
	a.t.Helper()
	lines, problems := configdef.ParseProperties(text)
	if len(problems) > 0 {
		a.t.Fatalf("configuration %s: %v", name, problems)
	}
	properties := map[string]string{}
	for _, l := range lines {
		properties[l.Name] = l.Value
	}
	now := time.Now().UTC()
	head := resource.RevisionHead{Number: 1, Created: now}
	c := resource.Configuration{
		UUID: resource.NewUUID(), Name: name, Account: a.scope.Account, Region: a.scope.Region, Created: now,
		Versions: versions, State: resource.ConfigurationActive, Latest: head,
	}
	r := resource.ConfigurationRevision{RevisionHead: head, Text: text, Properties: properties}
	if err := resource.CreateConfiguration(a.ctx, a.store, c, r, 100); err != nil {
		a.t.Fatal(err)
	}
	return c.ARN()
}

func (a *account) logGroup(name string) {
	a.t.Helper()
	_, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{
		metadata.Put(a.scope.LogGroupsPrefix()+name, metadata.Encode(resource.LogGroup{Name: name, Created: time.Now()})),
	}})
	if err != nil {
		a.t.Fatal(err)
	}
}

// Everything that a create request can say is read back without a difference, whether it has an effect yet or not (docs/adr/0006).
func TestCreateEchoesEverything(t *testing.T) {
	a := newAccount(t)
	a.logGroup("brokers")
	key := resource.Key{ID: resource.NewUUID()}
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(a.scope.KeysPrefix()+key.ID, metadata.Encode(key))}}); err != nil {
		t.Fatal(err)
	}
	configuration := a.configuration("c", "num.partitions=3", "3.9.x")
	in := &gen.ProvisionedRequest{
		KafkaVersion: new("3.9.x"), NumberOfBrokerNodes: new(int32(3)), StorageMode: gen.StorageModeTiered,
		BrokerNodeGroupInfo: &gen.BrokerNodeGroupInfo{
			ClientSubnets: a.subnets(3), InstanceType: new("kafka.m5.4xlarge"),
			StorageInfo: &gen.StorageInfo{EbsStorageInfo: &gen.EBSStorageInfo{
				VolumeSize: new(int32(1000)), ProvisionedThroughput: &gen.ProvisionedThroughput{Enabled: new(true), VolumeThroughput: new(int32(400))},
			}},
			ConnectivityInfo: &gen.ConnectivityInfo{NetworkType: gen.NetworkTypeDual},
		},
		EnhancedMonitoring: gen.EnhancedMonitoringPerTopicPerPartition,
		OpenMonitoring: &gen.OpenMonitoringInfo{Prometheus: &gen.PrometheusInfo{
			JmxExporter: &gen.JmxExporterInfo{EnabledInBroker: new(true)}, NodeExporter: &gen.NodeExporterInfo{EnabledInBroker: new(true)},
		}},
		LoggingInfo: &gen.LoggingInfo{
			BrokerLogs: &gen.BrokerLogs{
				CloudWatchLogs: &gen.CloudWatchLogs{Enabled: new(true), LogGroup: new("brokers")},
				Firehose:       &gen.Firehose{Enabled: new(true), DeliveryStream: new("stream")},
				S3:             &gen.S3{Enabled: new(true), Bucket: new("bucket"), Prefix: new("logs/")},
			},
			AuthorizerLogs: &gen.AuthorizerLogs{CloudWatchLogs: &gen.CloudWatchLogs{Enabled: new(false)}},
		},
		EncryptionInfo: &gen.EncryptionInfo{
			EncryptionAtRest:    &gen.EncryptionAtRest{DataVolumeKMSKeyId: new(a.scope.KeyARN(key.ID))},
			EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: gen.ClientBrokerTls, InCluster: new(true)},
		},
		ClientAuthentication: &gen.ClientAuthentication{
			Sasl:            &gen.Sasl{Iam: &gen.Iam{Enabled: new(true)}, Scram: &gen.Scram{Enabled: new(true)}},
			Tls:             &gen.Tls{Enabled: new(true), CertificateAuthorityArnList: []string{authority}},
			Unauthenticated: &gen.Unauthenticated{Enabled: new(true)},
		},
		ConfigurationInfo: &gen.ConfigurationInfo{Arn: &configuration, Revision: new(int64(1))},
		Rebalancing:       &gen.Rebalancing{Status: gen.RebalancingStatusActive},
	}
	created, err := a.CreateClusterV2(a.ctx, &gen.CreateClusterV2Input{ClusterName: new("orders"), Provisioned: in})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	p := out.ClusterInfo.Provisioned
	got := &gen.ProvisionedRequest{
		KafkaVersion: p.CurrentBrokerSoftwareInfo.KafkaVersion, NumberOfBrokerNodes: p.NumberOfBrokerNodes, StorageMode: p.StorageMode,
		BrokerNodeGroupInfo: p.BrokerNodeGroupInfo, EnhancedMonitoring: p.EnhancedMonitoring, OpenMonitoring: p.OpenMonitoring,
		LoggingInfo: p.LoggingInfo, EncryptionInfo: p.EncryptionInfo, ClientAuthentication: p.ClientAuthentication, Rebalancing: p.Rebalancing,
		ConfigurationInfo: &gen.ConfigurationInfo{
			Arn: p.CurrentBrokerSoftwareInfo.ConfigurationArn, Revision: p.CurrentBrokerSoftwareInfo.ConfigurationRevision,
		},
	}
	want := *in
	group := *in.BrokerNodeGroupInfo
	group.BrokerAZDistribution, group.SecurityGroups = gen.BrokerAZDistributionDefault, []string{a.network.SecurityGroups[0].ID}
	group.ZoneIds = p.BrokerNodeGroupInfo.ZoneIds
	group.ConnectivityInfo = connectivity(&resource.Connectivity{NetworkType: "DUAL"})
	want.BrokerNodeGroupInfo = &group
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-asked +described):\n%s", diff)
	}
	if p.ZookeeperConnectString != nil || p.ZookeeperConnectStringTls != nil {
		t.Error("a cluster shows a ZooKeeper that does not exist")
	}
	v1, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: created.ClusterArn})
	if err != nil || !*v1.ClusterInfo.OpenMonitoring.Prometheus.NodeExporter.EnabledInBroker || v1.ClusterInfo.StorageMode != gen.StorageModeTiered {
		t.Errorf("v1: %+v, %v", v1, err)
	}
}

// The table of MSK's guide, and what nobody said: without any way of authentication everybody may in, with one only those who are asked to.
func TestSecurityCombinations(t *testing.T) {
	const plaintext, both, tls = gen.ClientBrokerPlaintext, gen.ClientBrokerTlsPlaintext, gen.ClientBrokerTls
	yes, no := new(true), new(false)
	tests := []struct {
		name    string
		auth    resource.ClientAuthentication
		allowed []gen.ClientBroker
	}{
		{"nothing said", resource.ClientAuthentication{}, []gen.ClientBroker{"", plaintext, both, tls}},
		{"unauthenticated", resource.ClientAuthentication{Unauthenticated: yes}, []gen.ClientBroker{"", plaintext, both, tls}},
		{"nothing", resource.ClientAuthentication{Unauthenticated: no}, nil},
		{"SCRAM", resource.ClientAuthentication{SCRAM: yes}, []gen.ClientBroker{"", tls}},
		{"IAM", resource.ClientAuthentication{IAM: yes, Unauthenticated: no}, []gen.ClientBroker{"", tls}},
		{"mutual TLS", resource.ClientAuthentication{TLS: yes}, []gen.ClientBroker{"", both, tls}},
		{"IAM and nobody's", resource.ClientAuthentication{IAM: yes, Unauthenticated: yes}, []gen.ClientBroker{"", both, tls}},
		{"all", resource.ClientAuthentication{IAM: yes, SCRAM: yes, TLS: yes, Unauthenticated: yes}, []gen.ClientBroker{"", both, tls}},
	}
	for _, tt := range tests {
		var got []gen.ClientBroker
		for _, broker := range []gen.ClientBroker{"", plaintext, both, tls} {
			s := &resource.Security{ClientAuthentication: &tt.auth, ClientBroker: string(broker), CertificateAuthority: []string{authority}}
			if checkSecurity(s, true) == nil {
				got = append(got, broker)
			}
		}
		if diff := cmp.Diff(tt.allowed, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestExpressRebalancesByDefault(t *testing.T) {
	a := newAccount(t)
	for name, tt := range map[string]struct {
		size, version string
		asked         gen.RebalancingStatus
		want          *gen.Rebalancing
	}{
		"express":             {"express.m7g.large", "3.8.x", "", &gen.Rebalancing{Status: gen.RebalancingStatusActive}},
		"express-paused":      {"express.m7g.large", "3.8.x", gen.RebalancingStatusPaused, &gen.Rebalancing{Status: gen.RebalancingStatusPaused}},
		"standard":            {"kafka.m5.large", "3.9.x", "", nil},
		"standard-rebalanced": {"kafka.m5.large", "3.9.x", gen.RebalancingStatusActive, &gen.Rebalancing{Status: gen.RebalancingStatusActive}},
	} {
		in := a.request(name)
		in.BrokerNodeGroupInfo.InstanceType, in.KafkaVersion = &tt.size, &tt.version
		if tt.asked != "" {
			in.Rebalancing = &gen.Rebalancing{Status: tt.asked}
		}
		created, err := a.CreateCluster(a.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: created.ClusterArn})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, out.ClusterInfo.Rebalancing); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if express := out.ClusterInfo.StorageMode == ""; express != (tt.size == "express.m7g.large") {
			t.Errorf("%s: storage mode %q", name, out.ClusterInfo.StorageMode)
		}
	}
}

func TestAnAccountHas90Brokers(t *testing.T) {
	a := newAccount(t)
	for _, name := range []string{"a", "b", "c"} {
		in := a.request(name)
		in.NumberOfBrokerNodes = new(int32(27))
		if _, err := a.CreateCluster(a.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	in := a.request("d")
	in.NumberOfBrokerNodes = new(int32(12))
	_, err := a.CreateCluster(a.ctx, in)
	if r := refusalOf(err); r.code != "BadRequestException" || r.parameter != "numberOfBrokerNodes" {
		t.Errorf("the 93rd broker: %v", err)
	}
	in.NumberOfBrokerNodes = new(int32(9))
	if _, err = a.CreateCluster(a.ctx, in); err != nil {
		t.Errorf("the 90th broker: %v", err)
	}
}

// A configuration that is removed between the check and the commit must not end up in a cluster.
func TestCreateKeepsItsConfiguration(t *testing.T) {
	a := newAccount(t)
	arn := a.configuration("c", "num.partitions=3")
	id, _ := resource.ParseConfigurationARN(arn)
	c, at, _, err := resource.ReadConfiguration(a.ctx, a.store, id)
	if err != nil {
		t.Fatal(err)
	}
	in := a.request("orders")
	in.ConfigurationInfo = &gen.ConfigurationInfo{Arn: &arn, Revision: new(int64(1))}
	hit := false
	a.store.SetFault(func(call metadata.Call) metadata.Fault {
		if call.Method == "Commit" && !hit {
			hit = true
			if _, err := a.store.Commit(a.ctx, c.Remove(at)); err != nil {
				t.Error(err)
			}
		}
		return metadata.Fault{}
	})
	_, err = a.CreateCluster(a.ctx, in)
	if r := refusalOf(err); r.message != textConfiguration {
		t.Errorf("got %v", err)
	}
}
