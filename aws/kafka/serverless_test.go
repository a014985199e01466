package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

func (a *account) serverlessRequest(name string) *gen.CreateClusterV2Input {
	return &gen.CreateClusterV2Input{ClusterName: &name, Serverless: &gen.ServerlessRequest{
		VpcConfigs:           []gen.VpcConfig{{SubnetIds: a.subnets(2)}},
		ClientAuthentication: &gen.ServerlessClientAuthentication{Sasl: &gen.ServerlessSasl{Iam: &gen.Iam{Enabled: new(true)}}},
	}}
}

func (a *account) createServerless(name string) string {
	a.t.Helper()
	out, err := a.CreateClusterV2(a.ctx, a.serverlessRequest(name))
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.ClusterArn
}

// vpc adds a VPC with a subnet in each of the first n zones and a security group, and returns their ids.
func (a *account) vpc(n int) (subnets []string, group string) {
	a.t.Helper()
	v := resource.VPC{ID: resource.NewEC2ID("vpc"), CIDR: "10.0.0.0/16"}
	sg := resource.SecurityGroup{ID: resource.NewEC2ID("sg"), VPC: v.ID, Name: "clients"}
	ops := []metadata.Op{
		metadata.Put(a.scope.VPCsPrefix()+v.ID, metadata.Encode(v)),
		metadata.Put(a.scope.SecurityGroupsPrefix()+sg.ID, metadata.Encode(sg)),
	}
	for i, z := range resource.Zones(a.scope.Region)[:n] {
		s := resource.Subnet{ID: resource.NewEC2ID("subnet"), VPC: v.ID, CIDR: fmt.Sprintf("10.0.%d.0/24", i), Zone: z.Name, ZoneID: z.ID}
		subnets = append(subnets, s.ID)
		ops = append(ops, metadata.Put(a.scope.SubnetsPrefix()+s.ID, metadata.Encode(s)))
	}
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: ops}); err != nil {
		a.t.Fatal(err)
	}
	return subnets, sg.ID
}

