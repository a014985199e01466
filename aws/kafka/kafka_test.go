package kafka

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// account is an account with its default network, as the operations see it.
type account struct {
	*gen.Service
	ctx     context.Context
	t       *testing.T
	store   *metadata.Mem
	scope   resource.Scope
	network *resource.Network
}

func newAccount(t *testing.T) *account {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	scope := resource.Scope{Account: "000000000000", Region: "us-east-1"}
	if err := resource.SeedNetwork(t.Context(), store, scope); err != nil {
		t.Fatal(err)
	}
	if err := resource.SeedKeys(t.Context(), store, scope); err != nil {
		t.Fatal(err)
	}
	network, err := resource.ReadNetwork(t.Context(), store, scope)
	if err != nil {
		t.Fatal(err)
	}
	ctx := awsapi.WithScope(t.Context(), awsapi.Scope{Account: scope.Account, Region: scope.Region, RequestID: "req-1"})
	return &account{New(store, Deps{}), ctx, t, store, scope, network}
}

// subnets returns the first n of the default subnets.
func (a *account) subnets(n int) []string {
	var ids []string
	for _, s := range a.network.Subnets[:n] {
		ids = append(ids, s.ID)
	}
	return ids
}

// request is a create request that is in order.
func (a *account) request(name string) *gen.CreateClusterInput {
	return &gen.CreateClusterInput{
		ClusterName: &name, KafkaVersion: new("3.9.x"), NumberOfBrokerNodes: new(int32(3)),
		BrokerNodeGroupInfo: &gen.BrokerNodeGroupInfo{ClientSubnets: a.subnets(3), InstanceType: new("kafka.m7g.large")},
	}
}

func (a *account) create(name string) string {
	a.t.Helper()
	out, err := a.CreateCluster(a.ctx, a.request(name))
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.ClusterArn
}

