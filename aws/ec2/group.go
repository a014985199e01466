package ec2

import (
	"context"
	"regexp"
	"slices"
	"strings"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// groupText is what names and descriptions of groups and rules may consist of.
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*$`)

// groupTextMax is how long they may be.
const groupTextMax = 255

func checkGroupText(parameter, text string) error {
	if len(text) > groupTextMax || !groupText.MatchString(text) {
		return fault("InvalidParameterValue",
			"Value (%s) for parameter %s is invalid. At most %d characters of a-zA-Z0-9. _-:/()#,@[]+=&;{}!$* are allowed.",
			short(text), parameter, groupTextMax)
	}
	return nil
}

// short keeps long input out of messages.
func short(s string) string {
	const limit = 100
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

func (a *api) createSecurityGroup(ctx context.Context, in *gen.CreateSecurityGroupInput) (*gen.CreateSecurityGroupOutput, error) {
	name := *in.GroupName
	switch {
	case name == "":
		return nil, missing("GroupName")
	case *in.Description == "":
		return nil, missing("GroupDescription")
	case strings.HasPrefix(strings.ToLower(name), "sg-"):
		return nil, fault("InvalidParameterValue",
			"Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", short(name))
	}
	if err := checkGroupText("GroupName", name); err != nil {
		return nil, err
	}
	if err := checkGroupText("GroupDescription", *in.Description); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeSecurityGroup)
	if err != nil {
		return nil, err
	}
	var out gen.CreateSecurityGroupOutput
	err = a.change(ctx, in.DryRun, func(c *change) error {
		vpc, err := c.vpcOrDefault(in.VpcId)
		if err != nil {
			return err
		}
		for _, g := range c.SecurityGroups {
			if g.VPC == vpc.ID && g.Name == name {
				return fault("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, vpc.ID)
			}
		}
		if len(c.SecurityGroups) >= groupsMax {
			return fault("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
		}
		g := resource.SecurityGroup{
			ID: resource.NewEC2ID("sg"), VPC: vpc.ID, Name: name, Description: *in.Description, Tags: tags,
			Rules: []resource.SecurityRule{resource.AllowOut()},
		}
		c.putGroup(&g)
		out = gen.CreateSecurityGroupOutput{GroupId: &g.ID, Tags: tagSet(tags), SecurityGroupArn: arn(c.scope, "security-group/"+g.ID)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// vpcOrDefault is the VPC of that id, or the default one without an id.
func (w *world) vpcOrDefault(id *string) (*resource.VPC, error) {
	if deref(id) != "" {
		return w.vpc(id)
	}
	if v := find(w.VPCs, func(v *resource.VPC) bool { return v.Default }); v != nil {
		return v, nil
	}
	return nil, fault("VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
}

func (a *api) deleteSecurityGroup(ctx context.Context, in *gen.DeleteSecurityGroupInput) (*gen.DeleteSecurityGroupOutput, error) {
	out := &gen.DeleteSecurityGroupOutput{Return: new(true)}
	err := a.change(ctx, in.DryRun, func(c *change) error {
		g, err := c.group(in.GroupId, in.GroupName)
		if err != nil {
			return err
		}
		if g.Name == resource.DefaultGroupName {
			return fault("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
		}
		if c.groupUsed(g.ID) || c.groupReferenced(g.ID) {
			return fault("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		c.delete(c.scope.SecurityGroupsPrefix() + g.ID)
		out.GroupId = &g.ID
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// groupReferenced tells whether a rule of another group names this one.
func (w *world) groupReferenced(id string) bool {
	for _, g := range w.SecurityGroups {
		if g.ID != id && slices.ContainsFunc(g.Rules, func(r resource.SecurityRule) bool { return r.Group == id }) {
			return true
		}
	}
	return false
}

func (a *api) describeSecurityGroups(ctx context.Context, in *gen.DescribeSecurityGroupsInput) (*gen.DescribeSecurityGroupsOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.SecurityGroup]
	for _, v := range w.SecurityGroups {
		all = append(all, groupItem(w.scope, v))
	}
	ids := slices.Clone(in.GroupIds)
	for _, name := range in.GroupNames { // names are those of the default VPC's groups
		g, err := w.group(nil, &name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, g.ID)
	}
	known := []string{"description", "group-id", "group-name", "owner-id", "vpc-id"}
	for _, direction := range []string{"ip-permission.", "egress.ip-permission."} {
		for _, of := range []string{"cidr", "from-port", "group-id", "group-name", "ipv6-cidr", "prefix-list-id", "protocol", "to-port", "user-id"} {
			known = append(known, direction+of)
		}
	}
	groups, next, err := answer(query{
		ids: ids, notFound: groupNotFound, noun: groupNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun, known: known,
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeSecurityGroupsOutput{SecurityGroups: groups, NextToken: next}, nil
}

func groupItem(s resource.Scope, v resource.SecurityGroup) item[gen.SecurityGroup] {
	shown := gen.SecurityGroup{
		OwnerId: new(s.Account), GroupId: new(v.ID), GroupName: new(v.Name), Description: new(v.Description), VpcId: new(v.VPC),
		SecurityGroupArn: arn(s, "security-group/"+v.ID), Tags: tagSet(v.Tags),
		IpPermissions: permissions(s, v.Rules, false), IpPermissionsEgress: permissions(s, v.Rules, true),
	}
	values := map[string][]string{
		"description": {v.Description}, "group-id": {v.ID}, "group-name": {v.Name}, "owner-id": {s.Account}, "vpc-id": {v.VPC},
	}
	for _, r := range v.Rules {
		direction := "ip-permission."
		if r.Egress {
			direction = "egress.ip-permission."
		}
		for of, value := range map[string]string{
			"cidr": r.IPv4, "ipv6-cidr": r.IPv6, "group-id": r.Group, "protocol": r.Protocol,
			"from-port": portText(r.From), "to-port": portText(r.To),
		} {
			if value != "" {
				values[direction+of] = append(values[direction+of], value)
			}
		}
		if r.Group != "" {
			values[direction+"user-id"] = append(values[direction+"user-id"], s.Account)
		}
	}
	return item[gen.SecurityGroup]{id: v.ID, shown: shown, tags: v.Tags, values: values}
}

// permissions shows the rules of one direction as EC2 does: those of one protocol and one range of ports together.
func permissions(s resource.Scope, rules []resource.SecurityRule, egress bool) []gen.IpPermission {
	out := []gen.IpPermission{}
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		p := find(out, func(p *gen.IpPermission) bool {
			return *p.IpProtocol == r.Protocol && portText(p.FromPort) == portText(r.From) && portText(p.ToPort) == portText(r.To)
		})
		if p == nil {
			out = append(out, gen.IpPermission{
				IpProtocol: new(r.Protocol), FromPort: r.From, ToPort: r.To, IpRanges: []gen.IpRange{}, Ipv6Ranges: []gen.Ipv6Range{},
				UserIdGroupPairs: []gen.UserIdGroupPair{}, PrefixListIds: []gen.PrefixListId{},
			})
			p = &out[len(out)-1]
		}
		switch {
		case r.IPv4 != "":
			p.IpRanges = append(p.IpRanges, gen.IpRange{CidrIp: new(r.IPv4), Description: text(r.Description)})
		case r.IPv6 != "":
			p.Ipv6Ranges = append(p.Ipv6Ranges, gen.Ipv6Range{CidrIpv6: new(r.IPv6), Description: text(r.Description)})
		default:
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, gen.UserIdGroupPair{
				UserId: new(s.Account), GroupId: new(r.Group), Description: text(r.Description),
			})
		}
	}
	return out
}

// text is nil for an empty one, which is not shown.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
