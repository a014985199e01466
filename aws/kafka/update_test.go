package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// ready returns an account with an ACTIVE cluster of the version K1, which change may change.
func ready(t *testing.T, change func(*resource.Cluster)) (a *account, arn string) {
	t.Helper()
	a = newAccount(t)
	arn = a.create("orders")
	a.activate(arn)
	a.set(arn, func(c *resource.Cluster) {
		c.CurrentVersion = "K1"
		if change != nil {
			change(c)
		}
	})
	return a, arn
}

func (a *account) cluster(arn string) resource.Cluster {
	a.t.Helper()
	var c resource.Cluster
	a.set(arn, func(have *resource.Cluster) { c = *have })
	return c
}

// operationOf is the operation that is under way.
func (a *account) operationOf(arn string) resource.Operation {
	a.t.Helper()
	c := a.cluster(arn)
	op, _, ok, err := resource.ReadOperation(a.ctx, a.store, a.scope.OperationKey(c.UUID, c.Operation))
	if err != nil || !ok {
		a.t.Fatalf("operation %q: %v, %v", c.Operation, ok, err)
	}
	return op
}

// report is what a broker says of itself.
func (a *account) report(arn string, broker metadata.BrokerID, r metadata.BrokerReport) {
	a.t.Helper()
	_, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.BrokerReportKey(mustUUID(a.t, arn), broker), metadata.Encode(r)),
	}})
	if err != nil {
		a.t.Fatal(err)
	}
}

// What every update refuses in the same words, whatever it asks for.
func TestUpdatesRefuseTheWrongCluster(t *testing.T) {
	a, arn := ready(t, nil)
	other := func(old, new string) string { return strings.Replace(arn, old, new, 1) }
	tests := []struct {
		name, arn, version string
		want               refusal
	}{
		{"no ARN", "orders", "K1", refusal{"BadRequestException", "clusterArn", `"orders" is not the ARN of a cluster.`}},
		{"ARN of another kind", other(":cluster/", ":configuration/"), "K1", refusal{"BadRequestException", "clusterArn", `"` + other(":cluster/", ":configuration/") + `" is not the ARN of a cluster.`}},
		{"unknown", other("/orders/", "/order/"), "K1", refusal{"NotFoundException", "clusterArn", textNotFound}},
		{"another account's", other("000000000000", "000000000001"), "K1", refusal{"NotFoundException", "clusterArn", textNotFound}},
		{"another region's", other("us-east-1", "us-east-2"), "K1", refusal{"NotFoundException", "clusterArn", textNotFound}},
		{"stale version", arn, "K0", refusal{"BadRequestException", "currentVersion", textStaleVersion}},
		{"no version", arn, "", refusal{"BadRequestException", "currentVersion", textStaleVersion}},
	}
	before := a.store.Revision()
	for _, operation := range updates() {
		for _, tt := range tests {
			if got := refusalOf(a.call(operation, examples(tt.arn, tt.version)[operation])); got != tt.want {
				t.Errorf("%s, %s: %+v, want %+v", operation, tt.name, got, tt.want)
			}
		}
	}
	if a.store.Revision() != before {
		t.Error("a refused request changed the store")
	}
	a.store.SetFault(func(metadata.Call) metadata.Fault { return metadata.Fault{Before: metadata.ErrUnavailable} })
	for _, operation := range updates() {
		if got := refusalOf(a.call(operation, examples(arn, "K1")[operation])); got.code != "ServiceUnavailableException" {
			t.Errorf("%s without a store: %+v", operation, got)
		}
	}
}

func updates() []string {
	return []string{
		"UpdateBrokerCount", "UpdateBrokerType", "UpdateBrokerStorage", "UpdateStorage", "UpdateClusterConfiguration", "UpdateClusterKafkaVersion",
		"UpdateMonitoring", "UpdateSecurity", "UpdateConnectivity", "UpdateRebalancing",
	}
}

// request is an update of a cluster at version K1.
type request func(a *account, arn string) error

func count(n int32) request {
	return func(a *account, arn string) error {
		_, err := a.UpdateBrokerCount(a.ctx, &gen.UpdateBrokerCountInput{ClusterArn: &arn, CurrentVersion: new("K1"), TargetNumberOfBrokerNodes: &n})
		return err
	}
}

func size(name string) request {
	return func(a *account, arn string) error {
		_, err := a.UpdateBrokerType(a.ctx, &gen.UpdateBrokerTypeInput{ClusterArn: &arn, CurrentVersion: new("K1"), TargetInstanceType: &name})
		return err
	}
}

func volume(vs ...gen.BrokerEBSVolumeInfo) request {
	return func(a *account, arn string) error {
		_, err := a.UpdateBrokerStorage(a.ctx, &gen.UpdateBrokerStorageInput{ClusterArn: &arn, CurrentVersion: new("K1"), TargetBrokerEBSVolumeInfo: vs})
		return err
	}
}

func gib(n int32) request {
	return volume(gen.BrokerEBSVolumeInfo{KafkaBrokerNodeId: new("All"), VolumeSizeGB: &n})
}

func throughput(p gen.ProvisionedThroughput) request {
	return volume(gen.BrokerEBSVolumeInfo{KafkaBrokerNodeId: new("ALL"), ProvisionedThroughput: &p})
}

func storageOf(in gen.UpdateStorageInput) request {
	return func(a *account, arn string) error {
		in.ClusterArn, in.CurrentVersion = &arn, new("K1")
		_, err := a.UpdateStorage(a.ctx, &in)
		return err
	}
}

