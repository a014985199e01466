package autoscaling

import (
	"context"
	"fmt"
	"maps"
	"strings"

	gen "weir/awsapi/gen/applicationautoscaling"
	"weir/control/resource"
)

const tagsMax = 50

func checkTags(tags map[string]string, arn string) error {
	if len(tags) > tagsMax {
		return &gen.TooManyTagsException{Message: fmt.Sprintf("A scalable target can have at most %d tags.", tagsMax), ResourceName: arn}
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("Tag keys that start with aws: are reserved: %s", k)
		}
	}
	return nil
}

// tagged finds the target with that ARN.
func (a *api) tagged(ctx context.Context, arn string) (f found, err error) {
	s := scopeOf(ctx)
	none := &gen.ResourceNotFoundException{Message: "No scalable target with that ARN: " + arn, ResourceName: arn}
	id, ok := s.ScalableTargetOf(arn)
	if !ok {
		return f, none
	}
	if f.cluster, f.clusterAt, ok, err = resource.ReadCluster(ctx, a.store, s.ClusterKey(id)); err != nil {
		return f, storeError(err)
	}
	if !ok {
		return f, none
	}
	if f.scaling, f.at, ok, err = resource.ReadVolumeScaling(ctx, a.store, s, id); err != nil {
		return f, storeError(err)
	}
	if !ok {
		return f, none
	}
	return f, nil
}

func (a *api) retag(ctx context.Context, arn string, set map[string]string, remove []string) error {
	for {
		f, err := a.tagged(ctx, arn)
		if err != nil {
			return err
		}
		v := f.scaling
		v.Tags = maps.Clone(v.Tags)
		if v.Tags == nil {
			v.Tags = make(map[string]string)
		}
		maps.Copy(v.Tags, set)
		for _, k := range remove {
			delete(v.Tags, k)
		}
		if err := checkTags(v.Tags, arn); err != nil {
			return err
		}
		again, err := a.change(ctx, f, &v)
		if err != nil || !again {
			return err
		}
	}
}

func (a *api) tagResource(ctx context.Context, in *gen.TagResourceInput) (*gen.TagResourceOutput, error) {
	return &gen.TagResourceOutput{}, a.retag(ctx, *in.ResourceARN, in.Tags, nil)
}

func (a *api) untagResource(ctx context.Context, in *gen.UntagResourceInput) (*gen.UntagResourceOutput, error) {
	return &gen.UntagResourceOutput{}, a.retag(ctx, *in.ResourceARN, nil, in.TagKeys)
}

func (a *api) listTagsForResource(ctx context.Context, in *gen.ListTagsForResourceInput) (*gen.ListTagsForResourceOutput, error) {
	f, err := a.tagged(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &gen.ListTagsForResourceOutput{Tags: map[string]string{}}
	maps.Copy(out.Tags, f.scaling.Tags)
	return out, nil
}
