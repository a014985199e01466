package kafka

import (
	"context"
	"fmt"
	"math"
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// operation reads the operation that an ARN names, with its cluster.
func (a *api) operation(ctx context.Context, arn *string) (c resource.Cluster, op resource.Operation, err error) {
	ref, id, ok := resource.ParseOperationARN(*arn)
	if !ok {
		return c, op, badRequest("clusterOperationArn", "%q is not the ARN of a cluster operation.", *arn)
	}
	c, _, err = a.referenced(ctx, ref, "clusterOperationArn")
	if err != nil {
		return c, op, err
	}
	op, _, ok, err = resource.ReadOperation(ctx, a.store, ref.Scope.OperationKey(ref.UUID, id))
	if err != nil {
		return c, op, storeError(err)
	}
	if !ok || !shown(&c, &op) {
		return c, op, notFound("clusterOperationArn")
	}
	return c, op, nil
}

func (a *api) describeClusterOperation(ctx context.Context, in *gen.DescribeClusterOperationInput) (
	*gen.DescribeClusterOperationOutput, error,
) {
	c, op, err := a.operation(ctx, in.ClusterOperationArn)
	if err != nil {
		return nil, err
	}
	if err := provisionedOnly(&c, "clusterOperationArn", "DescribeClusterOperationV2"); err != nil {
		return nil, err
	}
	return &gen.DescribeClusterOperationOutput{ClusterOperationInfo: new(operationInfo(&c, &op))}, nil
}

func (a *api) describeClusterOperationV2(ctx context.Context, in *gen.DescribeClusterOperationV2Input) (
	*gen.DescribeClusterOperationV2Output, error,
) {
	c, op, err := a.operation(ctx, in.ClusterOperationArn)
	if err != nil {
		return nil, err
	}
	out := &gen.ClusterOperationV2{
		ClusterArn: new(c.ARN()), ClusterType: clusterType(&c),
		StartTime: new(op.Created), EndTime: ended(&op), ErrorInfo: errorInfo(&op),
		OperationArn: new(c.OperationARN(op.ID)), OperationState: new(string(op.State)), OperationType: new(string(op.Type)),
		Serverless: serverlessOperation(&c),
	}
	if out.Serverless == nil {
		out.Provisioned = &gen.ClusterOperationV2Provisioned{
			OperationSteps: steps(&op), SourceClusterInfo: sourceInfo(&op), TargetClusterInfo: targetInfo(&op),
		}
	}
	return &gen.DescribeClusterOperationV2Output{ClusterOperationInfo: out}, nil
}

// operations returns one page of a cluster's operations that the API shows, newest first.
func (a *api) operations(ctx context.Context, listing string, arn *string, maxResults *int32, token *string) (
	resource.Cluster, []resource.Operation, *string, error,
) {
	c, _, err := a.cluster(ctx, arn)
	if err != nil {
		return c, nil, nil, err
	}
	all, err := resource.ListOperations(ctx, a.store, c.Scope(), c.UUID)
	if err != nil {
		return c, nil, nil, storeError(err)
	}
	var listed []resource.Operation
	for _, op := range all {
		if shown(&c, &op) {
			listed = append(listed, op)
		}
	}
	ops, next, err := page(listing+" "+c.UUID, listed, newestFirst, maxResults, token)
	return c, ops, next, err
}

// newestFirst is a key that sorts operations by falling time.
func newestFirst(op *resource.Operation) string {
	return fmt.Sprintf("%020d %s", math.MaxInt64-op.Created.UnixNano(), op.ID)
}

func (a *api) listClusterOperations(ctx context.Context, in *gen.ListClusterOperationsInput) (*gen.ListClusterOperationsOutput, error) {
	c, ops, next, err := a.operations(ctx, "ListClusterOperations", in.ClusterArn, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if err := provisionedOnly(&c, "clusterArn", "ListClusterOperationsV2"); err != nil {
		return nil, err
	}
	out := &gen.ListClusterOperationsOutput{ClusterOperationInfoList: []gen.ClusterOperationInfo{}, NextToken: next}
	for i := range ops {
		out.ClusterOperationInfoList = append(out.ClusterOperationInfoList, operationInfo(&c, &ops[i]))
	}
	return out, nil
}

func (a *api) listClusterOperationsV2(ctx context.Context, in *gen.ListClusterOperationsV2Input) (
	*gen.ListClusterOperationsV2Output, error,
) {
	c, ops, next, err := a.operations(ctx, "ListClusterOperationsV2", in.ClusterArn, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListClusterOperationsV2Output{ClusterOperationInfoList: []gen.ClusterOperationV2Summary{}, NextToken: next}
	for i := range ops {
		op := &ops[i]
		out.ClusterOperationInfoList = append(out.ClusterOperationInfoList, gen.ClusterOperationV2Summary{
			ClusterArn: new(c.ARN()), ClusterType: clusterType(&c), StartTime: new(op.Created), EndTime: ended(op),
			OperationArn: new(c.OperationARN(op.ID)), OperationState: new(string(op.State)), OperationType: new(string(op.Type)),
		})
	}
	return out, nil
}

func operationInfo(c *resource.Cluster, op *resource.Operation) gen.ClusterOperationInfo {
	return gen.ClusterOperationInfo{
		ClientRequestId: optional(op.RequestID), ClusterArn: new(c.ARN()),
		CreationTime: new(op.Created), EndTime: ended(op), ErrorInfo: errorInfo(op),
		OperationArn: new(c.OperationARN(op.ID)), OperationState: new(string(op.State)), OperationType: new(string(op.Type)),
		OperationSteps: steps(op), SourceClusterInfo: sourceInfo(op), TargetClusterInfo: targetInfo(op), VpcConnectionInfo: connectionInfo(op),
	}
}

func connectionInfo(op *resource.Operation) *gen.VpcConnectionInfo {
	if op.Connection == nil {
		return nil
	}
	return &gen.VpcConnectionInfo{
		VpcConnectionArn: new(op.Connection.ARN), Owner: new(op.Connection.Owner), CreationTime: new(op.Connection.Created),
		UserIdentity: &gen.UserIdentity{Type: gen.UserIdentityTypeAwsaccount, PrincipalId: new(op.Connection.Owner)},
	}
}

func ended(op *resource.Operation) *time.Time {
	if op.Ended.IsZero() {
		return nil
	}
	return &op.Ended
}

func errorInfo(op *resource.Operation) *gen.ErrorInfo {
	if op.Error == nil {
		return nil
	}
	return &gen.ErrorInfo{ErrorCode: new(op.Error.Code), ErrorString: new(op.Error.Message)}
}

func steps(op *resource.Operation) []gen.ClusterOperationStep {
	out := []gen.ClusterOperationStep{}
	for _, s := range op.Steps {
		out = append(out, gen.ClusterOperationStep{
			StepName: new(string(s.Name)), StepInfo: &gen.ClusterOperationStepInfo{StepStatus: new(string(s.Status))},
		})
	}
	return out
}