func version(name string, info *gen.ConfigurationInfo) request {
	return func(a *account, arn string) error {
		_, err := a.UpdateClusterKafkaVersion(a.ctx, &gen.UpdateClusterKafkaVersionInput{
			ClusterArn: &arn, CurrentVersion: new("K1"), TargetKafkaVersion: &name, ConfigurationInfo: info,
		})
		return err
	}
}

func configurationOf(text string, revision int64, versions ...string) request {
	return func(a *account, arn string) error {
		c := noConfiguration
		if text != "" {
			c = a.configuration("c", text, versions...)
		}
		return configured(c, revision)(a, arn)
	}
}

func configured(configuration string, revision int64) request {
	return func(a *account, arn string) error {
		_, err := a.UpdateClusterConfiguration(a.ctx, &gen.UpdateClusterConfigurationInput{
			ClusterArn: &arn, CurrentVersion: new("K1"), ConfigurationInfo: &gen.ConfigurationInfo{Arn: &configuration, Revision: &revision},
		})
		return err
	}
}

func monitoring(in gen.UpdateMonitoringInput) request {
	return func(a *account, arn string) error {
		in.ClusterArn, in.CurrentVersion = &arn, new("K1")
		_, err := a.UpdateMonitoring(a.ctx, &in)
		return err
	}
}

func security(in gen.UpdateSecurityInput) request {
	return func(a *account, arn string) error {
		in.ClusterArn, in.CurrentVersion = &arn, new("K1")
		_, err := a.UpdateSecurity(a.ctx, &in)
		return err
	}
}

func connect(in gen.UpdateConnectivityInput) request {
	return func(a *account, arn string) error {
		in.ClusterArn, in.CurrentVersion = &arn, new("K1")
		_, err := a.UpdateConnectivity(a.ctx, &in)
		return err
	}
}

func public(kind string) request {
	return connect(gen.UpdateConnectivityInput{ConnectivityInfo: &gen.ConnectivityInfo{PublicAccess: &gen.PublicAccess{Type: &kind}}})
}

func multiVPC(c gen.VpcConnectivityClientAuthentication) request {
	return connect(gen.UpdateConnectivityInput{ConnectivityInfo: &gen.ConnectivityInfo{VpcConnectivity: &gen.VpcConnectivity{ClientAuthentication: &c}}})
}

func rebalance(s gen.RebalancingStatus) request {
	return func(a *account, arn string) error {
		_, err := a.UpdateRebalancing(a.ctx, &gen.UpdateRebalancingInput{ClusterArn: &arn, CurrentVersion: new("K1"), Rebalancing: &gen.Rebalancing{Status: s}})
		return err
	}
}

// Clusters that are not as ready makes them.
func express(c *resource.Cluster) {
	c.Type, c.InstanceType, c.KafkaVersion, c.VolumeGiB = metadata.Express, "express.m7g.large", "3.8.x", 0
	c.Rebalancing = resource.RebalancingActive
}

func small(c *resource.Cluster) { c.InstanceType = "kafka.t3.small" }

func large(c *resource.Cluster) { c.InstanceType = "kafka.m5.4xlarge" }

func withIAM(c *resource.Cluster) {
	c.Security.ClientAuthentication = &resource.ClientAuthentication{IAM: new(true)}
}

func withSCRAM(c *resource.Cluster) {
	c.Security.ClientAuthentication = &resource.ClientAuthentication{SCRAM: new(true)}
}

func running(kafka string) func(*resource.Cluster) {
	return func(c *resource.Cluster) { c.KafkaVersion = kafka }
}

