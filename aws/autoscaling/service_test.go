package autoscaling

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/applicationautoscaling"
	"weir/control/resource"
	"weir/metadata"
)

var scope = resource.Scope{Account: "000000000000", Region: "eu-west-1"} //nolint:gochecknoglobals // a constant

// world is an account with one cluster.
type world struct {
	*gen.Service
	t       *testing.T
	ctx     context.Context //nolint:containedctx // of the account's calls
	store   *metadata.Mem
	cluster resource.Cluster
	arn     *string
}

func open(t *testing.T) *world {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{
		Service: New(store), t: t, store: store, ctx: awsapi.WithScope(t.Context(), awsapi.Scope{Account: scope.Account, Region: scope.Region}),
	}
	w.cluster = w.add("orders", nil)
	w.arn = new(w.cluster.ARN())
	return w
}

// add makes a cluster of Standard brokers, or what edit makes of it.
func (w *world) add(name string, edit func(*resource.Cluster)) resource.Cluster {
	w.t.Helper()
	id, _ := resource.NewClusterUUID()
	c := resource.Cluster{
		UUID: id, Name: name, Account: scope.Account, Region: scope.Region, State: resource.Active, InstanceType: "kafka.m7g.large", VolumeGiB: 100, Brokers: 3,
		Type: metadata.Standard,
	}
	if edit != nil {
		edit(&c)
	}
	w.put(c.Key(), c)
	return c
}

func (w *world) put(key string, v any) {
	w.t.Helper()
	if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(key, metadata.Encode(v))}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) registration() *gen.RegisterScalableTargetInput {
	return &gen.RegisterScalableTargetInput{
		ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: w.arn, MinCapacity: new(int32(1)), MaxCapacity: new(int32(1000)),
	}
}

func (w *world) policy() *gen.PutScalingPolicyInput {
	return &gen.PutScalingPolicyInput{
		ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: w.arn, PolicyName: new("storage"), PolicyType: gen.PolicyTypeTargetTrackingScaling,
		TargetTrackingScalingPolicyConfiguration: &gen.TargetTrackingScalingPolicyConfiguration{
			TargetValue: new(60.0), PredefinedMetricSpecification: &gen.PredefinedMetricSpecification{PredefinedMetricType: metric},
		},
	}
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func code(err error) string {
	if f := awsapi.AsFault(err); f != nil {
		return f.Code
	}
	return ""
}

// TestTerraform makes the calls of aws_appautoscaling_target and aws_appautoscaling_policy: each is made, read back without a difference, changed and deleted.
func TestTerraform(t *testing.T) {
	w := open(t)
	in := w.registration()
	in.Tags = map[string]string{"team": "data"}
	made, err := w.RegisterScalableTarget(w.ctx, in)
	arn := must(t, made, err).ScalableTargetARN
	read := func() *gen.ScalableTarget {
		t.Helper()
		out, err := w.DescribeScalableTargets(w.ctx, &gen.DescribeScalableTargetsInput{
			ServiceNamespace: namespace, ScalableDimension: dimension, ResourceIds: []string{*w.arn},
		})
		if must(t, out, err); out.NextToken != nil || len(out.ScalableTargets) > 1 {
			t.Fatalf("%+v", out)
		}
		if len(out.ScalableTargets) == 0 {
			return nil
		}
		return &out.ScalableTargets[0]
	}
	got := read()
	if *got.ScalableTargetARN != *arn || *got.MinCapacity != 1 || *got.MaxCapacity != 1000 || *got.ResourceId != *w.arn ||
		got.ScalableDimension != dimension || got.ServiceNamespace != namespace || !strings.Contains(*got.RoleARN, "AWSServiceRoleForApplicationAutoScaling_KafkaCluster") {
		t.Errorf("%+v", got)
	}
	tags := func() map[string]string {
		t.Helper()
		out, err := w.ListTagsForResource(w.ctx, &gen.ListTagsForResourceInput{ResourceARN: arn})
		return must(t, out, err).Tags
	}
	_, err = w.TagResource(w.ctx, &gen.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"stage": "test"}})
	must(t, "", err)
	_, err = w.UntagResource(w.ctx, &gen.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"team"}})
	must(t, "", err)
	if want := map[string]string{"stage": "test"}; !maps.Equal(tags(), want) {
		t.Errorf("tags %v", tags())
	}
	_, err = w.RegisterScalableTarget(w.ctx, &gen.RegisterScalableTargetInput{
		ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: w.arn, MaxCapacity: new(int32(2000)),
	})
	must(t, "", err)
	if got := read(); *got.MaxCapacity != 2000 || *got.MinCapacity != 1 || len(tags()) != 1 {
		t.Errorf("changed: %+v", got)
	}

	p := w.policy() // as Terraform sends it without the optional arguments
	c := p.TargetTrackingScalingPolicyConfiguration
	c.ScaleInCooldown, c.ScaleOutCooldown, c.DisableScaleIn = new(int32(0)), new(int32(0)), new(false)
	put, err := w.PutScalingPolicy(w.ctx, p)
	policyARN := *must(t, put, err).PolicyARN
	readPolicy := func() []gen.ScalingPolicy {
		t.Helper()
		out, err := w.DescribeScalingPolicies(w.ctx, &gen.DescribeScalingPoliciesInput{
			ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: w.arn, PolicyNames: []string{"storage"},
		})
		return must(t, out, err).ScalingPolicies
	}
	is := readPolicy()
	if len(is) != 1 || *is[0].PolicyARN != policyARN || is[0].Alarms == nil || is[0].PolicyType != gen.PolicyTypeTargetTrackingScaling {
		t.Fatalf("%+v", is)
	}
	if d := cmp.Diff(c, is[0].TargetTrackingScalingPolicyConfiguration); d != "" {
		t.Errorf("policy (-sent +shown):\n%s", d)
	}
	c.TargetValue = new(50.0)
	_, err = w.PutScalingPolicy(w.ctx, p)
	must(t, "", err)
	if is := readPolicy(); *is[0].TargetTrackingScalingPolicyConfiguration.TargetValue != 50 || *is[0].PolicyARN != policyARN {
		t.Errorf("changed: %+v", is)
	}
	remove := &gen.DeleteScalingPolicyInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: w.arn, PolicyName: new("storage")}
	_, err = w.DeleteScalingPolicy(w.ctx, remove)
	must(t, "", err)
	if _, err = w.DeleteScalingPolicy(w.ctx, remove); code(err) != "ObjectNotFoundException" || len(readPolicy()) != 0 {
		t.Errorf("deleted twice: %v", err)
	}
	deregister := &gen.DeregisterScalableTargetInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: w.arn}
	_, err = w.DeregisterScalableTarget(w.ctx, deregister)
	must(t, "", err)
	if _, err = w.DeregisterScalableTarget(w.ctx, deregister); code(err) != "ObjectNotFoundException" || read() != nil {
		t.Errorf("deregistered twice: %v", err)
	}
}

