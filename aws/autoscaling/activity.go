package autoscaling

import (
	"context"
	"fmt"
	"slices"

	gen "weir/awsapi/gen/applicationautoscaling"
	"weir/control/resource"
)

// describeScalingActivities shows what scaling did, newest first. Looks that led to nothing are not kept, so that IncludeNotScaledActivities adds none.
func (a *api) describeScalingActivities(ctx context.Context, in *gen.DescribeScalingActivitiesInput) (*gen.DescribeScalingActivitiesOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	all, err := a.all(ctx, one(in.ResourceId))
	if err != nil {
		return nil, err
	}
	type activity struct {
		f *found
		*resource.ScalingActivity
	}
	var acts []activity
	for i := range all {
		for j := range all[i].scaling.Activities {
			acts = append(acts, activity{&all[i], &all[i].scaling.Activities[j]})
		}
	}
	// The newest come first, and stay in their place when others come.
	newest := func(x *activity) string {
		return fmt.Sprintf("%020d %s", uint64(1)<<63-uint64(x.Started.UnixNano()), x.ID)
	}
	acts, next, err := page(acts, newest, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.DescribeScalingActivitiesOutput{ScalingActivities: []gen.ScalingActivity{}, NextToken: next}
	for _, x := range acts {
		shown, ok, err := a.activity(ctx, x.f, x.ScalingActivity)
		if err != nil {
			return nil, err
		}
		if ok {
			out.ScalingActivities = append(out.ScalingActivities, shown)
		}
	}
	return out, nil
}

// activity is how an activity is shown: its operation knows how it ended. ok is false if that is not kept any more, as nothing true could be said then.
func (a *api) activity(ctx context.Context, f *found, x *resource.ScalingActivity) (shown gen.ScalingActivity, ok bool, err error) {
	out := gen.ScalingActivity{
		ActivityId: new(x.ID), ServiceNamespace: namespace, ResourceId: new(f.cluster.ARN()), ScalableDimension: dimension,
		Description: new(fmt.Sprintf("Setting volume size to %d.", x.ToGiB)),
		Cause: new(fmt.Sprintf("The volume of broker %d was %.1f%% full, above the target of %g%% of policy %s; volumes had %d GiB.",
			x.Broker, x.Percent, x.Target, x.Policy, x.FromGiB)),
		StartTime: new(x.Started), StatusCode: gen.ScalingActivityStatusCodeInProgress,
	}
	op, _, ok, err := resource.ReadOperation(ctx, a.store, f.cluster.Scope().OperationKey(f.cluster.UUID, x.Operation))
	if err != nil || !ok {
		return out, false, storeError(err)
	}
	if !slices.Contains([]resource.OperationState{resource.OpUpdateComplete, resource.OpUpdateFailed}, op.State) {
		return out, true, nil
	}
	out.EndTime = new(op.Ended)
	if op.State == resource.OpUpdateComplete {
		out.StatusCode = gen.ScalingActivityStatusCodeSuccessful
		out.StatusMessage = new(fmt.Sprintf("Successfully set volume size to %d. Change successfully fulfilled by kafka.", x.ToGiB))
		return out, true, nil
	}
	out.StatusCode = gen.ScalingActivityStatusCodeFailed
	if op.Error != nil {
		out.StatusMessage = new("Failed to set volume size: " + op.Error.Message)
	}
	return out, true, nil
}
