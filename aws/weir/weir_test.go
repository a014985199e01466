package weir

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/weir"
	"weir/control/resource"
	"weir/metadata"
)

// account is an account with one cluster of three brokers, as the operations see it.
type account struct {
	*gen.Service
	ctx   context.Context
	t     *testing.T
	store *metadata.Mem
	arn   string
	key   string
}

func newAccount(t *testing.T) *account {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := awsapi.WithScope(t.Context(), awsapi.Scope{Account: "000000000000", Region: "us-east-1", RequestID: "req-1"})
	id, kafkaID := resource.NewClusterUUID()
	c := resource.Cluster{
		UUID: id, Name: "orders", Account: "000000000000", Region: "us-east-1", KafkaID: kafkaID, KafkaVersion: "3.9.x", InstanceType: "kafka.m7g.large",
		Brokers: 3, CurrentVersion: "K1", State: resource.Active,
	}
	a := &account{New(store), ctx, t, store, c.ARN(), c.Key()}
	a.put(c)
	return a
}

func (a *account) put(c resource.Cluster) {
	a.t.Helper()
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(c.Key(), metadata.Encode(c))}}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *account) cluster() resource.Cluster {
	a.t.Helper()
	c, _, ok, err := resource.ReadCluster(a.ctx, a.store, a.key)
	if err != nil || !ok {
		a.t.Fatal(ok, err)
	}
	return c
}

func (a *account) operation(id string) resource.Operation {
	a.t.Helper()
	c := a.cluster()
	op, _, ok, err := resource.ReadOperation(a.ctx, a.store, c.Scope().OperationKey(c.UUID, id))
	if err != nil || !ok {
		a.t.Fatal(ok, err)
	}
	return op
}

func (a *account) set(change func(*resource.Cluster)) {
	c := a.cluster()
	change(&c)
	a.put(c)
}

type refusal struct{ code, parameter, message string }

func refusalOf(err error) refusal {
	var r refusal
	if f := awsapi.AsFault(err); f != nil {
		r.code, r.message = f.Code, f.Message
	}
	if e, ok := errors.AsType[*gen.BadRequestException](err); ok {
		r.parameter = e.InvalidParameter
	}
	if e, ok := errors.AsType[*gen.NotFoundException](err); ok {
		r.parameter = e.InvalidParameter
	}
	return r
}

func TestStopAndStart(t *testing.T) {
	a := newAccount(t)
	stopped, err := a.StopCluster(a.ctx, &gen.StopClusterInput{ClusterArn: &a.arn, CurrentVersion: new("K1")})
	if err != nil || *stopped.ClusterArn != a.arn || stopped.State != gen.ClusterStateUpdating {
		t.Fatal(stopped, err)
	}
	c := a.cluster()
	op := a.operation(c.Operation)
	want := &resource.Update{Source: resource.Change{Stopped: new(false)}, Target: resource.Change{Stopped: new(true)}, Version: "K1"}
	if diff := cmp.Diff(want, op.Update); diff != "" || op.Type != resource.OpStop || c.OperationARN(op.ID) != *stopped.ClusterOperationArn {
		t.Errorf("operation %+v (-want +got):\n%s", op, diff)
	}
	a.set(func(c *resource.Cluster) { // as the controller does
		c.State, c.Operation, c.Stopped = resource.Maintenance, "", true
	})
	started, err := a.StartCluster(a.ctx, &gen.StartClusterInput{ClusterArn: &a.arn})
	if err != nil || started.State != gen.ClusterStateUpdating {
		t.Fatal(started, err)
	}
	if op := a.operation(a.cluster().Operation); op.Type != resource.OpStart || *op.Update.Target.Stopped || !*op.Update.Source.Stopped {
		t.Errorf("operation %+v", op)
	}
}

