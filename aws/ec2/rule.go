package ec2

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// request is what the calls that authorize and revoke rules have in common.
type request struct {
	egress      bool
	group, name *string
	ids         []string // rules to revoke
	permissions []gen.IpPermission
	// The short form of one rule.
	protocol, cidr  *string
	from, to        *int32
	source, account *string
	tags            []gen.TagSpecification
	dryRun          *bool
}

// allPermissions are those of both forms.
func (r *request) allPermissions(w *world) ([]gen.IpPermission, error) {
	if r.protocol == nil && r.cidr == nil && r.source == nil {
		return r.permissions, nil
	}
	if len(r.permissions) > 0 {
		return nil, fault("InvalidParameterCombination", "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'")
	}
	p := gen.IpPermission{IpProtocol: r.protocol, FromPort: r.from, ToPort: r.to}
	if r.cidr != nil {
		p.IpRanges = []gen.IpRange{{CidrIp: r.cidr}}
	}
	if r.source != nil {
		g, err := w.group(nil, r.source)
		if err != nil {
			return nil, err
		}
		p.UserIdGroupPairs = []gen.UserIdGroupPair{{GroupId: &g.ID, UserId: r.account}}
		if p.IpProtocol == nil {
			p.IpProtocol = new(resource.AllProtocols)
		}
	}
	return []gen.IpPermission{p}, nil
}

// rules are the rules that the permissions mean, without ids.
func (r *request) rules(w *world, g *resource.SecurityGroup) ([]resource.SecurityRule, error) {
	all, err := r.allPermissions(w)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, missing("ipPermissions")
	}
	var out []resource.SecurityRule
	for _, p := range all {
		rule, err := protocolOf(p.IpProtocol, p.FromPort, p.ToPort)
		if err != nil {
			return nil, err
		}
		rule.Egress = r.egress
		n := len(out)
		if err := w.sources(p, g, func(one resource.SecurityRule) {
			one.Egress, one.Protocol, one.From, one.To = rule.Egress, rule.Protocol, rule.From, rule.To
			out = append(out, one)
		}); err != nil {
			return nil, err
		}
		if len(out) == n {
			return nil, fault("MissingParameter", "Source group or address range missing")
		}
	}
	for i := range out {
		if slices.ContainsFunc(out[:i], func(o resource.SecurityRule) bool { return sameRule(o, out[i]) }) {
			return nil, fault("InvalidParameterValue", "The same permission must not appear multiple times")
		}
	}
	return out, nil
}

// sources yields a rule for each range and group of the permission.
func (w *world) sources(p gen.IpPermission, g *resource.SecurityGroup, yield func(resource.SecurityRule)) error {
	if len(p.PrefixListIds) > 0 {
		return fault("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", deref(p.PrefixListIds[0].PrefixListId))
	}
	for _, v := range p.IpRanges {
		cidr, err := ruleBlock(deref(v.CidrIp), false)
		if err == nil {
			err = checkGroupText("Description", deref(v.Description))
		}
		if err != nil {
			return err
		}
		yield(resource.SecurityRule{IPv4: cidr, Description: deref(v.Description)})
	}
	for _, v := range p.Ipv6Ranges {
		cidr, err := ruleBlock(deref(v.CidrIpv6), true)
		if err == nil {
			err = checkGroupText("Description", deref(v.Description))
		}
		if err != nil {
			return err
		}
		yield(resource.SecurityRule{IPv6: cidr, Description: deref(v.Description)})
	}
	for _, v := range p.UserIdGroupPairs {
		id, err := w.referenced(v, g)
		if err == nil {
			err = checkGroupText("Description", deref(v.Description))
		}
		if err != nil {
			return err
		}
		yield(resource.SecurityRule{Group: id, Description: deref(v.Description)})
	}
	return nil
}

// referenced is the id of the group that a rule of g names. It must be in the same VPC: there is no peering.
func (w *world) referenced(v gen.UserIdGroupPair, g *resource.SecurityGroup) (string, error) {
	if u := deref(v.UserId); u != "" && u != w.scope.Account {
		return "", fault(groupNotFound, "The security group '%s' of the account %s does not exist", deref(v.GroupId), u)
	}
	id := deref(v.GroupId)
	for _, o := range w.SecurityGroups {
		if o.VPC == g.VPC && (o.ID == id || id == "" && o.Name == deref(v.GroupName)) {
			return o.ID, nil
		}
	}
	if id == "" {
		id = deref(v.GroupName)
	}
	return "", fault(groupNotFound, "You have specified two resources that belong to different networks, or the security group '%s' does not exist", id)
}

