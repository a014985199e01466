package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// stateAvailable is the state of everything here.
const stateAvailable = "available"

func (a *api) describeVpcs(ctx context.Context, in *gen.DescribeVpcsInput) (*gen.DescribeVpcsOutput, error) {
	n, err := a.network(ctx)
	if err != nil {
		return nil, err
	}
	s := scopeOf(ctx)
	var all []item[gen.Vpc]
	for _, v := range n.VPCs {
		all = append(all, vpcItem(s, v))
	}
	vpcs, next, err := answer(query{
		ids: in.VpcIds, notFound: "InvalidVpcID.NotFound", noun: "The vpc ID '%s' does not exist",
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"cidr", "cidr-block-association.cidr-block", "cidr-block-association.state", "dhcp-options-id", "is-default", "isDefault",
			"owner-id", "state", "vpc-id",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeVpcsOutput{Vpcs: vpcs, NextToken: next}, nil
}

func vpcItem(s resource.Scope, v resource.VPC) item[gen.Vpc] {
	const noDHCPOptions = "default" // what EC2 calls the absence of a set of options
	isDefault := strconv.FormatBool(v.Default)
	return item[gen.Vpc]{
		id: v.ID,
		shown: gen.Vpc{
			OwnerId: new(s.Account), VpcId: new(v.ID), CidrBlock: new(v.CIDR), IsDefault: new(v.Default), State: gen.VpcStateAvailable,
			InstanceTenancy: gen.TenancyDefault, DhcpOptionsId: new(noDHCPOptions),
			CidrBlockAssociationSet: []gen.VpcCidrBlockAssociation{{
				// A VPC has exactly one block, so that the association needs no id of its own to be kept.
				AssociationId:  new("vpc-cidr-assoc-" + strings.TrimPrefix(v.ID, "vpc-")),
				CidrBlock:      new(v.CIDR),
				CidrBlockState: &gen.VpcCidrBlockState{State: gen.VpcCidrBlockStateCodeAssociated},
			}},
		},
		values: map[string]string{
			"cidr": v.CIDR, "cidr-block-association.cidr-block": v.CIDR,
			"cidr-block-association.state": string(gen.VpcCidrBlockStateCodeAssociated), "dhcp-options-id": noDHCPOptions,
			"is-default": isDefault, "isDefault": isDefault, "owner-id": s.Account, "state": stateAvailable, "vpc-id": v.ID,
		},
	}
}

func (a *api) describeSubnets(ctx context.Context, in *gen.DescribeSubnetsInput) (*gen.DescribeSubnetsOutput, error) {
	n, err := a.network(ctx)
	if err != nil {
		return nil, err
	}
	s := scopeOf(ctx)
	var all []item[gen.Subnet]
	for _, v := range n.Subnets {
		all = append(all, subnetItem(s, v))
	}
	subnets, next, err := answer(query{
		ids: in.SubnetIds, notFound: "InvalidSubnetID.NotFound", noun: "The subnet ID '%s' does not exist",
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"availability-zone", "availabilityZone", "availability-zone-id", "availabilityZoneId", "available-ip-address-count",
			"cidr-block", "cidr", "cidrBlock", "default-for-az", "defaultForAz", "map-public-ip-on-launch", "owner-id", "state",
			"subnet-arn", "subnet-id", "vpc-id",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeSubnetsOutput{Subnets: subnets, NextToken: next}, nil
}

func subnetItem(s resource.Scope, v resource.Subnet) item[gen.Subnet] {
	free := freeAddresses(v.CIDR)
	isDefault := strconv.FormatBool(v.Default)
	shown := gen.Subnet{
		OwnerId: new(s.Account), SubnetId: new(v.ID), SubnetArn: arn(s, "subnet/"+v.ID), VpcId: new(v.VPC),
		AvailabilityZone: new(v.Zone), AvailabilityZoneId: new(v.ZoneID), CidrBlock: new(v.CIDR), State: gen.SubnetStateAvailable,
		AvailableIpAddressCount: new(free), DefaultForAz: new(v.Default), MapPublicIpOnLaunch: new(v.Default),
		AssignIpv6AddressOnCreation: new(false), Ipv6Native: new(false), EnableDns64: new(false), MapCustomerOwnedIpOnLaunch: new(false),
	}
	return item[gen.Subnet]{id: v.ID, shown: shown, values: map[string]string{
		"availability-zone": v.Zone, "availabilityZone": v.Zone, "availability-zone-id": v.ZoneID, "availabilityZoneId": v.ZoneID,
		"available-ip-address-count": strconv.Itoa(int(free)), "cidr-block": v.CIDR, "cidr": v.CIDR, "cidrBlock": v.CIDR,
		"default-for-az": isDefault, "defaultForAz": isDefault, "map-public-ip-on-launch": isDefault, "owner-id": s.Account,
		"state": stateAvailable, "subnet-arn": *shown.SubnetArn, "subnet-id": v.ID, "vpc-id": v.VPC,
	}}
}

// freeAddresses is how many addresses an empty subnet has to give: EC2 keeps five to itself.
func freeAddresses(cidr string) int32 {
	const reserved = 5
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() {
		return 0
	}
	return max(0, int32(1)<<(p.Addr().BitLen()-p.Bits())-reserved)
}

func (a *api) describeSecurityGroups(ctx context.Context, in *gen.DescribeSecurityGroupsInput) (*gen.DescribeSecurityGroupsOutput, error) {
	n, err := a.network(ctx)
	if err != nil {
		return nil, err
	}
	s := scopeOf(ctx)
	var all []item[gen.SecurityGroup]
	for _, v := range n.SecurityGroups {
		all = append(all, groupItem(s, v))
	}
	ids := slices.Clone(in.GroupIds)
	for _, name := range in.GroupNames { // names are those of the default VPC's groups
		id, ok := defaultVPCGroup(n, name)
		if !ok {
			return nil, fault("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC", name)
		}
		ids = append(ids, id)
	}
	groups, next, err := answer(query{
		ids: ids, notFound: "InvalidGroup.NotFound", noun: "The security group '%s' does not exist",
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{"description", "group-id", "group-name", "owner-id", "vpc-id"},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeSecurityGroupsOutput{SecurityGroups: groups, NextToken: next}, nil
}

func defaultVPCGroup(n *resource.Network, name string) (id string, ok bool) {
	for _, g := range n.SecurityGroups {
		for _, v := range n.VPCs {
			if v.Default && v.ID == g.VPC && g.Name == name {
				return g.ID, true
			}
		}
	}
	return "", false
}

// groupItem shows a group with the rules that every default group has: in from its own members, out to everywhere.
func groupItem(s resource.Scope, v resource.SecurityGroup) item[gen.SecurityGroup] {
	const allProtocols = "-1"
	shown := gen.SecurityGroup{
		OwnerId: new(s.Account), GroupId: new(v.ID), GroupName: new(v.Name), Description: new(v.Description), VpcId: new(v.VPC),
		SecurityGroupArn: arn(s, "security-group/"+v.ID),
		IpPermissions: []gen.IpPermission{{
			IpProtocol: new(allProtocols), UserIdGroupPairs: []gen.UserIdGroupPair{{UserId: new(s.Account), GroupId: new(v.ID)}},
		}},
		IpPermissionsEgress: []gen.IpPermission{{IpProtocol: new(allProtocols), IpRanges: []gen.IpRange{{CidrIp: new("0.0.0.0/0")}}}},
	}
	return item[gen.SecurityGroup]{id: v.ID, shown: shown, values: map[string]string{
		"description": v.Description, "group-id": v.ID, "group-name": v.Name, "owner-id": s.Account, "vpc-id": v.VPC,
	}}
}

func (a *api) describeAvailabilityZones(ctx context.Context, in *gen.DescribeAvailabilityZonesInput) (
	*gen.DescribeAvailabilityZonesOutput, error,
) {
	const zoneType, opted = "availability-zone", string(gen.AvailabilityZoneOptInStatusOptInNotRequired)
	region := scopeOf(ctx).Region
	var all []item[gen.AvailabilityZone]
	ids := slices.Clone(in.ZoneNames)
	for _, z := range resource.Zones(region) {
		if slices.Contains(in.ZoneIds, z.ID) {
			ids = append(ids, z.Name)
		}
		all = append(all, item[gen.AvailabilityZone]{
			id: z.Name,
			shown: gen.AvailabilityZone{
				ZoneName: new(z.Name), ZoneId: new(z.ID), RegionName: new(region), State: gen.AvailabilityZoneStateAvailable,
				OptInStatus: gen.AvailabilityZoneOptInStatusOptInNotRequired, GroupName: new(region), NetworkBorderGroup: new(region),
				ZoneType: new(zoneType),
			},
			values: map[string]string{
				"group-name": region, "opt-in-status": opted, "region-name": region, "state": stateAvailable,
				"zone-id": z.ID, "zone-name": z.Name, "zone-type": zoneType,
			},
		})
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(all, func(z item[gen.AvailabilityZone]) bool { return z.values["zone-id"] == id }) {
			return nil, fault("InvalidParameterValue", "Invalid availability zone-id: [%s]", id)
		}
	}
	zones, _, err := answer(query{
		ids: ids, notFound: "InvalidParameterValue", noun: "Invalid availability zone: [%s]",
		filters: in.Filters, dryRun: in.DryRun,
		known: []string{"group-name", "message", "opt-in-status", "region-name", "state", "zone-id", "zone-name", "zone-type"},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeAvailabilityZonesOutput{AvailabilityZones: zones}, nil
}
