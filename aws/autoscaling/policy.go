package autoscaling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	gen "weir/awsapi/gen/applicationautoscaling"
	"weir/control/resource"
)

func (a *api) putScalingPolicy(ctx context.Context, in *gen.PutScalingPolicyInput) (*gen.PutScalingPolicyOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	for {
		f, err := a.target(ctx, *in.ResourceId)
		if err != nil {
			return nil, err
		}
		v := f.scaling
		v.Policies = slices.Clone(v.Policies)
		i := slices.IndexFunc(v.Policies, func(p resource.ScalingPolicy) bool { return p.Name == *in.PolicyName })
		if i < 0 && len(v.Policies) >= resource.ScalingPoliciesMax {
			return nil, invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed. The scalable target has the policy %s.",
				v.Policies[0].Name)
		}
		if i < 0 {
			i = len(v.Policies)
			v.Policies = append(v.Policies, resource.ScalingPolicy{Name: *in.PolicyName, ID: uuid.NewString(), Created: a.now().UTC()})
		} else if in.PolicyType == "" && in.TargetTrackingScalingPolicyConfiguration == nil {
			in.PolicyType = gen.PolicyTypeTargetTrackingScaling
		}
		p := &v.Policies[i]
		if err := configure(p, in); err != nil {
			return nil, err
		}
		again, err := a.change(ctx, f, &v)
		if err != nil {
			return nil, err
		}
		if !again {
			return &gen.PutScalingPolicyOutput{PolicyARN: new(f.cluster.Scope().ScalingPolicyARN(f.cluster.UUID, p)), Alarms: []gen.Alarm{}}, nil
		}
	}
}

// configure changes p to what the request says. Its type is the only one that volumes can have.
func configure(p *resource.ScalingPolicy, in *gen.PutScalingPolicyInput) error {
	c := in.TargetTrackingScalingPolicyConfiguration
	switch {
	case strings.Contains(*in.PolicyName, "/"):
		return invalid("The policy name must not contain a slash: %s", *in.PolicyName)
	case in.PolicyType == "" || in.PolicyType == gen.PolicyTypeStepScaling:
		return invalid("The policy type must be %s: the scalable dimension %s has no other.", gen.PolicyTypeTargetTrackingScaling, dimension)
	case in.PolicyType != gen.PolicyTypeTargetTrackingScaling:
		return invalid("The policy type %s is not supported for the scalable dimension %s. Supported: [%s]",
			in.PolicyType, dimension, gen.PolicyTypeTargetTrackingScaling)
	case in.StepScalingPolicyConfiguration != nil || in.PredictiveScalingPolicyConfiguration != nil:
		return invalid("A policy of the type %s takes TargetTrackingScalingPolicyConfiguration only.", gen.PolicyTypeTargetTrackingScaling)
	case c == nil:
		return invalid("TargetTrackingScalingPolicyConfiguration is required for a policy of the type %s.", gen.PolicyTypeTargetTrackingScaling)
	case c.CustomizedMetricSpecification != nil:
		return invalid("Customized metrics are not supported for the scalable dimension %s. Use the predefined metric %s.", dimension, metric)
	case c.PredefinedMetricSpecification == nil:
		return invalid("PredefinedMetricSpecification is required, with the PredefinedMetricType %s.", metric)
	case c.PredefinedMetricSpecification.PredefinedMetricType != metric:
		return invalid("The predefined metric %s is not supported for the scalable dimension %s. Supported: [%s]",
			c.PredefinedMetricSpecification.PredefinedMetricType, dimension, metric)
	case c.PredefinedMetricSpecification.ResourceLabel != nil:
		return invalid("The predefined metric %s takes no ResourceLabel.", metric)
	case !(*c.TargetValue >= resource.ScalingTargetMin && *c.TargetValue <= resource.ScalingTargetMax): // also not a number
		return invalid("TargetValue must be between %d and %d, which is percent of a broker's volume.", resource.ScalingTargetMin, resource.ScalingTargetMax)
	}
	for _, seconds := range []*int32{c.ScaleOutCooldown, c.ScaleInCooldown} {
		if seconds != nil && *seconds < 0 {
			return invalid("Cooldowns must not be negative.")
		}
	}
	p.Target, p.ScaleOutCooldown, p.ScaleInCooldown, p.DisableScaleIn = *c.TargetValue, c.ScaleOutCooldown, c.ScaleInCooldown, c.DisableScaleIn
	return nil
}

func (a *api) deleteScalingPolicy(ctx context.Context, in *gen.DeleteScalingPolicyInput) (*gen.DeleteScalingPolicyOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	none := &gen.ObjectNotFoundException{Message: fmt.Sprintf(
		"No scaling policy found for service namespace: %s, resource ID: %s, scalable dimension: %s, policy name: %s",
		namespace, *in.ResourceId, dimension, *in.PolicyName)}
	for {
		f, err := a.target(ctx, *in.ResourceId)
		var gone *gen.ObjectNotFoundException
		switch {
		case errors.As(err, &gone):
			return nil, none
		case err != nil:
			return nil, err
		}
		v := f.scaling
		v.Policies = slices.DeleteFunc(slices.Clone(v.Policies), func(p resource.ScalingPolicy) bool { return p.Name == *in.PolicyName })
		if len(v.Policies) == len(f.scaling.Policies) {
			return nil, none
		}
		again, err := a.change(ctx, f, &v)
		if err != nil {
			return nil, err
		}
		if !again {
			return &gen.DeleteScalingPolicyOutput{}, nil
		}
	}
}

func (a *api) describeScalingPolicies(ctx context.Context, in *gen.DescribeScalingPoliciesInput) (*gen.DescribeScalingPoliciesOutput, error) {
	if err := checkNamespace(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	all, err := a.all(ctx, one(in.ResourceId))
	if err != nil {
		return nil, err
	}
	var shown []gen.ScalingPolicy
	for i := range all {
		f := &all[i]
		for j := range f.scaling.Policies {
			if p := &f.scaling.Policies[j]; len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, p.Name) {
				shown = append(shown, policy(f, p))
			}
		}
	}
	out := &gen.DescribeScalingPoliciesOutput{}
	out.ScalingPolicies, out.NextToken, err = page(shown, func(p *gen.ScalingPolicy) string { return *p.PolicyARN }, in.MaxResults, in.NextToken)
	return out, err
}

func one(id *string) []string {
	if id == nil {
		return nil
	}
	return []string{*id}
}

// policy is how a policy is shown. It has no alarms: the controller looks at the volumes itself.
func policy(f *found, p *resource.ScalingPolicy) gen.ScalingPolicy {
	return gen.ScalingPolicy{
		PolicyARN: new(f.cluster.Scope().ScalingPolicyARN(f.cluster.UUID, p)), PolicyName: new(p.Name),
		ServiceNamespace: namespace, ResourceId: new(f.cluster.ARN()), ScalableDimension: dimension,
		PolicyType: gen.PolicyTypeTargetTrackingScaling, Alarms: []gen.Alarm{}, CreationTime: new(p.Created),
		TargetTrackingScalingPolicyConfiguration: &gen.TargetTrackingScalingPolicyConfiguration{
			TargetValue:                   new(p.Target),
			PredefinedMetricSpecification: &gen.PredefinedMetricSpecification{PredefinedMetricType: metric},
			ScaleOutCooldown:              p.ScaleOutCooldown, ScaleInCooldown: p.ScaleInCooldown, DisableScaleIn: p.DisableScaleIn,
		},
	}
}
