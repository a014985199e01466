package kafka

import (
	"context"
	"errors"
	"maps"
	"strings"
	"unicode/utf8"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Limits on tags, as for all AWS resources.
const (
	tagsMax        = 50
	tagKeyMax      = 128
	tagValueMax    = 256
	tagKeyReserved = "aws:"
)

func checkTags(tags map[string]string) error {
	if len(tags) > tagsMax {
		return badRequest("tags", "A resource can have at most %d tags.", tagsMax)
	}
	if _, err := resource.ParseLimits(tags); err != nil {
		return badRequest("tags", "%s.", err)
	}
	for k, v := range tags {
		switch n := utf8.RuneCountInString(k); {
		case n == 0 || n > tagKeyMax:
			return badRequest("tags", "A tag key must have 1 to %d characters.", tagKeyMax)
		case strings.HasPrefix(strings.ToLower(k), tagKeyReserved):
			return badRequest("tags", "Tag keys that start with %s are reserved.", tagKeyReserved)
		case utf8.RuneCountInString(v) > tagValueMax:
			return badRequest("tags", "The value of the tag %s has more than %d characters.", k, tagValueMax)
		}
	}
	return nil
}

// taggable is a record with tags.
type taggable struct {
	key  string
	at   metadata.Revision
	tags map[string]string
	with func(tags map[string]string) []byte // the record with other tags
}

// tagged reads the resource that a tag call names: a cluster, a VPC connection or a channel.
func (a *api) tagged(ctx context.Context, arn *string) (taggable, error) {
	const parameter = "resourceArn"
	if _, _, _, ok := resource.ParseVPCConnectionARN(*arn); ok {
		v, err := a.connection(ctx, arn, parameter)
		return taggable{v.Key(), v.at, v.Tags, func(tags map[string]string) []byte {
			v.Tags = tags
			return metadata.Encode(v.VPCConnection)
		}}, err
	}
	if _, _, _, ok := resource.ParseChannelARN(*arn); ok {
		ch, at, err := a.namedChannel(ctx, arn, parameter)
		return taggable{ch.Key(), at, ch.Tags, func(tags map[string]string) []byte {
			ch.Tags = tags
			return metadata.Encode(ch)
		}}, err
	}
	ref, ok := resource.ParseClusterARN(*arn)
	if !ok {
		return taggable{}, notFound(parameter)
	}
	c, at, err := a.referenced(ctx, ref, parameter)
	return taggable{c.Key(), at, c.Tags, func(tags map[string]string) []byte {
		c.Tags = tags
		return metadata.Encode(c)
	}}, err
}

// retag changes a resource's tags; it starts over when the resource changes meanwhile.
func (a *api) retag(ctx context.Context, arn *string, change func(map[string]string)) error {
	for {
		r, err := a.tagged(ctx, arn)
		if err != nil {
			return err
		}
		tags := maps.Clone(r.tags)
		if tags == nil {
			tags = make(map[string]string)
		}
		change(tags)
		if err := checkTags(tags); err != nil {
			return err
		}
		if maps.Equal(tags, r.tags) {
			return nil
		}
		_, err = a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: r.key, Modified: r.at}},
			Then: []metadata.Op{metadata.Put(r.key, r.with(tags))},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			return storeError(err)
		}
	}
}

func (a *api) tagResource(ctx context.Context, in *gen.TagResourceInput) (*gen.TagResourceOutput, error) {
	err := a.retag(ctx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
	if err != nil {
		return nil, err
	}
	return &gen.TagResourceOutput{}, nil
}

func (a *api) untagResource(ctx context.Context, in *gen.UntagResourceInput) (*gen.UntagResourceOutput, error) {
	err := a.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
	if err != nil {
		return nil, err
	}
	return &gen.UntagResourceOutput{}, nil
}

func (a *api) listTagsForResource(ctx context.Context, in *gen.ListTagsForResourceInput) (*gen.ListTagsForResourceOutput, error) {
	r, err := a.tagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if r.tags == nil {
		r.tags = map[string]string{}
	}
	return &gen.ListTagsForResourceOutput{Tags: r.tags}, nil
}