func TestCreateServerlessIsDescribedAsAsked(t *testing.T) {
	a := newAccount(t)
	subnets, group := a.vpc(3)
	in := a.serverlessRequest("orders")
	in.Serverless.VpcConfigs = append(in.Serverless.VpcConfigs, gen.VpcConfig{SubnetIds: subnets, SecurityGroupIds: []string{group}})
	in.Tags = map[string]string{"team": "a"}
	created, err := a.CreateClusterV2(a.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if created.ClusterType != gen.ClusterTypeServerless || created.State != gen.ClusterStateCreating || !strings.HasSuffix(*created.ClusterArn, "-s1") {
		t.Errorf("created: %+v, %s", created, *created.ClusterArn)
	}
	a.activate(*created.ClusterArn)
	got, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	c := got.ClusterInfo
	if c.ClusterType != gen.ClusterTypeServerless || c.Provisioned != nil || c.State != gen.ClusterStateActive || c.Tags["team"] != "a" || *c.CurrentVersion == "" {
		t.Errorf("described: %+v", c)
	}
	var home string
	for _, sg := range a.network.SecurityGroups {
		home = sg.ID
	}
	want := &gen.Serverless{
		VpcConfigs: []gen.VpcConfig{
			{SubnetIds: a.subnets(2), SecurityGroupIds: []string{home}}, // the default group, as none was named
			{SubnetIds: subnets, SecurityGroupIds: []string{group}},
		},
		ClientAuthentication: in.Serverless.ClientAuthentication,
		ConnectivityInfo:     &gen.ServerlessConnectivityInfo{NetworkType: gen.NetworkTypeIpv4},
	}
	if diff := cmp.Diff(want, c.Serverless); diff != "" {
		t.Errorf("the serverless part (-want +got):\n%s", diff)
	}
	bootstrap, err := a.GetBootstrapBrokers(a.ctx, &gen.GetBootstrapBrokersInput{ClusterArn: created.ClusterArn})
	if err != nil || bootstrap.BootstrapBrokerString == nil {
		t.Errorf("bootstrap brokers: %+v, %v", bootstrap, err)
	}
}

func TestCreateServerlessRefusals(t *testing.T) {
	const first = "vpcConfigs[0].subnetIds"
	tests := []struct {
		name               string
		change             func(*account, *gen.CreateClusterV2Input)
		parameter, message string
	}{
		{"bad name", func(_ *account, in *gen.CreateClusterV2Input) { in.ClusterName = new("a_b") }, "clusterName", textBadCharacters},
		{"bad limits", func(_ *account, in *gen.CreateClusterV2Input) { in.Tags = map[string]string{resource.LimitsTag: "x"} }, "tags", "on, off or 2022"},
		{"reserved tag", func(_ *account, in *gen.CreateClusterV2Input) { in.Tags = map[string]string{"aws:x": "x"} }, "tags", "reserved"},
		{"both", func(_ *account, in *gen.CreateClusterV2Input) { in.Provisioned = &gen.ProvisionedRequest{} }, "serverless", "not both"},
		{"neither", func(_ *account, in *gen.CreateClusterV2Input) { in.Serverless = nil }, "provisioned", "Specify either"},
		{"no networks", func(_ *account, in *gen.CreateClusterV2Input) { in.Serverless.VpcConfigs = nil }, "vpcConfigs", "1 to 5"},
		{"too many networks", func(_ *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs = make([]gen.VpcConfig, 6)
		}, "vpcConfigs", "1 to 5"},
		{"no subnets", func(_ *account, in *gen.CreateClusterV2Input) { in.Serverless.VpcConfigs[0].SubnetIds = nil }, first, "at least 2 Availability Zones"},
		{"one subnet", func(a *account, in *gen.CreateClusterV2Input) { in.Serverless.VpcConfigs[0].SubnetIds = a.subnets(1) }, first, "at least 2 Availability Zones"},
		{"unknown subnet", func(a *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs[0].SubnetIds = append(a.subnets(1), "subnet-1")
		}, first, "The subnet ID 'subnet-1' does not exist"},
		{"one zone twice", func(a *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs[0].SubnetIds = append(a.subnets(2), a.subnets(1)...)
		}, first, "an Availability Zone of its own"},
		{"two VPCs in one", func(a *account, in *gen.CreateClusterV2Input) {
			others, _ := a.vpc(3)
			in.Serverless.VpcConfigs[0].SubnetIds = append(a.subnets(1), others[2])
		}, first, "in the same VPC"},
		{"a VPC twice", func(_ *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs = append(in.Serverless.VpcConfigs, in.Serverless.VpcConfigs[0])
		}, "vpcConfigs[1].subnetIds", "is given twice"},
		{"unknown group", func(_ *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs[0].SecurityGroupIds = []string{"sg-1"}
		}, "vpcConfigs[0].securityGroupIds", "The security group 'sg-1' does not exist"},
		{"group of another VPC", func(a *account, in *gen.CreateClusterV2Input) {
			_, group := a.vpc(2)
			in.Serverless.VpcConfigs[0].SecurityGroupIds = []string{group}
		}, "vpcConfigs[0].securityGroupIds", "is not in the VPC"},
		{"too many groups", func(_ *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs[0].SecurityGroupIds = make([]string, 6)
		}, "vpcConfigs[0].securityGroupIds", "at most 5"},
		{"no default group", func(a *account, in *gen.CreateClusterV2Input) {
			in.Serverless.VpcConfigs[0].SubnetIds, _ = a.vpc(2)
		}, "vpcConfigs[0].securityGroupIds", "has no default security group"},
		{"without IAM", func(_ *account, in *gen.CreateClusterV2Input) {
			in.Serverless.ClientAuthentication.Sasl.Iam.Enabled = new(false)
		}, "clientAuthentication.sasl.iam", "can't be disabled"},
		{"eleventh", func(a *account, _ *gen.CreateClusterV2Input) {
			a.create("provisioned") // does not count
			for i := range 10 {
				a.createServerless(fmt.Sprint("c", i))
			}
		}, "serverless", "at most 10 serverless clusters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			in := a.serverlessRequest("orders")
			tt.change(a, in)
			before := a.store.Revision()
			_, err := a.CreateClusterV2(a.ctx, in)
			got := refusalOf(err)
			if got.code != "BadRequestException" || got.parameter != tt.parameter || !strings.Contains(got.message, tt.message) {
				t.Errorf("got %+v, want parameter %q, message %q", got, tt.parameter, tt.message)
			}
			if a.store.Revision() != before {
				t.Error("a refused request changed the store")
			}
		})
	}
	a := newAccount(t)
	a.create("orders")
	_, err := a.CreateClusterV2(a.ctx, a.serverlessRequest("orders"))
	if got := refusalOf(err); got.code != "ConflictException" || got.parameter != "clusterName" {
		t.Errorf("a name that is taken: %+v", got)
	}
}

