package terraform

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func filters(pairs ...string) []types.Filter {
	var out []types.Filter
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Filter{Name: &pairs[i], Values: []string{pairs[i+1]}})
	}
	return out
}

func specification(kind types.ResourceType, config object) []types.TagSpecification {
	var list []types.Tag
	for k, v := range tags(config) {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	if list == nil {
		return nil
	}
	return []types.TagSpecification{{ResourceType: kind, Tags: list}}
}

func ec2Tags(list []types.Tag) object {
	out := object{}
	for _, t := range list {
		out[*t.Key] = *t.Value
	}
	return out
}

func (p *provider) changeEC2Tags(ctx context.Context, id string, config, state object) error {
	return changeTags(ctx, config, state, func(ctx context.Context, m map[string]string) error {
		var list []types.Tag
		for k, v := range m {
			list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(v)})
		}
		_, err := p.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: list})
		return err
	}, func(ctx context.Context, keys []string) error {
		var list []types.Tag
		for _, k := range keys {
			list = append(list, types.Tag{Key: aws.String(k)})
		}
		_, err := p.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: list})
		return err
	})
}

func boolean(v bool) *types.AttributeBooleanValue {
	return &types.AttributeBooleanValue{Value: &v}
}

func vpc() resource {
	find := func(ctx context.Context, p *provider, id string) (*types.Vpc, error) {
		out, err := p.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
		if code(err) == "InvalidVpcID.NotFound" {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &out.Vpcs[0], nil
	}
	return resource{
		schema: schema{
			computed: []string{
				"id", "arn", "owner_id", "main_route_table_id", "default_network_acl_id", "default_security_group_id", "dhcp_options_id",
			},
			defaults: object{"enable_dns_support": true, "instance_tenancy": "default"},
			replace:  []string{"cidr_block"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			out, err := p.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{
				CidrBlock: text(config, "cidr_block"), AmazonProvidedIpv6CidrBlock: aws.Bool(false), InstanceTenancy: types.TenancyDefault,
				TagSpecifications: specification(types.ResourceTypeVpc, config),
			})
			if err != nil {
				return "", err
			}
			id := *out.Vpc.VpcId
			err = waiter{pending: []string{"pending"}, target: []string{"available"}}.wait(ctx, func(ctx context.Context) (string, error) {
				v, err := find(ctx, p, id)
				if v == nil {
					return "", err
				}
				return string(v.State), err
			})
			if err != nil {
				return "", err
			}
			if *flag(config, "enable_dns_hostnames") {
				_, err = p.ec2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &id, EnableDnsHostnames: boolean(true)})
			}
			return id, err
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			v, err := find(ctx, p, id)
			if v == nil {
				return nil, err
			}
			state := object{
				"arn":        fmt.Sprintf("arn:aws:ec2:%s:vpc/%s", *v.OwnerId, id),
				"cidr_block": *v.CidrBlock, "instance_tenancy": v.InstanceTenancy, "owner_id": *v.OwnerId, "dhcp_options_id": *v.DhcpOptionsId, "tags": ec2Tags(v.Tags),
			}
			for name, attribute := range map[string]types.VpcAttributeName{
				"enable_dns_hostnames": types.VpcAttributeNameEnableDnsHostnames, "enable_dns_support": types.VpcAttributeNameEnableDnsSupport,
				"enable_network_address_usage_metrics": types.VpcAttributeNameEnableNetworkAddressUsageMetrics,
			} {
				out, err := p.ec2.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: attribute})
				if err != nil {
					return nil, err
				}
				for _, b := range []*types.AttributeBooleanValue{out.EnableDnsHostnames, out.EnableDnsSupport, out.EnableNetworkAddressUsageMetrics} {
					if b != nil {
						state[name] = *b.Value
					}
				}
			}
			acls, err := p.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: filters("default", "true", "vpc-id", id)})
			if err != nil || len(acls.NetworkAcls) != 1 {
				return nil, fmt.Errorf("default network ACL: %+v, %w", acls, err)
			}
			tables, err := p.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: filters("association.main", "true", "vpc-id", id)})
			if err != nil || len(tables.RouteTables) != 1 {
				return nil, fmt.Errorf("main route table: %+v, %w", tables, err)
			}
			groups, err := p.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: filters("group-name", "default", "vpc-id", id)})
			if err != nil || len(groups.SecurityGroups) != 1 {
				return nil, fmt.Errorf("default security group: %+v, %w", groups, err)
			}
			state["default_network_acl_id"] = *acls.NetworkAcls[0].NetworkAclId
			state["main_route_table_id"] = *tables.RouteTables[0].RouteTableId
			state["default_security_group_id"] = *groups.SecurityGroups[0].GroupId
			return state, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, state object, d []difference) error {
			if under(d, "enable_dns_hostnames") {
				in := &ec2.ModifyVpcAttributeInput{VpcId: &id, EnableDnsHostnames: boolean(*flag(config, "enable_dns_hostnames"))}
				if _, err := p.ec2.ModifyVpcAttribute(ctx, in); err != nil {
					return err
				}
			}
			return p.changeEC2Tags(ctx, id, config, state)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			err := whileInUse(ctx, []string{"DependencyViolation"}, func(ctx context.Context) error {
				_, err := p.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &id})
				return err
			})
			if err != nil {
				return err
			}
			return waiter{}.wait(ctx, func(ctx context.Context) (string, error) {
				v, err := find(ctx, p, id)
				if v == nil {
					return "", err
				}
				return string(v.State), err
			})
		},
	}
}