func TestUpdatesRefuse(t *testing.T) {
	const unchangedText = "The request does not include any updates to "
	on := new(true)
	tests := []struct {
		name      string
		change    func(*resource.Cluster)
		request   request
		parameter string
		message   string // part of it
	}{
		{"count: not in every zone", nil, count(4), "targetNumberOfBrokerNodes", textBrokerCount},
		{"count: as it is", nil, count(3), "targetNumberOfBrokerNodes", unchangedText + "the number of broker nodes"},
		{"count: too many for ZooKeeper", nil, count(33), "targetNumberOfBrokerNodes", "KafkaVersion [3.9.x] can have at most 30 brokers"},
		{"count: too many for KRaft", running("3.9.x.kraft"), count(63), "targetNumberOfBrokerNodes", "at most 60 brokers"},

		{"type: unknown", nil, size("kafka.m1.tiny"), "targetInstanceType", "Unsupported InstanceType [kafka.m1.tiny]. Valid values: [kafka.t3.small"},
		{"type: as it is", nil, size("kafka.m7g.large"), "targetInstanceType", unchangedText + "the broker type"},
		{"type: to Express", nil, size("express.m7g.large"), "targetInstanceType", "between Standard and Express"},
		{"type: from Express", express, size("kafka.m7g.large"), "targetInstanceType", "between Standard and Express"},
		{"type: small with KRaft", running("4.0.x"), size("kafka.t3.small"), "targetInstanceType", "KRaft"},
		{"type: Graviton with an old version", func(c *resource.Cluster) { c.KafkaVersion, c.InstanceType = "3.2.0", "kafka.m5.large" }, size("kafka.m7g.large"), "targetInstanceType", "3.3.2 or newer"},
		{"type: small with tiers", func(c *resource.Cluster) { c.StorageMode = resource.StorageTiered }, size("kafka.t3.small"), "targetInstanceType", "TIERED"},
		{"type: too small for the throughput", func(c *resource.Cluster) { large(c); c.Throughput = &resource.Throughput{Enabled: true, MiBps: 300} }, size("kafka.m5.large"), "targetInstanceType", "300 MiB per second"},
		{"type: too small for the partitions", nil, func(a *account, arn string) error {
			a.report(arn, 2, metadata.BrokerReport{Partitions: 301})
			return size("kafka.t3.small")(a, arn)
		}, "targetInstanceType", "Broker 2 has 301 partitions. A broker of the type kafka.t3.small can have at most 300."},

		{"volumes: none", nil, volume(), "targetBrokerEBSVolumeInfo", "exactly one"},
		{"volumes: two", nil, volume(gen.BrokerEBSVolumeInfo{KafkaBrokerNodeId: new("1")}, gen.BrokerEBSVolumeInfo{KafkaBrokerNodeId: new("2")}), "targetBrokerEBSVolumeInfo", "exactly one"},
		{"volumes: of one broker", nil, volume(gen.BrokerEBSVolumeInfo{KafkaBrokerNodeId: new("1"), VolumeSizeGB: new(int32(200))}), "kafkaBrokerNodeId", "[1]"},
		{"volumes: as they are", nil, gib(100), "targetBrokerEBSVolumeInfo", unchangedText + "the EBS volumes of the cluster. Verify the request, then try again."},
		{"volumes: nothing said", nil, volume(gen.BrokerEBSVolumeInfo{KafkaBrokerNodeId: new("All")}), "targetBrokerEBSVolumeInfo", unchangedText + "the EBS volumes of the cluster"},
		{"volumes: none left", nil, gib(0), "volumeSize", "between 1 and 16384"},
		{"volumes: too large", nil, gib(16385), "volumeSize", "between 1 and 16384"},
		{"volumes: of Express", express, gib(100), "targetBrokerEBSVolumeInfo", "Express"},
		{"volumes: smaller than what is on them", nil, func(a *account, arn string) error {
			a.report(arn, 3, metadata.BrokerReport{UsedBytes: 50<<30 + 1})
			return gib(50)(a, arn)
		}, "volumeSizeGB", "Broker 3 holds 51 GiB, which doesn't fit into a volume of 50 GiB"},
		{"throughput: of a small broker", nil, throughput(gen.ProvisionedThroughput{Enabled: on}), "provisionedThroughput", "kafka.m7g.large"},
		{"throughput: too little", large, throughput(gen.ProvisionedThroughput{Enabled: on, VolumeThroughput: new(int32(249))}), "volumeThroughput", "between 250 and 593"},
		{"throughput: too much", large, throughput(gen.ProvisionedThroughput{Enabled: on, VolumeThroughput: new(int32(594))}), "volumeThroughput", "between 250 and 593"},
		{"throughput: off, with a figure", large, throughput(gen.ProvisionedThroughput{Enabled: new(false), VolumeThroughput: new(int32(300))}), "volumeThroughput", "only together"},

		{"storage: nothing said", nil, storageOf(gen.UpdateStorageInput{}), "storageMode", "Specify storageMode"},
		{"storage: two kinds", nil, storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeTiered, VolumeSizeGB: new(int32(200))}), "storageMode", textSeveralKinds},
		{"storage: as it is", nil, storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeLocal}), "storageMode", unchangedText + "the storage mode"},
		{"storage: volumes as they are", nil, storageOf(gen.UpdateStorageInput{VolumeSizeGB: new(int32(100))}), "volumeSizeGB", unchangedText + "the EBS volumes"},
		{"storage: of Express", express, storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeTiered}), "storageMode", "Express"},
		{"storage: of small brokers", small, storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeTiered}), "storageMode", "kafka.t3.small"},
		{"storage: of an old version", running("3.5.1"), storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeTiered}), "storageMode", "KafkaVersion [3.5.1]"},

		{"configuration: malformed", nil, configured("c", 1), "configurationInfo", textConfigurationARN},
		{"configuration: unknown", nil, configurationOf("", 1), "configurationInfo", textConfiguration},
		{"configuration: unknown revision", nil, configurationOf("num.partitions=3", 2), "configurationInfo", "no revision 2"},
		{"configuration: of another version", nil, configurationOf("num.partitions=3", 1, "3.8.x"), "configurationInfo", "not for KafkaVersion [3.9.x]"},
		{"configuration: with what the cluster can't have", nil, configurationOf("no.such.property=3", 1), "configurationInfo", "line 1, no.such.property"},
		{"configuration: as it is", nil, func(a *account, arn string) error {
			k := a.configuration("c", "num.partitions=3")
			a.set(arn, func(c *resource.Cluster) { c.Configuration = resource.ConfigurationRef{ARN: k, Revision: 1} })
			return configured(k, 1)(a, arn)
		}, "configurationInfo", unchangedText + "the configuration"},

		{"version: unknown", nil, version("9.9.9", nil), "targetKafkaVersion", "Unsupported KafkaVersion [9.9.9]. Valid values: [1.1.1, "},
		{"version: as it is", nil, version("3.9.x", nil), "targetKafkaVersion", unchangedText + "the Kafka version"},
		{"version: not of Express", express, version("3.5.1", nil), "targetKafkaVersion", "Express brokers don't support KafkaVersion [3.5.1]"},
		{"version: KRaft with small brokers", small, version("4.0.x", nil), "targetKafkaVersion", "kafka.t3.small"},
		{"version: without tiers", func(c *resource.Cluster) { c.StorageMode = resource.StorageTiered }, version("3.5.1", nil), "targetKafkaVersion", "TIERED"},
		{"version: with a configuration of another", nil, func(a *account, arn string) error {
			k := a.configuration("c", "num.partitions=3", "3.9.x")
			a.set(arn, func(c *resource.Cluster) { c.Configuration = resource.ConfigurationRef{ARN: k, Revision: 1} })
			return version("3.8.x", nil)(a, arn)
		}, "configurationInfo", "for the Kafka versions [3.9.x], not for KafkaVersion [3.8.x]"},
		{"version: with an unknown configuration", nil, version("3.8.x", &gen.ConfigurationInfo{Arn: new(noConfiguration), Revision: new(int64(1))}), "configurationInfo", textConfiguration},

		{"monitoring: nothing said", nil, monitoring(gen.UpdateMonitoringInput{}), "enhancedMonitoring", "at least one"},
		{"monitoring: as it is", nil, monitoring(gen.UpdateMonitoringInput{EnhancedMonitoring: gen.EnhancedMonitoringDefault}), "enhancedMonitoring", unchangedText + "the monitoring"},
		{"monitoring: logs to an unknown group", nil, monitoring(gen.UpdateMonitoringInput{LoggingInfo: &gen.LoggingInfo{
			BrokerLogs: &gen.BrokerLogs{CloudWatchLogs: &gen.CloudWatchLogs{Enabled: on, LogGroup: new("g")}},
		}}), "loggingInfo.brokerLogs.cloudWatchLogs.logGroup", "[g] doesn't exist"},

		{"security: nothing said", nil, security(gen.UpdateSecurityInput{}), "clientAuthentication", "at least one"},
		{"security: at rest", nil, security(gen.UpdateSecurityInput{EncryptionInfo: &gen.EncryptionInfo{
			EncryptionAtRest: &gen.EncryptionAtRest{DataVolumeKMSKeyId: new("k")},
		}}), "encryptionInfo.encryptionAtRest", textAtRest},
		{"security: between brokers", nil, security(gen.UpdateSecurityInput{EncryptionInfo: &gen.EncryptionInfo{
			EncryptionInTransit: &gen.EncryptionInTransit{InCluster: on},
		}}), "encryptionInfo.encryptionInTransit.inCluster", textInCluster},
		{"security: nobody may in", nil, security(gen.UpdateSecurityInput{ClientAuthentication: &gen.ClientAuthentication{
			Unauthenticated: &gen.Unauthenticated{Enabled: new(false)},
		}}), "clientAuthentication", "at least one way"},
		{"security: IAM in plaintext", func(c *resource.Cluster) { c.Security.ClientBroker = "PLAINTEXT" }, security(gen.UpdateSecurityInput{
			ClientAuthentication: new(iamOn()),
		}), "encryptionInfo.encryptionInTransit.clientBroker", "[SASL/IAM] can't be combined with clientBroker [PLAINTEXT]"},
		{"security: under those from other VPCs", func(c *resource.Cluster) {
			withIAM(c)
			c.Connectivity.VPC = &resource.ClientAuthentication{IAM: new(true)}
		}, security(gen.UpdateSecurityInput{ClientAuthentication: &gen.ClientAuthentication{
			Sasl: &gen.Sasl{Iam: &gen.Iam{Enabled: new(false)}},
		}}), "clientAuthentication", "Multi-VPC connectivity is on for [SASL/IAM]"},
		{"security: everybody, in public", func(c *resource.Cluster) { withIAM(c); c.Connectivity.PublicAccess = publicAccessOn }, security(gen.UpdateSecurityInput{
			ClientAuthentication: &gen.ClientAuthentication{Unauthenticated: &gen.Unauthenticated{Enabled: on}},
		}), "clientAuthentication", "Public access is on"},

		{"connectivity: nothing said", nil, connect(gen.UpdateConnectivityInput{}), "connectivityInfo", unchangedText + "the connectivity"},
		{"connectivity: as it is", nil, public(publicAccessOff), "connectivityInfo", unchangedText + "the connectivity"},
		{"connectivity: two kinds", withIAM, connect(gen.UpdateConnectivityInput{ConnectivityInfo: &gen.ConnectivityInfo{
			PublicAccess: &gen.PublicAccess{Type: new(publicAccessOn)}, NetworkType: gen.NetworkTypeDual,
		}}), "networkType", textSeveralKinds},
		{"connectivity: unknown type", nil, public("OPEN"), "publicAccess.type", "[OPEN]"},
		{"connectivity: public for everybody", nil, public(publicAccessOn), "publicAccess", "unauthenticated access to be off"},
		{"connectivity: public with plaintext", func(c *resource.Cluster) {
			c.Security = resource.Security{ClientAuthentication: &resource.ClientAuthentication{TLS: on}, ClientBroker: "TLS_PLAINTEXT"}
		}, public(publicAccessOn), "publicAccess", "must be TLS, not TLS_PLAINTEXT"},
		{"connectivity: public between open brokers", func(c *resource.Cluster) { withIAM(c); c.InCluster = false }, public(publicAccessOn), "publicAccess", "between brokers"},
		{"connectivity: public with an old version", func(c *resource.Cluster) { withIAM(c); c.KafkaVersion = "2.5.1" }, public(publicAccessOn), "publicAccess", "2.6.0 or newer"},
		{"connectivity: public without ACLs", withSCRAM, public(publicAccessOn), "publicAccess", "allow.everyone.if.no.acl.found"},
		{"connectivity: VPCs with an old version", func(c *resource.Cluster) { withIAM(c); c.KafkaVersion = "2.6.0" }, multiVPC(vpcIAM()), "vpcConnectivity", "2.7.1 or newer"},
		{"connectivity: VPCs with small brokers", func(c *resource.Cluster) { withIAM(c); small(c) }, multiVPC(vpcIAM()), "vpcConnectivity", "kafka.t3.small"},
		{"connectivity: VPCs by a way that is off", withSCRAM, multiVPC(vpcIAM()), "vpcConnectivity", "It has [SASL/SCRAM]"},
		{"connectivity: VPCs without ACLs", withSCRAM, multiVPC(gen.VpcConnectivityClientAuthentication{
			Sasl: &gen.VpcConnectivitySasl{Scram: &gen.VpcConnectivityScram{Enabled: on}},
		}), "vpcConnectivity", "allow.everyone.if.no.acl.found"},
		{"connectivity: ZooKeeper of KRaft", running("4.0.x"), connect(gen.UpdateConnectivityInput{
			ZookeeperAccess: &gen.ZookeeperAccess{Enabled: new(false)},
		}), "zookeeperAccess", "has no ZooKeeper"},

		{"rebalancing: nothing said", nil, rebalance(""), "rebalancing.status", "ACTIVE or PAUSED"},
		{"rebalancing: as it is", nil, rebalance(gen.RebalancingStatusPaused), "rebalancing", unchangedText + "the rebalancing"},
		{"rebalancing: as it is with Express", express, rebalance(gen.RebalancingStatusActive), "rebalancing", unchangedText + "the rebalancing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, arn := ready(t, tt.change)
			err := tt.request(a, arn)
			if got := refusalOf(err); got.code != "BadRequestException" || got.parameter != tt.parameter || !strings.Contains(got.message, tt.message) {
				t.Errorf("got %+v (%v), want parameter %q, message %q", got, err, tt.parameter, tt.message)
			}
			if c := a.cluster(arn); c.State != resource.Active || c.Operation != "" {
				t.Errorf("a refused request left the cluster in %s with operation %q", c.State, c.Operation)
			}
		})
	}
}

