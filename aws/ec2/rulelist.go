package ec2

import (
	"context"
	"slices"
	"strconv"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// ruleShown shows a rule by itself. Where a rule has no ports, this form says -1, unlike the form of permissions, which says nothing.
func ruleShown(s resource.Scope, g *resource.SecurityGroup, r resource.SecurityRule) gen.SecurityGroupRule {
	out := gen.SecurityGroupRule{
		SecurityGroupRuleId: new(r.ID), SecurityGroupRuleArn: arn(s, "security-group-rule/"+r.ID), GroupId: new(g.ID), GroupOwnerId: new(s.Account),
		IsEgress: new(r.Egress), IpProtocol: new(r.Protocol), FromPort: portShown(r.From), ToPort: portShown(r.To),
		CidrIpv4: text(r.IPv4), CidrIpv6: text(r.IPv6), Description: text(r.Description), Tags: tagSet(r.Tags),
	}
	if r.Group != "" {
		out.ReferencedGroupInfo = &gen.ReferencedSecurityGroup{GroupId: new(r.Group), UserId: new(s.Account), VpcId: new(g.VPC)}
	}
	return out
}

func portShown(p *int32) *int32 {
	if p == nil {
		return new(int32(-1))
	}
	return p
}

func (a *api) describeSecurityGroupRules(ctx context.Context, in *gen.DescribeSecurityGroupRulesInput) (
	*gen.DescribeSecurityGroupRulesOutput, error,
) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.SecurityGroupRule]
	for i := range w.SecurityGroups {
		g := &w.SecurityGroups[i]
		for _, r := range g.Rules {
			all = append(all, item[gen.SecurityGroupRule]{id: r.ID, shown: ruleShown(w.scope, g, r), tags: r.Tags, values: map[string][]string{
				"group-id": {g.ID}, "security-group-rule-id": {r.ID}, "is-egress": {strconv.FormatBool(r.Egress)},
			}})
		}
	}
	rules, next, err := answer(query{
		ids: in.SecurityGroupRuleIds, notFound: ruleNotFound, noun: ruleNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{"group-id", "security-group-rule-id", "is-egress"},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeSecurityGroupRulesOutput{SecurityGroupRules: rules, NextToken: next}, nil
}

// modifySecurityGroupRules replaces what rules allow; each keeps its id, direction and tags.
func (a *api) modifySecurityGroupRules(ctx context.Context, in *gen.ModifySecurityGroupRulesInput) (*gen.ModifySecurityGroupRulesOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		g, err := c.group(in.GroupId, nil)
		if err != nil {
			return err
		}
		for _, u := range in.SecurityGroupRules {
			i := slices.IndexFunc(g.Rules, func(o resource.SecurityRule) bool { return o.ID == deref(u.SecurityGroupRuleId) })
			if i < 0 {
				return fault(ruleNotFound, ruleNoun, deref(u.SecurityGroupRuleId))
			}
			rule, err := c.replacement(g, g.Rules[i], u.SecurityGroupRule)
			if err != nil {
				return err
			}
			for j, o := range g.Rules {
				if j != i && sameRule(o, rule) {
					return fault("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, ruleText(rule))
				}
			}
			g.Rules[i] = rule
		}
		c.putGroup(g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ModifySecurityGroupRulesOutput{Return: new(true)}, nil
}

func (w *world) replacement(g *resource.SecurityGroup, old resource.SecurityRule, u *gen.SecurityGroupRuleRequest) (resource.SecurityRule, error) {
	if u == nil {
		return old, missing("SecurityGroupRule.SecurityGroupRule")
	}
	if u.PrefixListId != nil {
		return old, fault("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", *u.PrefixListId)
	}
	if count(u.CidrIpv4 != nil, u.CidrIpv6 != nil, u.ReferencedGroupId != nil) != 1 {
		return old, fault("InvalidParameterCombination", "Specify one of CidrIpv4, CidrIpv6, PrefixListId or ReferencedGroupId for each rule")
	}
	p := gen.IpPermission{}
	switch {
	case u.CidrIpv4 != nil:
		p.IpRanges = []gen.IpRange{{CidrIp: u.CidrIpv4, Description: u.Description}}
	case u.CidrIpv6 != nil:
		p.Ipv6Ranges = []gen.Ipv6Range{{CidrIpv6: u.CidrIpv6, Description: u.Description}}
	default:
		p.UserIdGroupPairs = []gen.UserIdGroupPair{{GroupId: u.ReferencedGroupId, Description: u.Description}}
	}
	rule, err := protocolOf(u.IpProtocol, u.FromPort, u.ToPort)
	if err != nil {
		return old, err
	}
	err = w.sources(p, g, func(one resource.SecurityRule) {
		rule.IPv4, rule.IPv6, rule.Group, rule.Description = one.IPv4, one.IPv6, one.Group, one.Description
	})
	rule.ID, rule.Egress, rule.Tags = old.ID, old.Egress, old.Tags
	return rule, err
}

// describe changes descriptions only.
func (a *api) describeRules(
	ctx context.Context, r request, descriptions []gen.SecurityGroupRuleDescription,
) error {
	return a.change(ctx, r.dryRun, func(c *change) error {
		g, err := c.group(r.group, r.name)
		if err != nil {
			return err
		}
		if len(descriptions) > 0 {
			for _, d := range descriptions {
				at, err := byID(g, []string{deref(d.SecurityGroupRuleId)}, r.egress)
				if err == nil {
					err = checkGroupText("Description", deref(d.Description))
				}
				if err != nil {
					return err
				}
				g.Rules[at[0]].Description = deref(d.Description)
			}
			c.putGroup(g)
			return nil
		}
		rules, err := r.rules(c.world, g)
		if err != nil {
			return err
		}
		at, err := r.byContent(c.world, g)
		if err != nil {
			return err
		}
		for i, rule := range rules {
			g.Rules[at[i]].Description = rule.Description
		}
		c.putGroup(g)
		return nil
	})
}

func (a *api) updateSecurityGroupRuleDescriptionsIngress(ctx context.Context, in *gen.UpdateSecurityGroupRuleDescriptionsIngressInput) (
	*gen.UpdateSecurityGroupRuleDescriptionsIngressOutput, error,
) {
	r := request{group: in.GroupId, name: in.GroupName, permissions: in.IpPermissions, dryRun: in.DryRun}
	if err := a.describeRules(ctx, r, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &gen.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: new(true)}, nil
}

func (a *api) updateSecurityGroupRuleDescriptionsEgress(ctx context.Context, in *gen.UpdateSecurityGroupRuleDescriptionsEgressInput) (
	*gen.UpdateSecurityGroupRuleDescriptionsEgressOutput, error,
) {
	r := request{egress: true, group: in.GroupId, name: in.GroupName, permissions: in.IpPermissions, dryRun: in.DryRun}
	if err := a.describeRules(ctx, r, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &gen.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: new(true)}, nil
}