func TestStatesDecide(t *testing.T) {
	a := newAccount(t)
	calls := map[resource.Action]func() error{
		resource.ActionStop: func() error { _, err := a.StopCluster(a.ctx, &gen.StopClusterInput{ClusterArn: &a.arn}); return err },
		resource.ActionStart: func() error {
			_, err := a.StartCluster(a.ctx, &gen.StartClusterInput{ClusterArn: &a.arn})
			return err
		},
	}
	for _, s := range resource.ClusterStates() {
		for action, call := range calls {
			a.set(func(c *resource.Cluster) { c.State, c.Operation, c.Stopped = s, "", s == resource.Maintenance })
			err := call()
			if s.Allows(action) != (err == nil) {
				t.Errorf("%s in %s: %v", action, s, err)
			}
			want := refusal{"BadRequestException", "clusterArn", "You can't " + string(action) + " a cluster in " + string(s) + " state."}
			if got := refusalOf(err); err != nil && got != want {
				t.Errorf("%s in %s: %+v, want %+v", action, s, got, want)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	a := newAccount(t)
	other := strings.Replace(a.arn, "000000000000", "000000000001", 1)
	for name, tt := range map[string]struct {
		arn     string
		version *string
		want    refusal
	}{
		"no ARN":            {"orders", nil, refusal{"BadRequestException", "clusterArn", `"orders" is not the ARN of a cluster.`}},
		"empty":             {"", nil, refusal{"BadRequestException", "clusterArn", `"" is not the ARN of a cluster.`}},
		"another account's": {other, nil, refusal{"NotFoundException", "clusterArn", textNotFound}},
		"another name":      {strings.Replace(a.arn, "orders", "order", 1), nil, refusal{"NotFoundException", "clusterArn", textNotFound}},
		"stale version":     {a.arn, new("K0"), refusal{"BadRequestException", "currentVersion", textStaleVersion}},
	} {
		_, err := a.StopCluster(a.ctx, &gen.StopClusterInput{ClusterArn: &tt.arn, CurrentVersion: tt.version})
		if got := refusalOf(err); got != tt.want {
			t.Errorf("stop, %s: %+v, want %+v", name, got, tt.want)
		}
		a.set(func(c *resource.Cluster) { c.State = resource.Maintenance })
		_, err = a.StartCluster(a.ctx, &gen.StartClusterInput{ClusterArn: &tt.arn, CurrentVersion: tt.version})
		if got := refusalOf(err); got != tt.want {
			t.Errorf("start, %s: %+v, want %+v", name, got, tt.want)
		}
		a.set(func(c *resource.Cluster) { c.State = resource.Active })
	}
	operation := strings.Replace(a.arn, ":cluster/", ":cluster-operation/", 1) + "/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"
	for _, tt := range []struct {
		arn  string
		want refusal
	}{
		{a.arn, refusal{"BadRequestException", "clusterOperationArn", `"` + a.arn + `" is not the ARN of a cluster operation.`}},
		{operation, refusal{"NotFoundException", "clusterOperationArn", textNotFound}},
		{strings.Replace(operation, "us-east-1", "us-east-2", 1), refusal{"NotFoundException", "clusterOperationArn", textNotFound}},
	} {
		_, err := a.DescribeOperationProgress(a.ctx, &gen.DescribeOperationProgressInput{ClusterOperationArn: &tt.arn})
		if got := refusalOf(err); got != tt.want {
			t.Errorf("progress of %s: %+v, want %+v", tt.arn, got, tt.want)
		}
	}
	a.store.SetFault(func(metadata.Call) metadata.Fault { return metadata.Fault{Before: metadata.ErrUnavailable} })
	_, err := a.StopCluster(a.ctx, &gen.StopClusterInput{ClusterArn: &a.arn})
	if got := refusalOf(err); got.code != "ServiceUnavailableException" {
		t.Errorf("without a store: %v", err)
	}
}

func TestStopWaitsForItsTurn(t *testing.T) {
	a := newAccount(t)
	c := a.cluster()
	op := resource.NewUpdate(resource.OpIncreaseBrokers, &c, resource.Change{Brokers: new(6)}, "r", time.Now())
	if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(op.Key(c.Scope()), metadata.Encode(op))}}); err != nil {
		t.Fatal(err)
	}
	a.set(func(c *resource.Cluster) { c.State, c.Operation = resource.Updating, op.ID })
	if _, err := a.StopCluster(a.ctx, &gen.StopClusterInput{ClusterArn: &a.arn}); refusalOf(err).parameter != "clusterArn" {
		t.Errorf("without asking to wait: %v", err)
	}
	scope := awsapi.ScopeFrom(a.ctx)
	scope.Queue = true
	ctx := awsapi.WithScope(a.ctx, scope)
	out, err := a.StopCluster(ctx, &gen.StopClusterInput{ClusterArn: &a.arn})
	if err != nil {
		t.Fatal(err)
	}
	if c := a.cluster(); len(c.Queue) != 1 || c.OperationARN(c.Queue[0]) != *out.ClusterOperationArn || c.State != resource.Updating || c.Operation != op.ID {
		t.Errorf("queue %v, %s by %s", c.Queue, c.State, c.Operation)
	}
	if _, err := a.StopCluster(ctx, &gen.StopClusterInput{ClusterArn: &a.arn}); refusalOf(err).message != "You can't stop a cluster in MAINTENANCE state." {
		t.Errorf("stopping what will be stopped: %v", err)
	}
	p, err := a.DescribeOperationProgress(a.ctx, &gen.DescribeOperationProgressInput{ClusterOperationArn: out.ClusterOperationArn})
	if err != nil || *p.OperationProgress.QueuePosition != 1 || *p.OperationProgress.OperationState != "PENDING" {
		t.Errorf("progress %+v, %v", p, err)
	}
	for range resource.QueueMax - 1 {
		if _, err = a.StartCluster(ctx, &gen.StartClusterInput{ClusterArn: &a.arn}); err == nil {
			_, err = a.StopCluster(ctx, &gen.StopClusterInput{ClusterArn: &a.arn})
		}
		if err != nil {
			break
		}
	}
	if got := refusalOf(err); got.code != "TooManyRequestsException" {
		t.Errorf("a full queue: %v", err)
	}
}

