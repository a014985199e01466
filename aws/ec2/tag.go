package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	gen "weir/awsapi/gen/ec2"
)

// Limits on tags, as for all AWS resources.
const (
	tagsMax     = 50
	tagKeyMax   = 128
	tagValueMax = 256
	taggedMax   = 1000 // resources of one call
)

// tagSet shows tags in order of their keys.
func tagSet(tags map[string]string) []gen.Tag {
	out := make([]gen.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, gen.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

// withTags returns tags with the given ones set.
func withTags(tags map[string]string, set []gen.Tag) (map[string]string, error) {
	out := maps.Clone(tags)
	if out == nil {
		out = make(map[string]string)
	}
	for _, t := range set {
		k, v := deref(t.Key), deref(t.Value)
		switch n := utf8.RuneCountInString(k); {
		case n == 0:
			return nil, missing("Tag.Key")
		case n > tagKeyMax:
			return nil, fault("InvalidParameterValue", "Tag keys can have at most %d characters.", tagKeyMax)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return nil, fault("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(v) > tagValueMax:
			return nil, fault("InvalidParameterValue", "The value of the tag %s has more than %d characters.", k, tagValueMax)
		}
		out[k] = v
	}
	if len(out) > tagsMax {
		return nil, fault("TagLimitExceeded", "The maximum number of tags for a resource is %d.", tagsMax)
	}
	return out, nil
}

// tagsFor are the tags that a create call gives to what it creates, which may be of one of several kinds.
func tagsFor(specs []gen.TagSpecification, kinds ...gen.ResourceType) (map[string]string, error) {
	var tags map[string]string
	for _, s := range specs {
		if !slices.Contains(kinds, s.ResourceType) {
			return nil, fault("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
		}
		var err error
		if tags, err = withTags(tags, s.Tags); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// tagged is a resource that has tags: its kind, the tags, and how to write it.
type tagged struct {
	kind gen.ResourceType
	tags *map[string]string
	put  func(*change)
}

// taggable returns everything with tags by its id. The pointers are into w.
func (w *world) taggable() map[string]tagged {
	out := make(map[string]tagged)
	for i := range w.VPCs {
		v := &w.VPCs[i]
		out[v.ID] = tagged{gen.ResourceTypeVpc, &v.Tags, func(c *change) { c.putVPC(v) }}
		out[v.ACL] = tagged{gen.ResourceTypeNetworkAcl, &v.ACLTags, func(c *change) { c.putVPC(v) }}
	}
	for i := range w.Subnets {
		v := &w.Subnets[i]
		out[v.ID] = tagged{gen.ResourceTypeSubnet, &v.Tags, func(c *change) { c.putSubnet(v) }}
	}
	for i := range w.SecurityGroups {
		v := &w.SecurityGroups[i]
		out[v.ID] = tagged{gen.ResourceTypeSecurityGroup, &v.Tags, func(c *change) { c.putGroup(v) }}
		for j := range v.Rules {
			out[v.Rules[j].ID] = tagged{gen.ResourceTypeSecurityGroupRule, &v.Rules[j].Tags, func(c *change) { c.putGroup(v) }}
		}
	}
	for i := range w.Gateways {
		v := &w.Gateways[i]
		out[v.ID] = tagged{gen.ResourceTypeInternetGateway, &v.Tags, func(c *change) { c.putGateway(v) }}
	}
	for i := range w.RouteTables {
		v := &w.RouteTables[i]
		out[v.ID] = tagged{gen.ResourceTypeRouteTable, &v.Tags, func(c *change) { c.putTable(v) }}
	}
	for i := range w.Interfaces {
		v := &w.Interfaces[i]
		out[v.ID] = tagged{gen.ResourceTypeNetworkInterface, &v.Tags, func(c *change) { c.putInterface(v) }}
	}
	for i := range w.Addresses {
		v := &w.Addresses[i]
		out[v.ID] = tagged{gen.ResourceTypeElasticIp, &v.Tags, func(c *change) { c.putAddress(v) }}
	}
	for i := range w.NATGateways {
		v := &w.NATGateways[i]
		out[v.ID] = tagged{gen.ResourceTypeNatgateway, &v.Tags, func(c *change) { c.putNAT(v) }}
	}
	return out
}

// unknownID is what a tag call answers for an id that names nothing.
func unknownID(id string) error {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "vpc":
		return fault(vpcNotFound, vpcNoun, id)
	case "subnet":
		return fault(subnetNotFound, subnetNoun, id)
	case "sg":
		return fault(groupNotFound, groupNoun, id)
	case "sgr":
		return fault(ruleNotFound, ruleNoun, id)
	case "igw":
		return fault(gatewayNotFound, gatewayNoun, id)
	case "rtb":
		return fault(tableNotFound, tableNoun, id)
	case "eni":
		return fault(interfaceNotFound, interfaceNoun, id)
	case "nat":
		return fault(natNotFound, natNoun, id)
	case "eipalloc":
		return fault(addressNotFound, addressNoun, id)
	case "acl":
		return fault(aclNotFound, aclNoun, id)
	}
	return fault("InvalidID", "The ID '%s' is not valid", id)
}

func (a *api) retag(ctx context.Context, dry *bool, ids []string, edit func(map[string]string) (map[string]string, error)) error {
	if len(ids) == 0 {
		return missing("ResourceId")
	}
	if len(ids) > taggedMax {
		return fault("InvalidParameterValue", "At most %d resources can be tagged at once.", taggedMax)
	}
	return a.change(ctx, dry, func(c *change) error {
		all := c.taggable()
		var touched []tagged
		for _, id := range ids {
			t, ok := all[id]
			if !ok {
				return unknownID(id)
			}
			tags, err := edit(*t.tags)
			if err != nil {
				return err
			}
			*t.tags = tags
			touched = append(touched, t)
		}
		for _, t := range touched { // after all edits: rules of one group lie in one record
			t.put(c)
		}
		return nil
	})
}

func (a *api) createTags(ctx context.Context, in *gen.CreateTagsInput) (*gen.CreateTagsOutput, error) {
	err := a.retag(ctx, in.DryRun, in.Resources, func(tags map[string]string) (map[string]string, error) { return withTags(tags, in.Tags) })
	if err != nil {
		return nil, err
	}
	return &gen.CreateTagsOutput{}, nil
}

// deleteTags removes tags by key, or by key and value; without any, all of them.
func (a *api) deleteTags(ctx context.Context, in *gen.DeleteTagsInput) (*gen.DeleteTagsOutput, error) {
	err := a.retag(ctx, in.DryRun, in.Resources, func(tags map[string]string) (map[string]string, error) {
		if len(in.Tags) == 0 {
			return nil, nil //nolint:nilnil // no tags are left
		}
		out := maps.Clone(tags)
		for _, t := range in.Tags {
			if v, ok := out[deref(t.Key)]; ok && (t.Value == nil || *t.Value == v) {
				delete(out, *t.Key)
			}
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteTagsOutput{}, nil
}

func (a *api) describeTags(ctx context.Context, in *gen.DescribeTagsInput) (*gen.DescribeTagsOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.TagDescription]
	for id, t := range w.taggable() {
		for k, v := range *t.tags {
			all = append(all, item[gen.TagDescription]{
				id:    id + "/" + k,
				shown: gen.TagDescription{Key: new(k), Value: new(v), ResourceId: new(id), ResourceType: t.kind},
				values: map[string][]string{
					"key": {k}, "value": {v}, "resource-id": {id}, "resource-type": {string(t.kind)}, "tag:" + k: {v},
				},
			})
		}
	}
	tags, next, err := answer(query{
		filters: in.Filters, known: []string{"key", "resource-id", "resource-type", "value"},
		maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeTagsOutput{Tags: tags, NextToken: next}, nil
}