func subnet() resource {
	find := func(ctx context.Context, p *provider, id string) (*types.Subnet, error) {
		out, err := p.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
		if code(err) == "InvalidSubnetID.NotFound" {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &out.Subnets[0], nil
	}
	return resource{
		schema: schema{
			computed: []string{"id", "arn", "owner_id", "availability_zone", "availability_zone_id"},
			replace:  []string{"cidr_block", "vpc_id", "availability_zone"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			out, err := p.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
				VpcId: text(config, "vpc_id"), CidrBlock: text(config, "cidr_block"), AvailabilityZone: text(config, "availability_zone"),
				TagSpecifications: specification(types.ResourceTypeSubnet, config),
			})
			if err != nil {
				return "", err
			}
			id := *out.Subnet.SubnetId
			return id, waiter{pending: []string{"pending"}, target: []string{"available"}}.wait(ctx, func(ctx context.Context) (string, error) {
				s, err := find(ctx, p, id)
				if s == nil {
					return "", err
				}
				return string(s.State), err
			})
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			s, err := find(ctx, p, id)
			if s == nil {
				return nil, err
			}
			return object{
				"arn": *s.SubnetArn, "cidr_block": *s.CidrBlock, "vpc_id": *s.VpcId, "availability_zone": *s.AvailabilityZone, "owner_id": *s.OwnerId,
				"availability_zone_id": *s.AvailabilityZoneId, "map_public_ip_on_launch": *s.MapPublicIpOnLaunch,
				"assign_ipv6_address_on_creation": *s.AssignIpv6AddressOnCreation, "tags": ec2Tags(s.Tags),
			}, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, state object, _ []difference) error {
			return p.changeEC2Tags(ctx, id, config, state)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			return whileInUse(ctx, []string{"DependencyViolation"}, func(ctx context.Context) error {
				_, err := p.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &id})
				return err
			})
		},
	}
}

func securityGroup() resource {
	return resource{
		schema: schema{
			computed: []string{"id", "arn", "owner_id", "name"},
			defaults: object{"description": "Managed by Terraform"},
			replace:  []string{"description", "name", "vpc_id"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			description := "Managed by Terraform"
			if d := text(config, "description"); d != nil {
				description = *d
			}
			out, err := p.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
				GroupName: text(config, "name"), Description: &description, VpcId: text(config, "vpc_id"),
				TagSpecifications: specification(types.ResourceTypeSecurityGroup, config),
			})
			if err != nil {
				return "", err
			}
			// The rule that a new group has goes; its counterpart for IPv6 may not be there.
			all := types.IpPermission{IpProtocol: aws.String("-1"), FromPort: aws.Int32(0), ToPort: aws.Int32(0)}
			v4, v6 := all, all
			v4.IpRanges, v6.Ipv6Ranges = []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}, []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}
			for _, permission := range []types.IpPermission{v4, v6} {
				_, err := p.ec2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: out.GroupId, IpPermissions: []types.IpPermission{permission}})
				if err != nil && code(err) != "InvalidPermission.NotFound" {
					return "", err
				}
			}
			return *out.GroupId, nil
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			out, err := p.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
			if c := code(err); c == "InvalidGroup.NotFound" || c == "InvalidSecurityGroupID.NotFound" {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			g := out.SecurityGroups[0]
			return object{
				"arn": *g.SecurityGroupArn, "name": *g.GroupName, "description": *g.Description, "vpc_id": *g.VpcId, "owner_id": *g.OwnerId, "tags": ec2Tags(g.Tags),
			}, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, state object, _ []difference) error {
			return p.changeEC2Tags(ctx, id, config, state)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			return whileInUse(ctx, []string{"DependencyViolation", "InvalidGroup.InUse"}, func(ctx context.Context) error {
				_, err := p.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
				return err
			})
		},
	}
}