// set changes the record of a cluster as its controller would.
func (a *account) set(arn string, change func(*resource.Cluster)) {
	a.t.Helper()
	ref, ok := resource.ParseClusterARN(arn)
	if !ok {
		a.t.Fatalf("%s is no ARN of a cluster", arn)
	}
	c, at, ok, err := resource.ReadCluster(a.ctx, a.store, ref.Scope.ClusterKey(ref.UUID))
	if err != nil || !ok {
		a.t.Fatalf("cluster %s: %v, %v", arn, ok, err)
	}
	change(&c)
	_, err = a.store.Commit(a.ctx, metadata.Txn{
		If: []metadata.Cond{{Key: c.Key(), Modified: at}}, Then: []metadata.Op{metadata.Put(c.Key(), metadata.Encode(c))},
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

// activate makes a created cluster ACTIVE with endpoints.
func (a *account) activate(arn string) {
	a.set(arn, func(c *resource.Cluster) {
		c.State, c.Operation = resource.Active, ""
		for i := range c.Nodes {
			host := "127.0.1." + string(rune('1'+i))
			c.Nodes[i].Endpoints = []metadata.Endpoint{{Name: clientListener, Host: host, Port: 9092}}
		}
	})
}

// refusal is the code, parameter and text of an error.
type refusal struct{ code, parameter, message string }

func refusalOf(err error) refusal {
	if err == nil {
		return refusal{}
	}
	r := refusal{message: err.Error()}
	if f := awsapi.AsFault(err); f != nil {
		r.code, r.message = f.Code, f.Message
	}
	if e, ok := errors.AsType[*gen.BadRequestException](err); ok {
		r.parameter = e.InvalidParameter
	}
	if e, ok := errors.AsType[*gen.NotFoundException](err); ok {
		r.parameter = e.InvalidParameter
	}
	if e, ok := errors.AsType[*gen.ConflictException](err); ok {
		r.parameter = e.InvalidParameter
	}
	return r
}

func TestStoreAwayIsServiceUnavailable(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	a.store.SetFault(func(metadata.Call) metadata.Fault {
		return metadata.Fault{Before: metadata.ErrUnavailable}
	})
	_, err := a.DescribeCluster(a.ctx, &gen.DescribeClusterInput{ClusterArn: &arn})
	if f := awsapi.AsFault(err); f == nil || f.Code != "ServiceUnavailableException" || f.HTTPStatus() != 503 || !errors.Is(err, metadata.ErrUnavailable) {
		t.Errorf("describe: %v", err)
	}
	_, err = a.CreateCluster(a.ctx, a.request("other"))
	if f := awsapi.AsFault(err); f == nil || f.Code != "ServiceUnavailableException" {
		t.Errorf("create: %v", err)
	}
}

func TestEnsureDemo(t *testing.T) {
	tests := []struct {
		brokers, zones int
		fails          bool
	}{
		{brokers: 0, zones: 3},
		{brokers: 3, zones: 3},
		{brokers: 6, zones: 3},
		{brokers: 2, zones: 2},
		{brokers: 4, zones: 2},
		{brokers: 1, zones: 1},
		{brokers: 5, zones: 1},
		{brokers: 16, fails: true},
		{brokers: -1, fails: true},
	}
	for _, tt := range tests {
		a := newAccount(t)
		c, err := EnsureDemo(t.Context(), a.store, a.scope, Demo{Brokers: tt.brokers})
		if tt.fails {
			if err == nil {
				t.Errorf("%d brokers: no error", tt.brokers)
			}
			continue
		}
		if err != nil || len(c.Subnets) != tt.zones || c.State != resource.Creating || c.Name != "demo" {
			t.Errorf("%d brokers: %d zones, state %s, %v", tt.brokers, len(c.Subnets), c.State, err)
		}
		again, err := EnsureDemo(t.Context(), a.store, a.scope, Demo{Brokers: 9})
		if err != nil || again.UUID != c.UUID {
			t.Errorf("%d brokers: the second time made another cluster, %v", tt.brokers, err)
		}
	}
}

func TestEnsureDemoReplacesAFailedOne(t *testing.T) {
	a := newAccount(t)
	c, err := EnsureDemo(t.Context(), a.store, a.scope, Demo{})
	if err != nil {
		t.Fatal(err)
	}
	a.set(c.ARN(), func(c *resource.Cluster) { c.State, c.Operation = resource.Failed, "" })
	done := make(chan struct{})
	go func() { // the control plane, which removes what is DELETING
		defer close(done)
		_, err := resource.Await(a.ctx, a.store, c.Key(), func(c resource.Cluster, ok bool) bool { return ok && c.State == resource.Deleting })
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{
			metadata.Delete(c.Key()), metadata.Delete(a.scope.ClusterNameKey(c.Name)),
		}}); err != nil {
			t.Error(err)
		}
	}()
	again, err := EnsureDemo(t.Context(), a.store, a.scope, Demo{})
	<-done
	if err != nil || again.UUID == c.UUID || again.State != resource.Creating {
		t.Errorf("second demo: %+v, %v", again, err)
	}
}

func TestKafkaVersions(t *testing.T) {
	a := newAccount(t)
	var all []string
	active := 0
	in := &gen.ListKafkaVersionsInput{MaxResults: new(int32(7))}
	for {
		out, err := a.ListKafkaVersions(a.ctx, in)
		if err != nil || len(out.KafkaVersions) == 0 {
			t.Fatal(out, err)
		}
		for _, v := range out.KafkaVersions {
			all = append(all, *v.Version)
			if v.Status == gen.KafkaVersionStatusActive {
				active++
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(all) != len(resource.KafkaVersions()) || active < 8 || all[0] != "1.1.1" {
		t.Errorf("%d versions, %d of them active: %v", len(all), active, all)
	}
	arn := a.create("orders")
	out, err := a.GetCompatibleKafkaVersions(a.ctx, &gen.GetCompatibleKafkaVersionsInput{ClusterArn: &arn})
	if err != nil || len(out.CompatibleKafkaVersions) != 1 || *out.CompatibleKafkaVersions[0].SourceVersion != "3.9.x" ||
		len(out.CompatibleKafkaVersions[0].TargetVersions) != 0 {
		t.Errorf("3.9.x without KRaft is the last of its kind: %+v, %v", out, err)
	}
	out, err = a.GetCompatibleKafkaVersions(a.ctx, &gen.GetCompatibleKafkaVersionsInput{})
	if err != nil || len(out.CompatibleKafkaVersions) != len(all) {
		t.Errorf("of all versions: %v", err)
	}
}

func TestTags(t *testing.T) {
	a := newAccount(t)
	in := a.request("orders")
	in.Tags = map[string]string{"team": "blue"}
	created, err := a.CreateCluster(a.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	arn := created.ClusterArn
	if _, err := a.TagResource(a.ctx, &gen.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"stage": "test", "team": "red"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.UntagResource(a.ctx, &gen.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"stage", "none"}}); err != nil {
		t.Fatal(err)
	}
	out, err := a.ListTagsForResource(a.ctx, &gen.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || len(out.Tags) != 1 || out.Tags["team"] != "red" {
		t.Errorf("tags: %+v, %v", out, err)
	}
	_, err = a.TagResource(a.ctx, &gen.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"aws:x": "y"}})
	if r := refusalOf(err); r.code != "BadRequestException" || r.parameter != "tags" {
		t.Errorf("reserved key: %v", err)
	}
	other := "arn:aws:kafka:us-east-1:000000000000:replicator/r/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"
	_, err = a.ListTagsForResource(a.ctx, &gen.ListTagsForResourceInput{ResourceArn: &other})
	if r := refusalOf(err); r.code != "NotFoundException" {
		t.Errorf("another kind of resource: %v", err)
	}
}

func TestListClustersFiltersByPrefixAndPages(t *testing.T) {
	a := newAccount(t)
	for _, name := range []string{"logs", "orders-3", "orders-1", "orders-2"} {
		a.create(name)
	}
	var got []string
	in := &gen.ListClustersV2Input{ClusterNameFilter: new("orders"), MaxResults: new(int32(2))}
	for pages := 0; ; pages++ {
		out, err := a.ListClustersV2(a.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range out.ClusterInfoList {
			got = append(got, *c.ClusterName)
		}
		if out.NextToken == nil {
			break
		}
		if _, err := a.ListClusters(a.ctx, &gen.ListClustersInput{NextToken: out.NextToken}); refusalOf(err).parameter != "nextToken" {
			t.Errorf("a token of another operation: %v", err)
		}
		in.NextToken = out.NextToken
		if pages == 0 {
			a.create("orders-0") // before the place that the token holds: seen in neither page, and nothing is seen twice
		}
	}
	if len(got) != 3 || got[0] != "orders-1" || got[2] != "orders-3" {
		t.Errorf("listed %v", got)
	}
	for kind, want := range map[string]int{"PROVISIONED": 5, "SERVERLESS": 0} {
		out, err := a.ListClustersV2(a.ctx, &gen.ListClustersV2Input{ClusterTypeFilter: &kind})
		if err != nil || out.ClusterInfoList == nil || len(out.ClusterInfoList) != want {
			t.Errorf("%s: %+v, %v", kind, out, err)
		}
	}
	_, err := a.ListClustersV2(a.ctx, &gen.ListClustersV2Input{ClusterTypeFilter: new("HUGE")})
	if refusalOf(err).parameter != "clusterTypeFilter" {
		t.Errorf("unknown type: %v", err)
	}
	for _, token := range []string{"?", "e30", "bnVsbA"} {
		_, err := a.ListClusters(a.ctx, &gen.ListClustersInput{NextToken: &token})
		if r := refusalOf(err); r.code != "BadRequestException" || r.parameter != "nextToken" {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

func TestOperationsNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock gives each operation a time of its own
		a := newAccount(t)
		arn := a.create("orders")
		list, err := a.ListClusterOperations(a.ctx, &gen.ListClusterOperationsInput{ClusterArn: &arn})
		if err != nil || list.ClusterOperationInfoList == nil || len(list.ClusterOperationInfoList) != 0 {
			t.Errorf("operations of a new cluster: %+v, %v", list, err)
		}
		var want []string
		for _, broker := range []string{"1", "2", "3"} {
			a.activate(arn)
			out, err := a.RebootBroker(a.ctx, &gen.RebootBrokerInput{ClusterArn: &arn, BrokerIds: []string{broker}})
			if err != nil {
				t.Fatal(err)
			}
			want = append([]string{*out.ClusterOperationArn}, want...)
			<-time.After(time.Millisecond)
		}
		var got []string
		in := &gen.ListClusterOperationsV2Input{ClusterArn: &arn, MaxResults: new(int32(2))}
		for {
			out, err := a.ListClusterOperationsV2(a.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range out.ClusterOperationInfoList {
				got = append(got, *op.OperationArn)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("operations %v, want %v", got, want)
		}
		op, err := a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: &want[0]})
		if err != nil || *op.ClusterOperationInfo.OperationType != "REBOOT_NODE" || *op.ClusterOperationInfo.OperationState != "PENDING" ||
			*op.ClusterOperationInfo.ClientRequestId != "req-1" || len(op.ClusterOperationInfo.OperationSteps) != 3 {
			t.Errorf("operation: %+v, %v", op, err)
		}
		v2, err := a.DescribeClusterOperationV2(a.ctx, &gen.DescribeClusterOperationV2Input{ClusterOperationArn: &want[0]})
		if err != nil || v2.ClusterOperationInfo.Provisioned == nil || v2.ClusterOperationInfo.StartTime == nil {
			t.Errorf("operation, v2: %+v, %v", v2, err)
		}
		described, err := a.DescribeClusterV2(a.ctx, &gen.DescribeClusterV2Input{ClusterArn: &arn})
		if err != nil || described.ClusterInfo.State != gen.ClusterStateRebootingBroker || *described.ClusterInfo.ActiveOperationArn != want[0] {
			t.Errorf("cluster while rebooting: %+v, %v", described, err)
		}
	})
}

// A cluster that failed has no brokers to start from, and says so without an error: Terraform asks before it destroys it.
func TestBootstrapBrokersOfAFailedCluster(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	a.activate(arn)
	a.set(arn, func(c *resource.Cluster) { c.State = resource.Failed })
	out, err := a.GetBootstrapBrokers(a.ctx, &gen.GetBootstrapBrokersInput{ClusterArn: &arn})
	if err != nil || out.BootstrapBrokerString != nil {
		t.Errorf("%v, %v", out, err)
	}
}
