package logs

import (
	"context"
	"maps"
	"strings"

	gen "weir/awsapi/gen/logs"
	"weir/control/resource"
)

func checkTags(tags map[string]string) error {
	if len(tags) > tagsMax {
		return &gen.TooManyTagsException{Message: "A resource can have at most 50 tags."}
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("Tag keys that start with aws: are reserved: %s", k)
		}
	}
	return nil
}

func (a *api) retag(ctx context.Context, name string, set map[string]string, remove []string) error {
	return a.edit(ctx, name, func(g *resource.LogGroup) error {
		tags := maps.Clone(g.Tags)
		if tags == nil {
			tags = make(map[string]string)
		}
		maps.Copy(tags, set)
		for _, k := range remove {
			delete(tags, k)
		}
		g.Tags = tags
		return checkTags(tags)
	})
}

// tagged is the name behind the ARN of a tag call, which is a log group's, with or without ":*".
func tagged(arn string) (string, error) {
	if !strings.HasPrefix(arn, "arn:") {
		return "", invalid("The resourceArn is not the ARN of a log group: %s", arn)
	}
	return arn, nil
}

func (a *api) tagResource(ctx context.Context, in *gen.TagResourceInput) (*gen.TagResourceOutput, error) {
	arn, err := tagged(*in.ResourceArn)
	if err == nil {
		err = a.retag(ctx, arn, in.Tags, nil)
	}
	if err != nil {
		return nil, err
	}
	return &gen.TagResourceOutput{}, nil
}

func (a *api) untagResource(ctx context.Context, in *gen.UntagResourceInput) (*gen.UntagResourceOutput, error) {
	arn, err := tagged(*in.ResourceArn)
	if err == nil {
		err = a.retag(ctx, arn, nil, in.TagKeys)
	}
	if err != nil {
		return nil, err
	}
	return &gen.UntagResourceOutput{}, nil
}

func (a *api) listTagsForResource(ctx context.Context, in *gen.ListTagsForResourceInput) (*gen.ListTagsForResourceOutput, error) {
	arn, err := tagged(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, _, err := a.group(ctx, arn)
	if err != nil {
		return nil, err
	}
	return &gen.ListTagsForResourceOutput{Tags: tagsOf(g)}, nil
}

func tagsOf(g resource.LogGroup) map[string]string {
	if g.Tags == nil {
		return map[string]string{}
	}
	return g.Tags
}

// The older calls take names.

func (a *api) tagLogGroup(ctx context.Context, in *gen.TagLogGroupInput) (*gen.TagLogGroupOutput, error) {
	if err := a.retag(ctx, *in.LogGroupName, in.Tags, nil); err != nil {
		return nil, err
	}
	return &gen.TagLogGroupOutput{}, nil
}

func (a *api) untagLogGroup(ctx context.Context, in *gen.UntagLogGroupInput) (*gen.UntagLogGroupOutput, error) {
	if err := a.retag(ctx, *in.LogGroupName, nil, in.Tags); err != nil {
		return nil, err
	}
	return &gen.UntagLogGroupOutput{}, nil
}

func (a *api) listTagsLogGroup(ctx context.Context, in *gen.ListTagsLogGroupInput) (*gen.ListTagsLogGroupOutput, error) {
	g, _, err := a.group(ctx, *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	return &gen.ListTagsLogGroupOutput{Tags: tagsOf(g)}, nil
}
