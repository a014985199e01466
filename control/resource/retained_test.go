package resource

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weir/metadata"
)

// ended is a cluster's n-th operation, which has ended.
func ended(t OperationType, n int) Operation {
	at := time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC)
	op := NewOperation(t, "u", "", at)
	op.ID = fmt.Sprintf("%s-%d", t, n)
	op.State, op.Ended = t.Complete(), at
	return op
}

func TestOutdatedOperations(t *testing.T) {
	serverless := Cluster{UUID: "u", Type: metadata.Serverless}
	standard := Cluster{UUID: "u", Type: metadata.Standard, Operation: "REBOOT_NODE-0", Queue: []string{"REBOOT_NODE-1"}}
	many := func(t OperationType, n int) (ops []Operation) {
		for i := range n {
			ops = append(ops, ended(t, i))
		}
		slices.Reverse(ops) // the order in which they are read means nothing
		return ops
	}
	running := ended(OpReboot, -1)
	running.Ended = time.Time{}
	tests := map[string]struct {
		c    *Cluster
		ops  []Operation
		want []string
	}{
		"none":        {&standard, nil, nil},
		"few":         {&standard, many(OpReboot, OperationsKept), nil},
		"some more":   {&standard, many(OpReboot, OperationsKept+4), []string{"REBOOT_NODE-2", "REBOOT_NODE-3"}}, // the record names the first two
		"a running":   {&standard, append(many(OpReboot, OperationsKept+2), running), nil},
		"scaling":     {&serverless, many(OpIncreaseBrokers, HiddenOperationsKept+2), []string{"INCREASE_BROKER_COUNT-0", "INCREASE_BROKER_COUNT-1"}},
		"not scaling": {&standard, many(OpIncreaseBrokers, HiddenOperationsKept+2), nil},
		"each of its own": {
			&serverless, append(many(OpIncreaseBrokers, HiddenOperationsKept+1), many(OpCreateConnection, OperationsKept+1)...),
			[]string{"CREATE_VPC_CONNECTION-0", "INCREASE_BROKER_COUNT-0"},
		},
	}
	for name, tt := range tests {
		var got []string
		for _, op := range Outdated(tt.c, tt.ops) {
			got = append(got, op.ID)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Operations of one moment are told apart as the lists of the API do: of two, the one that comes last in a list goes first.
func TestOutdatedOperationsOfOneMoment(t *testing.T) {
	c := Cluster{UUID: "u", Type: metadata.Standard}
	var ops []Operation
	for i := range OperationsKept + 1 {
		op := ended(OpReboot, 0)
		op.ID = fmt.Sprintf("%04d", i)
		ops = append(ops, op)
	}
	if old := Outdated(&c, ops); len(old) != 1 || old[0].ID != fmt.Sprintf("%04d", OperationsKept) {
		t.Errorf("%+v", old)
	}
}

func TestCollectOperations(t *testing.T) {
	ctx, store := t.Context(), newStore(t)
	c := Cluster{UUID: "u", Name: "orders", Account: "000000000000", Region: "us-east-1", Type: metadata.Standard}
	if n, err := CollectOperations(ctx, store, c.Key()); n != 0 || err != nil {
		t.Errorf("of no cluster: %d, %v", n, err)
	}
	ops := []metadata.Op{metadata.Put(c.Key(), metadata.Encode(c))}
	const more = 2*collectedAtOnce + 1
	for i := range OperationsKept + more {
		op := ended(OpReboot, i)
		ops = append(ops, metadata.Put(op.Key(c.Scope()), metadata.Encode(op)))
	}
	for part := range slices.Chunk(ops, 1000) {
		if _, err := store.Commit(ctx, metadata.Txn{Then: part}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{more, 0} {
		if n, err := CollectOperations(ctx, store, c.Key()); n != want || err != nil {
			t.Errorf("collected %d, %v, want %d", n, err, want)
		}
	}
	left, err := ListOperations(ctx, store, c.Scope(), c.UUID)
	if err != nil || len(left) != OperationsKept || slices.ContainsFunc(left, func(o Operation) bool { return o.Created.Before(ended(OpReboot, more).Created) }) {
		t.Errorf("%d left, %v", len(left), err)
	}
}
