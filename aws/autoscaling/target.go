package autoscaling

import (
	"context"
	"maps"

	gen "weir/awsapi/gen/applicationautoscaling"
	"weir/control/resource"
	"weir/metadata"
)

// role is the service-linked role that acts where a target names none. Nobody looks at it.
func role(s resource.Scope) string {
	return "arn:aws:iam::" + s.Account + ":role/aws-service-role/kafka.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_KafkaCluster"
}

// registerScalableTarget makes a target, or changes what the request names of the one there is. Its capacities are sizes of a volume in GiB.
func (a *api) registerScalableTarget(ctx context.Context, in *gen.RegisterScalableTargetInput) (*gen.RegisterScalableTargetOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	for {
		f, ok, err := a.read(ctx, *in.ResourceId)
		if err != nil {
			return nil, err
		}
		if !ok || f.cluster.State == resource.Deleting {
			return nil, invalid("MSK cluster doesn't exist: %s", *in.ResourceId)
		}
		if f.cluster.Kind() != metadata.Standard {
			return nil, invalid("The MSK cluster has no volumes that could be scaled: only clusters of Standard brokers have. Cluster: %s", *in.ResourceId)
		}
		v := f.scaling
		if err := register(&v, in, f.at == 0); err != nil {
			return nil, err
		}
		if f.at == 0 {
			v.Created = a.now().UTC()
			if v.RoleARN == "" {
				v.RoleARN = role(f.cluster.Scope())
			}
		}
		again, err := a.change(ctx, f, &v)
		if err != nil {
			return nil, err
		}
		if !again {
			return &gen.RegisterScalableTargetOutput{ScalableTargetARN: new(f.cluster.Scope().ScalableTargetARN(f.cluster.UUID))}, nil
		}
	}
}

// register changes v to what the request says.
func register(v *resource.VolumeScaling, in *gen.RegisterScalableTargetInput, first bool) error {
	if first && (in.MinCapacity == nil || in.MaxCapacity == nil) {
		return invalid("Both MinCapacity and MaxCapacity must be specified to register a new scalable target.")
	}
	if in.MinCapacity != nil {
		v.MinGiB = *in.MinCapacity
	}
	if in.MaxCapacity != nil {
		v.MaxGiB = *in.MaxCapacity
	}
	switch {
	case v.MinGiB < 1:
		return invalid("Minimum capacity must be at least 1, which is GiB of a broker's volume.")
	case v.MaxGiB < v.MinGiB:
		return invalid("Maximum capacity cannot be less than minimum capacity")
	case v.MaxGiB > resource.VolumeMaxGiB:
		return invalid("Maximum capacity cannot be more than %d, which is GiB of a broker's volume.", resource.VolumeMaxGiB)
	}
	if in.RoleARN != nil {
		v.RoleARN = *in.RoleARN
	}
	if s := in.SuspendedState; s != nil {
		set(&v.Suspended.In, s.DynamicScalingInSuspended)
		set(&v.Suspended.Out, s.DynamicScalingOutSuspended)
		set(&v.Suspended.Scheduled, s.ScheduledScalingSuspended)
	}
	if len(in.Tags) > 0 {
		if !first {
			return invalid("Tags can be given when a scalable target is registered for the first time only. Use TagResource.")
		}
		v.Tags = maps.Clone(in.Tags)
	}
	return checkTags(v.Tags, "")
}

func set(field *bool, v *bool) {
	if v != nil {
		*field = *v
	}
}

func (a *api) deregisterScalableTarget(ctx context.Context, in *gen.DeregisterScalableTargetInput) (*gen.DeregisterScalableTargetOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	for {
		f, err := a.target(ctx, *in.ResourceId)
		if err != nil {
			return nil, err
		}
		again, err := a.change(ctx, f, nil) // its policies go with it
		if err != nil {
			return nil, err
		}
		if !again {
			return &gen.DeregisterScalableTargetOutput{}, nil
		}
	}
}

func (a *api) describeScalableTargets(ctx context.Context, in *gen.DescribeScalableTargetsInput) (*gen.DescribeScalableTargetsOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	all, err := a.all(ctx, in.ResourceIds)
	if err != nil {
		return nil, err
	}
	out := &gen.DescribeScalableTargetsOutput{ScalableTargets: []gen.ScalableTarget{}}
	all, out.NextToken, err = page(all, func(f *found) string { return f.cluster.UUID }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	for i := range all {
		f := &all[i]
		v := &f.scaling
		out.ScalableTargets = append(out.ScalableTargets, gen.ScalableTarget{
			ServiceNamespace: namespace, ResourceId: new(f.cluster.ARN()), ScalableDimension: dimension,
			MinCapacity: new(v.MinGiB), MaxCapacity: new(v.MaxGiB), RoleARN: new(v.RoleARN), CreationTime: new(v.Created),
			SuspendedState: &gen.SuspendedState{
				DynamicScalingInSuspended: new(v.Suspended.In), DynamicScalingOutSuspended: new(v.Suspended.Out),
				ScheduledScalingSuspended: new(v.Suspended.Scheduled),
			},
			ScalableTargetARN: new(f.cluster.Scope().ScalableTargetARN(f.cluster.UUID)),
		})
	}
	return out, nil
}