func vpcIAM() gen.VpcConnectivityClientAuthentication {
	return gen.VpcConnectivityClientAuthentication{Sasl: &gen.VpcConnectivitySasl{Iam: &gen.VpcConnectivityIam{Enabled: new(true)}}}
}

// What is accepted becomes an operation that says what changes, from what and to what, and nothing else.
func TestUpdatesRecordWhatChanges(t *testing.T) {
	on, off := new(true), new(false)
	type info = gen.MutableClusterInfo
	type change = resource.Change
	vpc := func(iam bool) *gen.ConnectivityInfo {
		return &gen.ConnectivityInfo{VpcConnectivity: connectivity(&resource.Connectivity{VPC: &resource.ClientAuthentication{IAM: &iam}}).VpcConnectivity}
	}
	tests := []struct {
		name      string
		change    func(*resource.Cluster)
		request   request
		operation resource.OperationType
		target    change
		from, to  info
	}{
		{"more brokers", nil, count(6), resource.OpIncreaseBrokers, change{Brokers: new(6)}, info{NumberOfBrokerNodes: new(int32(3))}, info{NumberOfBrokerNodes: new(int32(6))}},
		{
			"fewer brokers, not empty", func(c *resource.Cluster) { c.Brokers = 9 }, count(3), resource.OpDecreaseBrokers,
			change{Brokers: new(3)},
			info{NumberOfBrokerNodes: new(int32(9))},
			info{NumberOfBrokerNodes: new(int32(3))},
		},
		{
			"larger brokers", nil, size("kafka.m7g.xlarge"), resource.OpBrokerType,
			change{InstanceType: new("kafka.m7g.xlarge")},
			info{InstanceType: new("kafka.m7g.large")},
			info{InstanceType: new("kafka.m7g.xlarge")},
		},
		{
			"larger volumes", nil, gib(200), resource.OpBrokerStorage,
			change{VolumeGiB: new(int32(200))},
			info{BrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: new("All"), VolumeSizeGB: new(int32(100))}}},
			info{BrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: new("All"), VolumeSizeGB: new(int32(200))}}},
		},
		{
			"smaller volumes", nil, func(a *account, arn string) error {
				a.report(arn, 1, metadata.BrokerReport{UsedBytes: 50 << 30})
				return gib(50)(a, arn)
			}, resource.OpBrokerStorage,
			change{VolumeGiB: new(int32(50))},
			info{BrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: new("All"), VolumeSizeGB: new(int32(100))}}},
			info{BrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: new("All"), VolumeSizeGB: new(int32(50))}}},
		},
		{
			"throughput", large, throughput(gen.ProvisionedThroughput{Enabled: on}), resource.OpBrokerStorage,
			change{Throughput: &resource.Throughput{Enabled: true, MiBps: 250}},
			info{BrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: new("All"), ProvisionedThroughput: &gen.ProvisionedThroughput{Enabled: off}}}},
			info{BrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{
				KafkaBrokerNodeId: new("All"), ProvisionedThroughput: &gen.ProvisionedThroughput{Enabled: on, VolumeThroughput: new(int32(250))},
			}}},
		},
		{
			"tiers", nil, storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeTiered}), resource.OpStorage,
			change{StorageMode: new("TIERED")},
			info{StorageMode: "LOCAL"},
			info{StorageMode: "TIERED"},
		},
		{
			"tiers no more", func(c *resource.Cluster) { c.StorageMode = "TIERED" }, storageOf(gen.UpdateStorageInput{StorageMode: gen.StorageModeLocal}),
			resource.OpStorage,
			change{StorageMode: new("LOCAL")},
			info{StorageMode: "TIERED"},
			info{StorageMode: "LOCAL"},
		},
		{
			"newer version", running("3.8.x"), version("3.9.x", nil), resource.OpKafkaVersion,
			change{KafkaVersion: new("3.9.x")},
			info{KafkaVersion: new("3.8.x")},
			info{KafkaVersion: new("3.9.x")},
		},
		{
			"older version", nil, version("3.8.x", nil), resource.OpKafkaVersion,
			change{KafkaVersion: new("3.8.x")},
			info{KafkaVersion: new("3.9.x")},
			info{KafkaVersion: new("3.8.x")},
		},
		{
			"to KRaft", nil, version("4.0.x", nil), resource.OpKafkaVersion,
			change{KafkaVersion: new("4.0.x")},
			info{KafkaVersion: new("3.9.x")},
			info{KafkaVersion: new("4.0.x")},
		},
		{
			"monitoring, of which one thing is as it was", nil, monitoring(gen.UpdateMonitoringInput{
				EnhancedMonitoring: gen.EnhancedMonitoringDefault, OpenMonitoring: &gen.OpenMonitoringInfo{Prometheus: &gen.PrometheusInfo{
					JmxExporter: &gen.JmxExporterInfo{EnabledInBroker: on},
				}},
			}), resource.OpMonitoring,
			change{OpenMonitoring: &resource.OpenMonitoring{JMX: true}},
			info{OpenMonitoring: exporters(nil)},
			info{OpenMonitoring: exporters(&resource.OpenMonitoring{JMX: true})},
		},
		{
			"IAM", nil, security(gen.UpdateSecurityInput{ClientAuthentication: new(iamOn())}), resource.OpSecurity,
			change{Security: &resource.Security{ClientAuthentication: &resource.ClientAuthentication{IAM: on}}},
			info{},
			info{ClientAuthentication: new(iamOn())},
		},
		{
			"encryption", func(c *resource.Cluster) { c.Security.ClientBroker = "PLAINTEXT" }, security(gen.UpdateSecurityInput{
				EncryptionInfo: &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: gen.ClientBrokerTlsPlaintext}},
			}), resource.OpSecurity,
			change{Security: &resource.Security{ClientBroker: "TLS_PLAINTEXT"}},
			info{EncryptionInfo: &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: "PLAINTEXT"}}},
			info{EncryptionInfo: &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: "TLS_PLAINTEXT"}}},
		},
		{
			"IAM again", withIAM, security(gen.UpdateSecurityInput{ClientAuthentication: new(iamOn())}), resource.OpSecurity, change{}, info{}, info{},
		},
		{
			"SCRAM beside IAM", withIAM, security(gen.UpdateSecurityInput{ClientAuthentication: &gen.ClientAuthentication{Sasl: &gen.Sasl{Scram: &gen.Scram{Enabled: on}}}}),
			resource.OpSecurity,
			change{Security: &resource.Security{ClientAuthentication: &resource.ClientAuthentication{IAM: on, SCRAM: on}}},
			info{ClientAuthentication: new(iamOn())},
			info{ClientAuthentication: &gen.ClientAuthentication{Sasl: &gen.Sasl{Iam: &gen.Iam{Enabled: on}, Scram: &gen.Scram{Enabled: on}}}},
		},
		{
			"nothing for other VPCs, as it is", nil, multiVPC(gen.VpcConnectivityClientAuthentication{
				Sasl: &gen.VpcConnectivitySasl{Iam: &gen.VpcConnectivityIam{Enabled: new(false)}}, Tls: &gen.VpcConnectivityTls{Enabled: new(false)},
			}), resource.OpConnectivity, change{}, info{}, info{},
		},
		{
			"public access", withIAM, public(publicAccessOn), resource.OpConnectivity,
			change{Connectivity: &resource.Connectivity{PublicAccess: publicAccessOn}},
			info{ConnectivityInfo: &gen.ConnectivityInfo{PublicAccess: &gen.PublicAccess{Type: new(publicAccessOff)}}},
			info{ConnectivityInfo: &gen.ConnectivityInfo{PublicAccess: &gen.PublicAccess{Type: new(publicAccessOn)}}},
		},
		{
			"multi-VPC", withIAM, multiVPC(vpcIAM()), resource.OpConnectivity,
			change{Connectivity: &resource.Connectivity{VPC: &resource.ClientAuthentication{IAM: on}}},
			info{ConnectivityInfo: vpc(false)},
			info{ConnectivityInfo: vpc(true)},
		},
		{
			"IPv6", nil, connect(gen.UpdateConnectivityInput{ConnectivityInfo: &gen.ConnectivityInfo{NetworkType: gen.NetworkTypeDual}}), resource.OpConnectivity,
			change{Connectivity: &resource.Connectivity{NetworkType: "DUAL"}},
			info{ConnectivityInfo: &gen.ConnectivityInfo{NetworkType: "IPV4"}},
			info{ConnectivityInfo: &gen.ConnectivityInfo{NetworkType: "DUAL"}},
		},
		{
			"no ZooKeeper", nil, connect(gen.UpdateConnectivityInput{ZookeeperAccess: &gen.ZookeeperAccess{Enabled: off}}), resource.OpConnectivity,
			change{Connectivity: &resource.Connectivity{ZooKeeper: off}},
			info{ZookeeperAccess: &gen.ZookeeperAccess{}},
			info{ZookeeperAccess: &gen.ZookeeperAccess{Enabled: off}},
		},
		{
			"Express pauses", express, rebalance(gen.RebalancingStatusPaused), resource.OpRebalancing,
			change{Rebalancing: new(resource.RebalancingPaused)},
			info{Rebalancing: &gen.Rebalancing{Status: "ACTIVE"}},
			info{Rebalancing: &gen.Rebalancing{Status: "PAUSED"}},
		},
		{
			"Standard rebalances", nil, rebalance(gen.RebalancingStatusActive), resource.OpRebalancing,
			change{Rebalancing: new(resource.RebalancingActive)},
			info{Rebalancing: &gen.Rebalancing{Status: "PAUSED"}},
			info{Rebalancing: &gen.Rebalancing{Status: "ACTIVE"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, arn := ready(t, tt.change)
			if err := tt.request(a, arn); err != nil {
				t.Fatal(err)
			}
			c, op := a.cluster(arn), a.operationOf(arn)
			if c.State != resource.Updating || c.CurrentVersion != "K1" || op.Type != tt.operation || op.Update.Version != "K1" || op.RequestID != "req-1" {
				t.Errorf("cluster %s %s, operation %+v", c.State, c.CurrentVersion, op)
			}
			if diff := cmp.Diff(tt.target, op.Update.Target); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
			operation := c.OperationARN(op.ID)
			v1, err := a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: &operation})
			if err != nil {
				t.Fatal(err)
			}
			v2, err := a.DescribeClusterOperationV2(a.ctx, &gen.DescribeClusterOperationV2Input{ClusterOperationArn: &operation})
			if err != nil {
				t.Fatal(err)
			}
			p := v2.ClusterOperationInfo.Provisioned
			for name, got := range map[string][2]*info{
				"v1": {v1.ClusterOperationInfo.SourceClusterInfo, v1.ClusterOperationInfo.TargetClusterInfo}, "v2": {p.SourceClusterInfo, p.TargetClusterInfo},
			} {
				if diff := cmp.Diff([2]*info{&tt.from, &tt.to}, got); diff != "" {
					t.Errorf("%s, from and to (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestOperationsNameTheBrokersThatComeAndGo(t *testing.T) {
	a, arn := ready(t, nil)
	if err := count(6)(a, arn); err != nil {
		t.Fatal(err)
	}
	op := a.operationOf(arn)
	op.Update.Created = []metadata.BrokerID{4, 5, 6} // as the controller notes
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(op.Key(a.scope), metadata.Encode(op))}}); err != nil {
		t.Fatal(err)
	}
	out, err := a.ListClusterOperations(a.ctx, &gen.ListClusterOperationsInput{ClusterArn: &arn})
	if err != nil || len(out.ClusterOperationInfoList) != 1 {
		t.Fatal(out, err)
	}
	want := &gen.BrokerCountUpdateInfo{CreatedBrokerIds: []float64{4, 5, 6}, DeletedBrokerIds: []float64{}}
	if diff := cmp.Diff(want, out.ClusterOperationInfoList[0].TargetClusterInfo.BrokerCountUpdateInfo); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A configuration that a cluster takes cannot be removed at the same moment, and is named with its revision.
func TestUpdateOfTheConfiguration(t *testing.T) {
	a, arn := ready(t, nil)
	k := a.configuration("c", "num.partitions=3", "3.9.x")
	id, _ := resource.ParseConfigurationARN(k)
	c, at, _, err := resource.ReadConfiguration(a.ctx, a.store, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := configured(k, 1)(a, arn); err != nil {
		t.Fatal(err)
	}
	if _, err := a.store.Commit(a.ctx, c.Remove(at)); err == nil {
		t.Error("the configuration was removed with what was read before the cluster took it")
	}
	op := a.operationOf(arn)
	want := resource.Update{
		Source: resource.Change{Configuration: &resource.ConfigurationRef{}}, Version: "K1",
		Target: resource.Change{Configuration: &resource.ConfigurationRef{ARN: k, Revision: 1}},
	}
	if diff := cmp.Diff(&want, op.Update); diff != "" || op.Type != resource.OpConfiguration {
		t.Errorf("%s (-want +got):\n%s", op.Type, diff)
	}
	cl := a.cluster(arn)
	out, err := a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: new(cl.OperationARN(op.ID))})
	if err != nil || out.ClusterOperationInfo.SourceClusterInfo.ConfigurationInfo != nil || *out.ClusterOperationInfo.TargetClusterInfo.ConfigurationInfo.Arn != k {
		t.Errorf("operation %+v, %v", out, err)
	}
}

