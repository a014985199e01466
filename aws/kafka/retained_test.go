package kafka

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// A caller who pages through the operations of a cluster while old ones are collected gets each that stays once, newest first, and comes to an end.
func TestPagesOfOperationsWhileOldOnesGo(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	a.activate(arn)
	c := a.cluster(arn)
	const more = 150
	total := resource.OperationsKept + more
	id := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	var puts []metadata.Op
	for i := range total {
		at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
		op := resource.NewOperation(resource.OpCreateConnection, c.UUID, "", at).Complete(at, resource.StepInitialize, resource.StepFinalize)
		op.ID = id(i)
		puts = append(puts, metadata.Put(op.Key(a.scope), metadata.Encode(op)))
	}
	for part := range slices.Chunk(puts, 1000) {
		if _, err := a.store.Commit(a.ctx, metadata.Txn{Then: part}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	var token *string
	for page := 0; page == 0 || token != nil; page++ {
		out, err := a.ListClusterOperationsV2(a.ctx, &gen.ListClusterOperationsV2Input{ClusterArn: &arn, MaxResults: new(int32(70)), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range out.ClusterOperationInfoList {
			got = append(got, *op.OperationArn)
		}
		if token = out.NextToken; page == 3 {
			if n, err := resource.CollectOperations(a.ctx, a.store, c.Key()); n != more || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	var want []string
	for i := total - 1; i >= more; i-- {
		want = append(want, c.OperationARN(id(i)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d operations listed, want %d; from %s to %s", len(got), len(want), got[0], got[len(got)-1])
	}
	_, err := a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: new(c.OperationARN(id(0)))})
	if r := refusalOf(err); r.code != "NotFoundException" {
		t.Errorf("one that was collected: %+v", r)
	}
}

// The operation of a connection's end is not left behind by a cluster that goes at the same moment.
func TestDeletingAConnectionOfAClusterThatGoes(t *testing.T) {
	a := newAccount(t)
	target := a.opened("orders")
	made, err := a.CreateVpcConnection(a.ctx, a.connection(target))
	if err != nil {
		t.Fatal(err)
	}
	c := a.cluster(target)
	removed := false
	a.store.SetFault(func(call metadata.Call) metadata.Fault {
		if call.Method == "Commit" && !removed { // the deletion of the connection, before it is made
			removed = true
			_, err := a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{
				metadata.Delete(c.Key()), metadata.DeletePrefix(a.scope.OperationsPrefix(c.UUID)),
			}})
			if err != nil {
				t.Error(err)
			}
		}
		return metadata.Fault{}
	})
	if _, err := a.DeleteVpcConnection(a.ctx, &gen.DeleteVpcConnectionInput{Arn: made.VpcConnectionArn}); err != nil {
		t.Fatal(err)
	}
	left, err := resource.ListOperations(a.ctx, a.store, a.scope, c.UUID)
	if err != nil || len(left) > 0 || !removed {
		t.Errorf("operations left: %+v, %v; removed meanwhile: %v", left, err, removed)
	}
}