// What is of provisioned clusters only answers 400 for a serverless one, and changes nothing.
func TestServerlessRefusesWhatIsOfProvisionedClusters(t *testing.T) {
	a := newAccount(t)
	arn := new(a.createServerless("orders"))
	a.activate(*arn)
	described, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	version := described.ClusterInfo.CurrentVersion
	calls := map[string]func() error{
		"DescribeCluster": func() error {
			_, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: arn})
			return err
		},
		"ListNodes": func() error { _, err := a.ListNodes(a.ctx, &gen.ListNodesInput{ClusterArn: arn}); return err },
		"ListClusterOperations": func() error {
			_, err := a.ListClusterOperations(a.ctx, &gen.ListClusterOperationsInput{ClusterArn: arn})
			return err
		},
		"RebootBroker": func() error {
			_, err := a.RebootBroker(a.ctx, &gen.RebootBrokerInput{ClusterArn: arn, BrokerIds: []string{"1"}})
			return err
		},
		"UpdateBrokerCount": func() error {
			_, err := a.UpdateBrokerCount(a.ctx, &gen.UpdateBrokerCountInput{ClusterArn: arn, CurrentVersion: version, TargetNumberOfBrokerNodes: new(int32(6))})
			return err
		},
		"UpdateBrokerType": func() error {
			_, err := a.UpdateBrokerType(a.ctx, &gen.UpdateBrokerTypeInput{ClusterArn: arn, CurrentVersion: version, TargetInstanceType: new("kafka.m5.large")})
			return err
		},
		"UpdateBrokerStorage": func() error {
			_, err := a.UpdateBrokerStorage(a.ctx, &gen.UpdateBrokerStorageInput{
				ClusterArn: arn, CurrentVersion: version,
				TargetBrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: new("All"), VolumeSizeGB: new(int32(200))}},
			})
			return err
		},
		"UpdateStorage": func() error {
			_, err := a.UpdateStorage(a.ctx, &gen.UpdateStorageInput{ClusterArn: arn, CurrentVersion: version, StorageMode: gen.StorageModeTiered})
			return err
		},
		"UpdateMonitoring": func() error {
			_, err := a.UpdateMonitoring(a.ctx, &gen.UpdateMonitoringInput{ClusterArn: arn, CurrentVersion: version, EnhancedMonitoring: gen.EnhancedMonitoringPerBroker})
			return err
		},
		"UpdateClusterKafkaVersion": func() error {
			_, err := a.UpdateClusterKafkaVersion(a.ctx, &gen.UpdateClusterKafkaVersionInput{ClusterArn: arn, CurrentVersion: version, TargetKafkaVersion: new("3.9.x")})
			return err
		},
		"UpdateRebalancing": func() error {
			_, err := a.UpdateRebalancing(a.ctx, &gen.UpdateRebalancingInput{
				ClusterArn: arn, CurrentVersion: version, Rebalancing: &gen.Rebalancing{Status: gen.RebalancingStatusPaused},
			})
			return err
		},
		"GetCompatibleKafkaVersions": func() error {
			_, err := a.GetCompatibleKafkaVersions(a.ctx, &gen.GetCompatibleKafkaVersionsInput{ClusterArn: arn})
			return err
		},
	}
	before := a.store.Revision()
	for name, call := range calls {
		if got := refusalOf(call()); got.code != "BadRequestException" || got.parameter != "clusterArn" || !strings.Contains(got.message, "serverless clusters") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if a.store.Revision() != before {
		t.Error("a refused call changed the store")
	}
}

func TestServerlessIsFoundByItsOwnARNOnly(t *testing.T) {
	a := newAccount(t)
	serverless, provisioned := a.createServerless("s"), a.create("p")
	describe := func(ctx string, arn string) refusal {
		c := a.ctx
		if ctx != "" {
			c = awsapi.WithScope(a.ctx, awsapi.Scope{Account: ctx, Region: a.scope.Region})
		}
		_, err := a.DescribeClusterV2(c, &gen.DescribeClusterV2Input{ClusterArn: &arn})
		return refusalOf(err)
	}
	for _, arn := range []string{strings.TrimSuffix(serverless, "-s1") + "-1", strings.TrimSuffix(provisioned, "-1") + "-s1"} {
		if got := describe("", arn); got.code != "NotFoundException" || got.parameter != "clusterArn" {
			t.Errorf("%s: %+v", arn, got)
		}
	}
	if got := describe("111111111111", serverless); got.code != "NotFoundException" {
		t.Errorf("from another account: %+v", got)
	}
	if got := describe("", serverless+"x"); got.code != "BadRequestException" {
		t.Errorf("malformed: %+v", got)
	}
}

