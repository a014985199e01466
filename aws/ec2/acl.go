package ec2

import (
	"context"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// describeNetworkAcls shows the default network ACL of each VPC, which lets everything pass. There are no others: CreateNetworkAcl is not built.
func (a *api) describeNetworkAcls(ctx context.Context, in *gen.DescribeNetworkAclsInput) (*gen.DescribeNetworkAclsOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.NetworkAcl]
	for _, v := range w.VPCs {
		all = append(all, w.aclItem(v))
	}
	acls, next, err := answer(query{
		ids: in.NetworkAclIds, notFound: aclNotFound, noun: aclNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"association.association-id", "association.network-acl-id", "association.subnet-id", "default", "entry.cidr", "entry.egress",
			"entry.icmp.code", "entry.icmp.type", "entry.ipv6-cidr", "entry.port-range.from", "entry.port-range.to", "entry.protocol",
			"entry.rule-action", "entry.rule-number", "network-acl-id", "owner-id", "vpc-id",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeNetworkAclsOutput{NetworkAcls: acls, NextToken: next}, nil
}

func (w *world) aclItem(v resource.VPC) item[gen.NetworkAcl] {
	const everywhere, allow, last = "0.0.0.0/0", int32(100), int32(32767)
	shown := gen.NetworkAcl{
		NetworkAclId: new(v.ACL), VpcId: new(v.ID), OwnerId: new(w.scope.Account), IsDefault: new(true), Tags: tagSet(v.ACLTags),
		Associations: []gen.NetworkAclAssociation{},
	}
	for _, egress := range []bool{true, false} {
		for _, e := range []gen.NetworkAclEntry{
			{RuleNumber: new(allow), RuleAction: gen.RuleActionAllow}, {RuleNumber: new(last), RuleAction: gen.RuleActionDeny},
		} {
			e.CidrBlock, e.Egress, e.Protocol = new(everywhere), new(egress), new(resource.AllProtocols)
			shown.Entries = append(shown.Entries, e)
		}
	}
	values := map[string][]string{
		"default": {"true"}, "network-acl-id": {v.ACL}, "owner-id": {w.scope.Account}, "vpc-id": {v.ID},
		"entry.cidr": {everywhere}, "entry.egress": {"true", "false"}, "entry.protocol": {resource.AllProtocols},
		"entry.rule-action": {"allow", "deny"}, "entry.rule-number": {"100", "32767"}, "association.network-acl-id": {v.ACL},
	}
	for _, s := range w.Subnets {
		if s.VPC != v.ID {
			continue
		}
		id := "aclassoc-" + suffix(s.ID) // each subnet has exactly one, so that its id need not be kept
		shown.Associations = append(shown.Associations, gen.NetworkAclAssociation{
			NetworkAclAssociationId: new(id), NetworkAclId: new(v.ACL), SubnetId: new(s.ID),
		})
		values["association.association-id"] = append(values["association.association-id"], id)
		values["association.subnet-id"] = append(values["association.subnet-id"], s.ID)
	}
	return item[gen.NetworkAcl]{id: v.ACL, shown: shown, tags: v.ACLTags, values: values}
}