// ruleBlock reads a rule's range. EC2 refuses addresses that are not the first of their block in IPv6 and corrects them in IPv4.
func ruleBlock(text string, v6 bool) (string, error) {
	full := text
	if !strings.Contains(full, "/") && !v6 {
		full += "/32"
	}
	p, err := netip.ParsePrefix(full)
	if err != nil || p.Addr().Is4() == v6 || p.Addr().Is4In6() {
		return "", fault("InvalidParameterValue", "CIDR block %s is malformed", short(text))
	}
	return p.Masked().String(), nil
}

// protocolNumbers are the protocols that have names in rules.
func protocolNumbers() map[string]string {
	return map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
}

const portMax = 65535

// protocolOf checks a rule's protocol and ports, and brings them to the form that is kept.
func protocolOf(protocol *string, from, to *int32) (resource.SecurityRule, error) {
	if deref(protocol) == "" {
		return resource.SecurityRule{}, missing("ipProtocol")
	}
	r := resource.SecurityRule{Protocol: strings.ToLower(*protocol), From: from, To: to}
	if name, ok := protocolNumbers()[r.Protocol]; ok {
		r.Protocol = name
	}
	switch r.Protocol {
	case "all", resource.AllProtocols:
		return resource.SecurityRule{Protocol: resource.AllProtocols}, nil // ports mean nothing then
	case "tcp", "udp":
		switch {
		case from == nil || to == nil:
			return r, fault("InvalidParameterValue", "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
		case *from < 0 || *to < 0 || *from > portMax || *to > portMax:
			return r, fault("InvalidParameterValue", "Invalid value 'Must specify both from and to ports in 0-%d' for portRange: %d-%d", portMax, *from, *to)
		case *from > *to:
			return r, fault("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", *from, *to)
		}
		return r, nil
	case "icmp", "icmpv6":
		if from == nil {
			r.From = new(int32(-1))
		}
		if to == nil {
			r.To = new(int32(-1))
		}
		if *r.From < -1 || *r.From > 255 || *r.To < -1 || *r.To > 255 {
			return r, fault("InvalidParameterValue", "Invalid ICMP type or code (%d:%d)", *r.From, *r.To)
		}
		return r, nil
	}
	if n, err := strconv.Atoi(r.Protocol); err != nil || n < 0 || n > 255 {
		return r, fault("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", short(*protocol))
	}
	r.From, r.To = nil, nil
	return r, nil
}

// sameRule tells whether two rules allow the same; their texts may differ.
func sameRule(a, b resource.SecurityRule) bool {
	return a.Egress == b.Egress && a.Protocol == b.Protocol && portText(a.From) == portText(b.From) && portText(a.To) == portText(b.To) &&
		a.IPv4 == b.IPv4 && a.IPv6 == b.IPv6 && a.Group == b.Group
}

func portText(p *int32) string {
	if p == nil {
		return ""
	}
	return strconv.Itoa(int(*p))
}

// authorize adds rules and returns them.
func (a *api) authorize(ctx context.Context, r request) ([]gen.SecurityGroupRule, error) {
	tags, err := tagsFor(r.tags, gen.ResourceTypeSecurityGroupRule)
	if err != nil {
		return nil, err
	}
	var out []gen.SecurityGroupRule
	err = a.change(ctx, r.dryRun, func(c *change) error {
		g, err := c.group(r.group, r.name)
		if err != nil {
			return err
		}
		rules, err := r.rules(c.world, g)
		if err != nil {
			return err
		}
		out = nil
		for _, rule := range rules {
			if i := slices.IndexFunc(g.Rules, func(o resource.SecurityRule) bool { return sameRule(o, rule) }); i >= 0 {
				return fault("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, ruleText(rule))
			}
			rule.ID, rule.Tags = resource.NewEC2ID("sgr"), maps.Clone(tags)
			g.Rules = append(g.Rules, rule)
			out = append(out, ruleShown(c.scope, g, rule))
		}
		n := 0
		for _, rule := range g.Rules {
			if rule.Egress == r.egress {
				n++
			}
		}
		if n > rulesMax {
			return fault("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
		}
		c.putGroup(g)
		return nil
	})
	return out, err
}

func ruleText(r resource.SecurityRule) string {
	peer := r.IPv4 + r.IPv6 + r.Group
	ports := "ALL"
	if r.From != nil && r.To != nil {
		ports = "from port: " + portText(r.From) + ", to port: " + portText(r.To)
	}
	protocol := strings.ToUpper(r.Protocol)
	if r.Protocol == resource.AllProtocols {
		protocol = "ALL"
	}
	return "peer: " + peer + ", " + protocol + ", " + ports + ", ALLOW"
}

func (a *api) authorizeSecurityGroupIngress(ctx context.Context, in *gen.AuthorizeSecurityGroupIngressInput) (
	*gen.AuthorizeSecurityGroupIngressOutput, error,
) {
	rules, err := a.authorize(ctx, request{
		group: in.GroupId, name: in.GroupName, permissions: in.IpPermissions, protocol: in.IpProtocol, cidr: in.CidrIp, from: in.FromPort,
		to: in.ToPort, source: in.SourceSecurityGroupName, account: in.SourceSecurityGroupOwnerId, tags: in.TagSpecifications, dryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &gen.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: rules}, nil
}

func (a *api) authorizeSecurityGroupEgress(ctx context.Context, in *gen.AuthorizeSecurityGroupEgressInput) (
	*gen.AuthorizeSecurityGroupEgressOutput, error,
) {
	rules, err := a.authorize(ctx, request{
		egress: true, group: in.GroupId, permissions: in.IpPermissions, protocol: in.IpProtocol, cidr: in.CidrIp, from: in.FromPort, to: in.ToPort,
		source: in.SourceSecurityGroupName, account: in.SourceSecurityGroupOwnerId, tags: in.TagSpecifications, dryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &gen.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: rules}, nil
}

// revoke removes rules, which are given by their ids or by what they allow, and returns them.
func (a *api) revoke(ctx context.Context, r request) ([]gen.RevokedSecurityGroupRule, error) {
	var out []gen.RevokedSecurityGroupRule
	err := a.change(ctx, r.dryRun, func(c *change) error {
		g, err := c.group(r.group, r.name)
		if err != nil {
			return err
		}
		var doomed []int
		if len(r.ids) > 0 {
			doomed, err = byID(g, r.ids, r.egress)
		} else {
			doomed, err = r.byContent(c.world, g)
		}
		if err != nil {
			return err
		}
		out = nil
		var kept []resource.SecurityRule
		for i, rule := range g.Rules {
			if !slices.Contains(doomed, i) {
				kept = append(kept, rule)
				continue
			}
			out = append(out, gen.RevokedSecurityGroupRule{
				SecurityGroupRuleId: new(rule.ID), GroupId: new(g.ID), IsEgress: new(rule.Egress), IpProtocol: new(rule.Protocol),
				FromPort: portShown(rule.From), ToPort: portShown(rule.To), CidrIpv4: text(rule.IPv4), CidrIpv6: text(rule.IPv6),
				ReferencedGroupId: text(rule.Group), Description: text(rule.Description),
			})
		}
		g.Rules = kept
		c.putGroup(g)
		return nil
	})
	return out, err
}

func byID(g *resource.SecurityGroup, ids []string, egress bool) ([]int, error) {
	var out []int
	for _, id := range ids {
		i := slices.IndexFunc(g.Rules, func(o resource.SecurityRule) bool { return o.ID == id && o.Egress == egress })
		if i < 0 {
			return nil, fault(ruleNotFound, ruleNoun, id)
		}
		out = append(out, i)
	}
	return out, nil
}

func (r *request) byContent(w *world, g *resource.SecurityGroup) ([]int, error) {
	rules, err := r.rules(w, g)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, rule := range rules {
		i := slices.IndexFunc(g.Rules, func(o resource.SecurityRule) bool { return sameRule(o, rule) })
		if i < 0 {
			return nil, fault("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		out = append(out, i)
	}
	return out, nil
}

func (a *api) revokeSecurityGroupIngress(ctx context.Context, in *gen.RevokeSecurityGroupIngressInput) (
	*gen.RevokeSecurityGroupIngressOutput, error,
) {
	rules, err := a.revoke(ctx, request{
		group: in.GroupId, name: in.GroupName, ids: in.SecurityGroupRuleIds, permissions: in.IpPermissions, protocol: in.IpProtocol, cidr: in.CidrIp,
		from: in.FromPort, to: in.ToPort, source: in.SourceSecurityGroupName, account: in.SourceSecurityGroupOwnerId, dryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &gen.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, nil
}

func (a *api) revokeSecurityGroupEgress(ctx context.Context, in *gen.RevokeSecurityGroupEgressInput) (
	*gen.RevokeSecurityGroupEgressOutput, error,
) {
	rules, err := a.revoke(ctx, request{
		egress: true, group: in.GroupId, ids: in.SecurityGroupRuleIds, permissions: in.IpPermissions, protocol: in.IpProtocol, cidr: in.CidrIp,
		from: in.FromPort, to: in.ToPort, source: in.SourceSecurityGroupName, account: in.SourceSecurityGroupOwnerId, dryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &gen.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, nil
}