// With the header, updates of a busy cluster wait, and each is checked against what the ones before it will have done.
func TestUpdatesWaitForTheirTurn(t *testing.T) {
	a, arn := ready(t, nil)
	if err := count(6)(a, arn); err != nil {
		t.Fatal(err)
	}
	if got := refusalOf(gib(200)(a, arn)); got.message != "You can't update the storage of a cluster in UPDATING state." {
		t.Errorf("without asking to wait: %+v", got)
	}
	scope := awsapi.ScopeFrom(a.ctx)
	scope.Queue = true
	a.ctx = awsapi.WithScope(a.ctx, scope)
	steps := []struct {
		name    string
		request request
		message string // of a refusal
	}{
		{"what is so by then", count(6), "does not include any updates to the number of broker nodes"},
		{"from what will be", count(3), ""},
		{"another kind", gib(200), ""},
		{"that twice", gib(200), "does not include any updates to the EBS volumes"},
		{"one way in", security(gen.UpdateSecurityInput{ClientAuthentication: new(iamOn())}), ""},
		{"another beside it", security(gen.UpdateSecurityInput{ClientAuthentication: &gen.ClientAuthentication{Sasl: &gen.Sasl{Scram: &gen.Scram{Enabled: new(true)}}}}), ""},
	}
	for _, s := range steps {
		if got := refusalOf(s.request(a, arn)); (got.message == "") != (s.message == "") || !strings.Contains(got.message, s.message) {
			t.Errorf("%s: %+v", s.name, got)
		}
	}
	if _, err := a.RebootBroker(a.ctx, &gen.RebootBrokerInput{ClusterArn: &arn, BrokerIds: []string{"2"}}); err != nil {
		t.Errorf("reboot: %v", err)
	}
	if _, err := a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn}); refusalOf(err).message != "You can't delete cluster in UPDATING state." {
		t.Errorf("delete: %v", err)
	}
	c := a.cluster(arn)
	var types []resource.OperationType
	for _, id := range c.Queue {
		op, _, ok, err := resource.ReadOperation(a.ctx, a.store, a.scope.OperationKey(c.UUID, id))
		if err != nil || !ok || op.State != resource.OpPending {
			t.Fatal(op, ok, err)
		}
		types = append(types, op.Type)
		if op.Type == resource.OpSecurity && op.Update.Target.Security.ClientAuthentication.SCRAM != nil && op.Update.Target.Security.ClientAuthentication.IAM == nil {
			t.Error("the second update of the security settings forgot the first")
		}
	}
	want := []resource.OperationType{resource.OpDecreaseBrokers, resource.OpBrokerStorage, resource.OpSecurity, resource.OpSecurity, resource.OpReboot}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("queue (-want +got):\n%s", diff)
	}
	for range resource.QueueMax - len(want) {
		if _, err := a.RebootBroker(a.ctx, &gen.RebootBrokerInput{ClusterArn: &arn, BrokerIds: []string{"2"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := refusalOf(rebalance(gen.RebalancingStatusActive)(a, arn)); got.code != "TooManyRequestsException" {
		t.Errorf("a full queue: %+v", got)
	}
	a.set(arn, func(c *resource.Cluster) { c.State = resource.Healing })
	if got := refusalOf(gib(300)(a, arn)); !strings.Contains(got.message, "in HEALING state") {
		t.Errorf("nothing to wait for: %+v", got)
	}
}

// Two updates at once: one begins, the other finds the cluster busy. Nothing of it is half done.
func TestOneOfTwoUpdatesBegins(t *testing.T) {
	a, arn := ready(t, nil)
	first := true
	a.store.SetFault(func(call metadata.Call) metadata.Fault {
		if call.Method == "Commit" && first {
			first = false
			if err := gib(200)(a, arn); err != nil {
				t.Error(err)
			}
		}
		return metadata.Fault{}
	})
	if got := refusalOf(count(6)(a, arn)); got.message != "You can't update the number of brokers of a cluster in UPDATING state." {
		t.Errorf("the second update: %+v", got)
	}
	ops, err := resource.ListOperations(a.ctx, a.store, a.scope, mustUUID(t, arn))
	if err != nil || len(ops) != 2 { // that and the creation
		t.Errorf("%d operations, %v", len(ops), err)
	}
}

func TestAccountQuotaHoldsForMoreBrokers(t *testing.T) {
	a, arn := ready(t, nil)
	for _, name := range []string{"b", "c", "d"} {
		in := a.request(name)
		in.NumberOfBrokerNodes = new(int32(27))
		if _, err := a.CreateCluster(a.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if got := refusalOf(count(12)(a, arn)); got.parameter != "targetNumberOfBrokerNodes" || !strings.Contains(got.message, "at most 90 brokers") {
		t.Errorf("93 brokers: %+v", got)
	}
	if err := count(9)(a, arn); err != nil {
		t.Errorf("90 brokers: %v", err)
	}
}

func TestCustomerActionFollowsTheFullestBroker(t *testing.T) {
	a, arn := ready(t, nil)
	for _, tt := range []struct {
		gib  int64
		want gen.CustomerActionStatus
	}{{0, "NONE"}, {59, "NONE"}, {60, "ACTION_RECOMMENDED"}, {97, "ACTION_RECOMMENDED"}, {98, "CRITICAL_ACTION_REQUIRED"}, {120, "CRITICAL_ACTION_REQUIRED"}} {
		a.report(arn, 1, metadata.BrokerReport{UsedBytes: 1 << 30})
		a.report(arn, 2, metadata.BrokerReport{UsedBytes: tt.gib << 30})
		a.report(arn, 7, metadata.BrokerReport{UsedBytes: 1 << 60}) // a broker that the cluster does not have any more
		out, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: &arn})
		if err != nil || out.ClusterInfo.CustomerActionStatus != tt.want {
			t.Errorf("%d of 100 GiB: %v, %v", tt.gib, out.ClusterInfo.CustomerActionStatus, err)
		}
	}
}

// A KRaft cluster shows who serves what is asked of a controller; one that calls itself a cluster on ZooKeeper shows no address that does not exist.
func TestNodesOfBothMetadataModes(t *testing.T) {
	for kafka, want := range map[string][]string{"3.9.x": nil, "3.9.x.kraft": {"127.0.1.1"}} {
		a, arn := ready(t, running(kafka))
		out, err := a.ListNodes(a.ctx, &gen.ListNodesInput{ClusterArn: &arn})
		if err != nil || len(out.NodeInfoList) != 3 {
			t.Fatal(out, err)
		}
		var got []string
		if n := out.NodeInfoList[0]; n.ControllerNodeInfo != nil {
			got = n.ControllerNodeInfo.Endpoints
		}
		if diff := cmp.Diff(want, got); diff != "" || out.NodeInfoList[0].ZookeeperNodeInfo != nil {
			t.Errorf("%s (-want +got):\n%s", kafka, diff)
		}
	}
}

func TestFailedOperationsSayWhy(t *testing.T) {
	a, arn := ready(t, nil)
	if err := count(6)(a, arn); err != nil {
		t.Fatal(err)
	}
	c := a.cluster(arn)
	op := a.operationOf(arn)
	failed := op.Fail(op.Created.Add(time.Minute), resource.StateInfo{Code: "NoNode", Message: "There is no machine."})
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(op.Key(a.scope), metadata.Encode(failed))}}); err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeClusterOperationV2(a.ctx, &gen.DescribeClusterOperationV2Input{ClusterOperationArn: new(c.OperationARN(op.ID))})
	if err != nil {
		t.Fatal(err)
	}
	o := out.ClusterOperationInfo
	if *o.OperationState != "UPDATE_FAILED" || *o.ErrorInfo.ErrorCode != "NoNode" || *o.ErrorInfo.ErrorString != "There is no machine." ||
		!o.EndTime.Equal(op.Created.Add(time.Minute)) || *o.Provisioned.OperationSteps[0].StepInfo.StepStatus != "FAILED" {
		t.Errorf("operation %+v", o)
	}
}