// groupRule is one rule of a group, inward or outward.
func groupRule(inward bool) resource {
	permission := func(config object) types.IpPermission {
		p := types.IpPermission{IpProtocol: text(config, "ip_protocol"), FromPort: number(config, "from_port"), ToPort: number(config, "to_port")}
		if cidr := text(config, "cidr_ipv4"); cidr != nil {
			p.IpRanges = []types.IpRange{{CidrIp: cidr, Description: text(config, "description")}}
		}
		if group := text(config, "referenced_security_group_id"); group != nil {
			p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: group, Description: text(config, "description")}}
		}
		return p
	}
	return resource{
		schema: schema{computed: []string{"id", "arn", "security_group_rule_id"}, replace: []string{"security_group_id"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			group, permissions := text(config, "security_group_id"), []types.IpPermission{permission(config)}
			if inward {
				out, err := p.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
					GroupId: group, IpPermissions: permissions, TagSpecifications: specification(types.ResourceTypeSecurityGroupRule, config),
				})
				if err != nil {
					return "", err
				}
				return *out.SecurityGroupRules[0].SecurityGroupRuleId, nil
			}
			out, err := p.ec2.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
				GroupId: group, IpPermissions: permissions, TagSpecifications: specification(types.ResourceTypeSecurityGroupRule, config),
			})
			if err != nil {
				return "", err
			}
			return *out.SecurityGroupRules[0].SecurityGroupRuleId, nil
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			out, err := p.ec2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{id}})
			if code(err) == "InvalidSecurityGroupRuleId.NotFound" {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			r := out.SecurityGroupRules[0]
			if *r.IsEgress == inward {
				return nil, fmt.Errorf("%s is of the other direction", id)
			}
			state := object{
				"arn": aws.ToString(r.SecurityGroupRuleArn), "security_group_rule_id": id, "security_group_id": *r.GroupId, "ip_protocol": *r.IpProtocol,
				"cidr_ipv4": aws.ToString(r.CidrIpv4), "description": aws.ToString(r.Description), "tags": ec2Tags(r.Tags),
			}
			// Ports of a rule for all protocols are -1, which the provider takes for not set.
			if from, to := aws.ToInt32(r.FromPort), aws.ToInt32(r.ToPort); *r.IpProtocol != "-1" || from != -1 || to != -1 {
				state["from_port"], state["to_port"] = from, to
			}
			if r.ReferencedGroupInfo != nil {
				state["referenced_security_group_id"] = *r.ReferencedGroupInfo.GroupId
			}
			return state, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, _ object, _ []difference) error {
			_, err := p.ec2.ModifySecurityGroupRules(ctx, &ec2.ModifySecurityGroupRulesInput{
				GroupId: text(config, "security_group_id"),
				SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &id, SecurityGroupRule: &types.SecurityGroupRuleRequest{
					IpProtocol: text(config, "ip_protocol"), FromPort: number(config, "from_port"), ToPort: number(config, "to_port"),
					CidrIpv4: text(config, "cidr_ipv4"), Description: text(config, "description"), ReferencedGroupId: text(config, "referenced_security_group_id"),
				}}},
			})
			return err
		},
		remove: func(ctx context.Context, p *provider, id string, state object) error {
			group := text(state, "security_group_id")
			var err error
			if inward {
				_, err = p.ec2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, SecurityGroupRuleIds: []string{id}})
			} else {
				_, err = p.ec2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: group, SecurityGroupRuleIds: []string{id}})
			}
			if strings.HasSuffix(code(err), ".NotFound") {
				return nil
			}
			return err
		},
	}
}