func TestBadInput(t *testing.T) {
	w := open(t)
	express := w.add("express", func(c *resource.Cluster) {
		c.Type, c.InstanceType, c.VolumeGiB = metadata.Express, "express.m7g.large", 0
	})
	deleting := w.add("deleting", func(c *resource.Cluster) { c.State = resource.Deleting })
	bare := w.add("bare", nil) // without a target
	foreign := w.cluster
	foreign.Account = "111111111111"
	gone := w.cluster
	gone.UUID, _ = resource.NewClusterUUID()
	_, err := w.RegisterScalableTarget(w.ctx, w.registration())
	must(t, "", err)

	register := func(edit func(*gen.RegisterScalableTargetInput)) error {
		in := w.registration()
		edit(in)
		_, err := w.RegisterScalableTarget(w.ctx, in)
		return err
	}
	policy := func(edit func(*gen.PutScalingPolicyInput, *gen.TargetTrackingScalingPolicyConfiguration)) error {
		in := w.policy()
		edit(in, in.TargetTrackingScalingPolicyConfiguration)
		_, err := w.PutScalingPolicy(w.ctx, in)
		return err
	}
	type (
		registerInput = *gen.RegisterScalableTargetInput
		policyInput   = *gen.PutScalingPolicyInput
		config        = *gen.TargetTrackingScalingPolicyConfiguration
	)
	many := make(map[string]string)
	for i := range tagsMax + 1 {
		many[fmt.Sprint(i)] = ""
	}
	const validation, notFound = "ValidationException", "ObjectNotFoundException"
	tests := []struct {
		name, code, message string
		err                 error
	}{
		{"target: other service", validation, "dynamodb is not supported by this version of Weir", register(func(in registerInput) { in.ServiceNamespace = "dynamodb" })},
		{"target: other dimension", validation, "not ecs:service:DesiredCount", register(func(in registerInput) { in.ScalableDimension = "ecs:service:DesiredCount" })},
		{"target: no ARN", validation, "not: orders", register(func(in registerInput) { in.ResourceId = new("orders") })},
		{"target: other account", validation, "another account", register(func(in registerInput) { in.ResourceId = new(foreign.ARN()) })},
		{"target: unknown cluster", validation, "doesn't exist", register(func(in registerInput) { in.ResourceId = new(gone.ARN()) })},
		{"target: cluster that is being deleted", validation, "doesn't exist", register(func(in registerInput) { in.ResourceId = new(deleting.ARN()) })},
		{"target: express", validation, "no volumes", register(func(in registerInput) { in.ResourceId = new(express.ARN()) })},
		{"target: first without capacities", validation, "Both MinCapacity", register(func(in registerInput) { in.ResourceId, in.MinCapacity = new(bare.ARN()), nil })},
		{"target: minimum", validation, "at least 1", register(func(in registerInput) { in.MinCapacity = new(int32(0)) })},
		{"target: turned round", validation, "less than minimum", register(func(in registerInput) { in.MinCapacity = new(int32(2000)) })},
		{"target: maximum", validation, "more than 16384", register(func(in registerInput) { in.MaxCapacity = new(int32(16385)) })},
		{"target: tags of an old one", validation, "Use TagResource", register(func(in registerInput) { in.Tags = map[string]string{"a": "b"} })},
		{"target: reserved tag", validation, "reserved", register(func(in registerInput) {
			in.ResourceId, in.Tags = new(bare.ARN()), map[string]string{"AWS:x": ""}
		})},
		{"target: many tags", "TooManyTagsException", "at most 50", register(func(in registerInput) { in.ResourceId, in.Tags = new(bare.ARN()), many })},
		{"policy: other service", validation, "ecs is not supported", policy(func(in policyInput, _ config) { in.ServiceNamespace = "ecs" })},
		{"policy: no target", notFound, "No scalable target registered", policy(func(in policyInput, _ config) { in.ResourceId = new(bare.ARN()) })},
		{"policy: unknown cluster", notFound, "No scalable target registered", policy(func(in policyInput, _ config) { in.ResourceId = new(gone.ARN()) })},
		{"policy: other account", validation, "another account", policy(func(in policyInput, _ config) { in.ResourceId = new(foreign.ARN()) })},
		{"policy: no type", validation, "must be TargetTrackingScaling", policy(func(in policyInput, _ config) { in.PolicyType = "" })},
		{"policy: steps", validation, "must be TargetTrackingScaling", policy(func(in policyInput, _ config) { in.PolicyType = gen.PolicyTypeStepScaling })},
		{"policy: predictive", validation, "PredictiveScaling is not supported", policy(func(in policyInput, _ config) { in.PolicyType = gen.PolicyTypePredictiveScaling })},
		{"policy: steps besides", validation, "only", policy(func(in policyInput, _ config) {
			in.StepScalingPolicyConfiguration = &gen.StepScalingPolicyConfiguration{}
		})},
		{"policy: no configuration", validation, "is required", policy(func(in policyInput, _ config) { in.TargetTrackingScalingPolicyConfiguration = nil })},
		{"policy: own metric", validation, "Customized metrics", policy(func(_ policyInput, c config) {
			c.CustomizedMetricSpecification = &gen.CustomizedMetricSpecification{}
		})},
		{"policy: no metric", validation, "KafkaBrokerStorageUtilization", policy(func(_ policyInput, c config) { c.PredefinedMetricSpecification = nil })},
		{"policy: other metric", validation, "Supported: [KafkaBrokerStorageUtilization]", policy(func(_ policyInput, c config) {
			c.PredefinedMetricSpecification.PredefinedMetricType = "ECSServiceAverageCPUUtilization"
		})},
		{"policy: label", validation, "ResourceLabel", policy(func(_ policyInput, c config) { c.PredefinedMetricSpecification.ResourceLabel = new("x") })},
		{"policy: target too low", validation, "between 10 and 80", policy(func(_ policyInput, c config) { c.TargetValue = new(9.9) })},
		{"policy: target too high", validation, "between 10 and 80", policy(func(_ policyInput, c config) { c.TargetValue = new(80.1) })},
		{"policy: target is no number", validation, "between 10 and 80", policy(func(_ policyInput, c config) { c.TargetValue = new(math.NaN()) })},
		{"policy: cool-down", validation, "negative", policy(func(_ policyInput, c config) { c.ScaleOutCooldown = new(int32(-1)) })},
		{"policy: slash", validation, "slash", policy(func(in policyInput, _ config) { in.PolicyName = new("a/b") })},
	}
	for _, tt := range tests {
		if code(tt.err) != tt.code || !strings.Contains(fmt.Sprint(tt.err), tt.message) {
			t.Errorf("%s: %v, want %s with %q", tt.name, tt.err, tt.code, tt.message)
		}
	}

	must(t, "", policy(func(policyInput, config) {}))
	if err := policy(func(in policyInput, _ config) { in.PolicyName = new("second") }); code(err) != validation || !strings.Contains(err.Error(), "Only one") {
		t.Errorf("a second policy: %v", err)
	}
	for name, call := range map[string]func() error{
		"ResourceNotFoundException list": func() error {
			_, err := w.ListTagsForResource(w.ctx, &gen.ListTagsForResourceInput{ResourceARN: new(scope.ScalableTargetARN(bare.UUID))})
			return err
		},
		"ResourceNotFoundException tag": func() error {
			_, err := w.TagResource(w.ctx, &gen.TagResourceInput{ResourceARN: w.arn})
			return err
		},
		"ResourceNotFoundException untag": func() error {
			_, err := w.UntagResource(w.ctx, &gen.UntagResourceInput{ResourceARN: new(scope.ScalableTargetARN(gone.UUID)), TagKeys: []string{"a"}})
			return err
		},
		"TooManyTagsException tag": func() error {
			_, err := w.TagResource(w.ctx, &gen.TagResourceInput{ResourceARN: new(scope.ScalableTargetARN(w.cluster.UUID)), Tags: many})
			return err
		},
		"ValidationException page": func() error {
			_, err := w.DescribeScalableTargets(w.ctx, &gen.DescribeScalableTargetsInput{ServiceNamespace: namespace, MaxResults: new(int32(51))})
			return err
		},
		"InvalidNextTokenException token": func() error {
			_, err := w.DescribeScalingPolicies(w.ctx, &gen.DescribeScalingPoliciesInput{ServiceNamespace: namespace, NextToken: new("!")})
			return err
		},
		"ValidationException activities": func() error {
			_, err := w.DescribeScalingActivities(w.ctx, &gen.DescribeScalingActivitiesInput{ServiceNamespace: "lambda"})
			return err
		},
		"ValidationException delete": func() error {
			_, err := w.DeleteScalingPolicy(w.ctx, &gen.DeleteScalingPolicyInput{
				ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: new("x"), PolicyName: new("p"),
			})
			return err
		},
	} {
		if err := call(); code(err) != strings.Fields(name)[0] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Activities are shown newest first, each as its operation is.
func TestActivities(t *testing.T) {
	w := open(t)
	began := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	v := resource.VolumeScaling{MaxGiB: 1000}
	for i, state := range []resource.OperationState{resource.OpUpdateComplete, resource.OpUpdateFailed, ""} {
		op := resource.NewUpdate(resource.OpBrokerStorage, &w.cluster, resource.Change{VolumeGiB: new(int32(200))}, "", began)
		if state != "" {
			op.State, op.Ended, op.Error = state, began.Add(time.Hour), &resource.StateInfo{Code: "X", Message: "It was too late."}
		}
		w.put(op.Key(scope), op)
		v = v.With(resource.ScalingActivity{ID: fmt.Sprint(i), Operation: op.ID, Started: began.Add(time.Duration(i) * time.Minute), FromGiB: 100, ToGiB: 110, Percent: 66, Target: 60})
	}
	w.put(scope.VolumeScalingKey(w.cluster.UUID), v)
	var got []string
	in := &gen.DescribeScalingActivitiesInput{ServiceNamespace: namespace, ResourceId: w.arn, MaxResults: new(int32(2))}
	for {
		out, err := w.DescribeScalingActivities(w.ctx, in)
		for _, a := range must(t, out, err).ScalingActivities {
			ended := "not ended"
			if a.EndTime != nil {
				ended = *a.StatusMessage
			}
			got = append(got, fmt.Sprint(*a.ActivityId, " ", a.StatusCode, " ", ended))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	want := []string{
		"2 InProgress not ended", "1 Failed Failed to set volume size: It was too late.",
		"0 Successful Successfully set volume size to 110. Change successfully fulfilled by kafka.",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