func TestListClustersByType(t *testing.T) {
	a := newAccount(t)
	a.createServerless("a-serverless")
	a.create("b-provisioned")
	v1, err := a.ListClusters(a.ctx, &gen.ListClustersInput{})
	if err != nil || len(v1.ClusterInfoList) != 1 || *v1.ClusterInfoList[0].ClusterName != "b-provisioned" {
		t.Errorf("v1: %+v, %v", v1, err)
	}
	for filter, want := range map[string][]string{
		"": {"a-serverless", "b-provisioned"}, "SERVERLESS": {"a-serverless"}, "PROVISIONED": {"b-provisioned"},
	} {
		in := &gen.ListClustersV2Input{}
		if filter != "" {
			in.ClusterTypeFilter = &filter
		}
		out, err := a.ListClustersV2(a.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range out.ClusterInfoList {
			got = append(got, *c.ClusterName)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("filter %q: %v", filter, got)
		}
	}
	_, err = a.ListClustersV2(a.ctx, &gen.ListClustersV2Input{ClusterTypeFilter: new("X")})
	if got := refusalOf(err); got.parameter != "clusterTypeFilter" {
		t.Errorf("unknown type: %+v", got)
	}
}

// The number of brokers is the service's business: no call shows that it changes.
func TestServerlessScalingIsNotShown(t *testing.T) {
	a := newAccount(t)
	arn := a.createServerless("s")
	ref, _ := resource.ParseClusterARN(arn)
	op := resource.NewOperation(resource.OpIncreaseBrokers, ref.UUID, "", time.Now())
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(op.Key(ref.Scope), metadata.Encode(op))}}); err != nil {
		t.Fatal(err)
	}
	a.set(arn, func(c *resource.Cluster) { c.State, c.Operation = resource.Updating, op.ID })
	described, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: &arn})
	if err != nil || described.ClusterInfo.ActiveOperationArn != nil {
		t.Errorf("described: %+v, %v", described, err)
	}
	listed, err := a.ListClusterOperationsV2(a.ctx, &gen.ListClusterOperationsV2Input{ClusterArn: &arn})
	if err != nil || len(listed.ClusterOperationInfoList) != 0 {
		t.Errorf("listed: %+v, %v", listed, err)
	}
	deleted, err := a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn})
	if err != nil || deleted.State != gen.ClusterStateDeleting {
		t.Errorf("deleted meanwhile: %+v, %v", deleted, err)
	}
}

func TestDeleteServerless(t *testing.T) {
	a := newAccount(t)
	arn := a.createServerless("s")
	_, err := a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn})
	if got := refusalOf(err); got.message != "You can't delete cluster in CREATING state." {
		t.Errorf("while it is created: %+v", got)
	}
	a.activate(arn)
	_, err = a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn, CurrentVersion: new("K1")})
	if got := refusalOf(err); got.parameter != "currentVersion" || got.message != textStaleVersion {
		t.Errorf("stale version: %+v", got)
	}
	out, err := a.DeleteCluster(a.ctx, &gen.DeleteClusterInput{ClusterArn: &arn})
	if err != nil || out.State != gen.ClusterStateDeleting {
		t.Errorf("%+v, %v", out, err)
	}
}

// Limits are lifted, and hold again, by a tag.
func TestLimitsTag(t *testing.T) {
	a := newAccount(t)
	arn := a.createServerless("s")
	for _, value := range []string{"off", "2022", "on"} {
		if _, err := a.TagResource(a.ctx, &gen.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{resource.LimitsTag: value}}); err != nil {
			t.Error(err)
		}
	}
	_, err := a.TagResource(a.ctx, &gen.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{resource.LimitsTag: "never"}})
	if got := refusalOf(err); got.parameter != "tags" || !strings.Contains(got.message, "on, off or 2022") {
		t.Errorf("%+v", got)
	}
}
