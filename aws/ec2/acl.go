package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// describeNetworkAcls shows the default network ACL of each VPC. There are no others: CreateNetworkAcl is not built.
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
	shown := gen.NetworkAcl{
		NetworkAclId: new(v.ACL), VpcId: new(v.ID), OwnerId: new(w.scope.Account), IsDefault: new(true), Tags: tagSet(v.ACLTags),
		Associations: []gen.NetworkAclAssociation{},
	}
	values := map[string][]string{
		"default": {"true"}, "network-acl-id": {v.ACL}, "owner-id": {w.scope.Account}, "vpc-id": {v.ID}, "association.network-acl-id": {v.ACL},
	}
	entry := func(e gen.NetworkAclEntry) {
		add := func(name, value string) { values["entry."+name] = append(values["entry."+name], value) }
		shown.Entries = append(shown.Entries, e)
		add("egress", strconv.FormatBool(*e.Egress))
		add("protocol", *e.Protocol)
		add("rule-action", string(e.RuleAction))
		add("rule-number", strconv.Itoa(int(*e.RuleNumber)))
		if e.CidrBlock != nil {
			add("cidr", *e.CidrBlock)
		} else {
			add("ipv6-cidr", *e.Ipv6CidrBlock)
		}
		if p := e.PortRange; p != nil {
			add("port-range.from", strconv.Itoa(int(*p.From)))
			add("port-range.to", strconv.Itoa(int(*p.To)))
		}
		if i := e.IcmpTypeCode; i != nil {
			add("icmp.type", strconv.Itoa(int(*i.Type)))
			add("icmp.code", strconv.Itoa(int(*i.Code)))
		}
	}
	rules := slices.SortedStableFunc(slices.Values(v.ACLEntries()), func(a, b resource.ACLRule) int { return int(a.Number - b.Number) })
	six := slices.ContainsFunc(rules, func(r resource.ACLRule) bool { return strings.Contains(r.CIDR, ":") })
	for _, egress := range []bool{true, false} {
		for _, r := range rules {
			if r.Egress == egress {
				entry(aclEntry(r))
			}
		}
		last := resource.ACLRule{Number: lastEntry, Egress: egress, Protocol: resource.AllProtocols, CIDR: "0.0.0.0/0"}
		entry(aclEntry(last))
		if last.CIDR, last.Number = "::/0", lastEntry+1; six {
			entry(aclEntry(last))
		}
	}
	for _, s := range w.Subnets {
		if s.VPC != v.ID {
			continue
		}
		id := aclAssociation(s.ID)
		shown.Associations = append(shown.Associations, gen.NetworkAclAssociation{
			NetworkAclAssociationId: new(id), NetworkAclId: new(v.ACL), SubnetId: new(s.ID),
		})
		values["association.association-id"] = append(values["association.association-id"], id)
		values["association.subnet-id"] = append(values["association.subnet-id"], s.ID)
	}
	return item[gen.NetworkAcl]{id: v.ACL, shown: shown, tags: v.ACLTags, values: values}
}

func aclEntry(r resource.ACLRule) gen.NetworkAclEntry {
	e := gen.NetworkAclEntry{RuleNumber: new(r.Number), Egress: new(r.Egress), Protocol: new(r.Protocol), RuleAction: gen.RuleActionDeny}
	if r.Allow {
		e.RuleAction = gen.RuleActionAllow
	}
	if strings.Contains(r.CIDR, ":") {
		e.Ipv6CidrBlock = new(r.CIDR)
	} else {
		e.CidrBlock = new(r.CIDR)
	}
	if r.From != nil {
		e.PortRange = &gen.PortRange{From: r.From, To: r.To}
	}
	if r.Type != nil {
		e.IcmpTypeCode = &gen.IcmpTypeCode{Type: r.Type, Code: r.Code}
	}
	return e
}
