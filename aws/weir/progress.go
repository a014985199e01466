package weir

import (
	"context"
	"slices"
	"time"

	gen "weir/awsapi/gen/weir"
	"weir/control/resource"
)

// describeOperationProgress shows what the service's own DescribeClusterOperation does not: times, each broker of a rolling change, partitions that
// move, and an estimate of the rest.
func (a *api) describeOperationProgress(ctx context.Context, in *gen.DescribeOperationProgressInput) (*gen.DescribeOperationProgressOutput, error) {
	const parameter = "clusterOperationArn"
	arn := *in.ClusterOperationArn
	ref, id, ok := resource.ParseOperationARN(arn)
	if !ok {
		return nil, badRequest(parameter, "%q is not the ARN of a cluster operation.", arn)
	}
	c, _, err := a.cluster(ctx, ref, parameter)
	if err != nil {
		return nil, err
	}
	op, _, ok, err := resource.ReadOperation(ctx, a.store, ref.Scope.OperationKey(ref.UUID, id))
	if err != nil {
		return nil, storeError(err)
	}
	if !ok || !op.Type.Listed() || c.OperationARN(id) != arn {
		return nil, notFound(parameter)
	}
	return &gen.DescribeOperationProgressOutput{OperationProgress: progress(&c, &op, a.now().UTC())}, nil
}

func progress(c *resource.Cluster, op *resource.Operation, now time.Time) *gen.OperationProgress {
	p := resource.Progress(op, now)
	out := &gen.OperationProgress{
		ClusterArn: new(c.ARN()), ClusterOperationArn: new(c.OperationARN(op.ID)),
		OperationType: new(string(op.Type)), OperationState: new(string(op.State)),
		StartTime: new(op.Created), EndTime: given(op.Ended), ElapsedMillis: new(p.Elapsed.Milliseconds()), Percent: new(int32(p.Percent)),
		ErrorInfo: errorInfo(op.Error), Undoing: errorInfo(p.Undoing),
		Steps: []gen.StepProgress{}, Brokers: []gen.BrokerProgress{},
	}
	if p.Estimated {
		out.EstimatedRemainingMillis, out.EstimatedEndTime = new(p.Remaining.Milliseconds()), new(now.Add(p.Remaining))
	}
	if at := slices.Index(c.Queue, op.ID); op.Queued && at >= 0 {
		out.QueuePosition = new(int32(at + 1))
	}
	if m := p.Moves; m != nil {
		out.Moves = &gen.MovesProgress{PartitionsTotal: new(int32(m.Total)), PartitionsRemaining: new(int32(m.Remaining))}
		if m.Problem != "" {
			out.Moves.Problem = new(m.Problem)
		}
	}
	for _, s := range p.Steps {
		step := gen.StepProgress{
			Name: new(string(s.Name)), Status: gen.ProgressStatus(s.Status), StartTime: given(s.Started), EndTime: given(s.Ended),
		}
		if p.Estimated {
			step.EstimatedRemainingMillis = new(s.Remaining.Milliseconds())
		}
		out.Steps = append(out.Steps, step)
	}
	for _, b := range p.Brokers {
		out.Brokers = append(out.Brokers, gen.BrokerProgress{
			BrokerId: new(int32(b.Broker)), Status: gen.ProgressStatus(b.Status), StartTime: given(b.Started), EndTime: given(b.Ended),
		})
	}
	return out
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func errorInfo(s *resource.StateInfo) *gen.ErrorInfo {
	if s == nil {
		return nil
	}
	return &gen.ErrorInfo{ErrorCode: new(s.Code), ErrorString: new(s.Message)}
}