// A person who waits sees which broker's turn it is, what is done, and how long the rest will take.
func TestProgressOfARollingChange(t *testing.T) {
	a := newAccount(t)
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	c := a.cluster()
	op := resource.NewUpdate(resource.OpKafkaVersion, &c, resource.Change{KafkaVersion: new("4.0.x")}, "r", began)
	op = op.Complete(began, resource.StepInitialize)
	turn := func(b metadata.BrokerID, s resource.StepStatus, from, to time.Time) resource.BrokerProgress {
		return resource.BrokerProgress{Reboot: resource.Reboot{Broker: b}, Status: s, Started: from, Ended: to}
	}
	op.Update.Brokers = []resource.BrokerProgress{
		turn(1, resource.StepCompleted, at(0), at(4)), turn(2, resource.StepInProgress, at(4), time.Time{}), turn(3, resource.StepPending, time.Time{}, time.Time{}),
	}
	got := progress(&c, &op, at(5))
	type figures struct {
		State     string
		Percent   int32
		Elapsed   int64
		Remaining int64
		End       time.Time
		Brokers   []gen.BrokerProgress
	}
	want := figures{"UPDATE_IN_PROGRESS", *got.Percent, 5000, *got.EstimatedRemainingMillis, at(5).Add(time.Duration(*got.EstimatedRemainingMillis) * time.Millisecond), []gen.BrokerProgress{
		{BrokerId: new(int32(1)), Status: "COMPLETED", StartTime: new(at(0)), EndTime: new(at(4))},
		{BrokerId: new(int32(2)), Status: "IN_PROGRESS", StartTime: new(at(4))},
		{BrokerId: new(int32(3)), Status: "PENDING"},
	}}
	have := figures{*got.OperationState, *got.Percent, *got.ElapsedMillis, *got.EstimatedRemainingMillis, *got.EstimatedEndTime, got.Brokers}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Broker 1 took 4 s: 3 s are left of broker 2 and 4 s for broker 3, and a moment to end.
	if ms := *got.EstimatedRemainingMillis; ms < 7000 || ms > 8000 || *got.Percent < 30 || *got.Percent > 50 || len(got.Steps) != 3 {
		t.Errorf("estimate %d ms, %d%%, steps %+v", ms, *got.Percent, got.Steps)
	}
	failed := op.Fail(at(6), resource.StateInfo{Code: "C", Message: "m"})
	if got := progress(&c, &failed, at(9)); *got.Percent != 100 || got.EstimatedEndTime != nil || *got.ErrorInfo.ErrorCode != "C" || *got.ElapsedMillis != 6000 {
		t.Errorf("failed: %+v", got)
	}
}
