package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

func (a *api) createSubnet(ctx context.Context, in *gen.CreateSubnetInput) (*gen.CreateSubnetOutput, error) {
	switch {
	case deref(in.Ipv6Native), in.Ipv6CidrBlock != nil, in.Ipv6NetmaskLength != nil, in.Ipv6IpamPoolId != nil:
		return nil, unsupported("Ipv6CidrBlock", "IPv6 blocks are")
	case in.Ipv4IpamPoolId != nil, in.Ipv4NetmaskLength != nil:
		return nil, unsupported("Ipv4IpamPoolId", "IP address management pools are")
	case in.OutpostArn != nil:
		return nil, unsupported("OutpostArn", "outposts are")
	case in.CidrBlock == nil:
		return nil, missing("cidrBlock")
	}
	p, err := block("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeSubnet)
	if err != nil {
		return nil, err
	}
	var out gen.Subnet
	err = a.change(ctx, in.DryRun, func(c *change) error {
		v, err := c.vpc(in.VpcId)
		if err != nil {
			return err
		}
		zone, err := c.zone(in.AvailabilityZone, in.AvailabilityZoneId)
		if err != nil {
			return err
		}
		if err := c.fits(v, p, *in.CidrBlock); err != nil {
			return err
		}
		s := resource.Subnet{ID: resource.NewEC2ID("subnet"), VPC: v.ID, CIDR: p.String(), Zone: zone.Name, ZoneID: zone.ID, Tags: tags}
		c.putSubnet(&s)
		out = c.subnetItem(s).shown
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateSubnetOutput{Subnet: &out}, nil
}

// zone finds the wanted zone, or the region's first one when none is.
func (w *world) zone(name, id *string) (resource.Zone, error) {
	zones := resource.Zones(w.scope.Region)
	switch {
	case deref(name) != "" && deref(id) != "":
		return resource.Zone{}, fault("InvalidParameterCombination", "Specify either availabilityZone or availabilityZoneId, not both")
	case deref(name) == "" && deref(id) == "":
		return zones[0], nil
	}
	for _, z := range zones {
		if z.Name == deref(name) || z.ID == deref(id) {
			return z, nil
		}
	}
	var names []string
	for _, z := range zones {
		names = append(names, z.Name)
	}
	if deref(id) != "" {
		return resource.Zone{}, fault("InvalidParameterValue", "Value (%s) for parameter availabilityZoneId is invalid.", *id)
	}
	return resource.Zone{}, fault("InvalidParameterValue",
		"Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %v.",
		*name, names)
}

// fits checks that p can become a subnet's block in v.
func (w *world) fits(v *resource.VPC, p netip.Prefix, asked string) error {
	whole, err := netip.ParsePrefix(v.CIDR)
	if err != nil {
		return err
	}
	if p.Bits() < whole.Bits() || p.Bits() > subnetBitsMax || !whole.Contains(p.Addr()) {
		return fault("InvalidSubnet.Range", "The CIDR '%s' is invalid.", asked)
	}
	n := 0
	for _, s := range w.Subnets {
		if s.VPC != v.ID {
			continue
		}
		n++
		if other, err := netip.ParsePrefix(s.CIDR); err == nil && other.Overlaps(p) {
			return fault("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", asked)
		}
	}
	if n >= subnetsMax {
		return fault("SubnetLimitExceeded", "The maximum number of subnets has been reached.")
	}
	return nil
}

func (a *api) deleteSubnet(ctx context.Context, in *gen.DeleteSubnetInput) (*gen.DeleteSubnetOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		s, err := c.subnet(in.SubnetId)
		if err != nil {
			return err
		}
		if c.subnetUsed(s.ID) {
			return dependency("subnet", s.ID)
		}
		for i := range c.RouteTables { // what was associated with it no longer is
			t := &c.RouteTables[i]
			n := len(t.Associations)
			t.Associations = slices.DeleteFunc(t.Associations, func(x resource.RouteAssociation) bool { return x.Subnet == s.ID })
			if len(t.Associations) != n {
				c.putTable(t)
			}
		}
		c.delete(c.scope.SubnetsPrefix() + s.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteSubnetOutput{}, nil
}

// modifySubnetAttribute changes one attribute, as EC2 demands. None has an effect: nothing is launched in subnets but brokers.
func (a *api) modifySubnetAttribute(ctx context.Context, in *gen.ModifySubnetAttributeInput) (*gen.ModifySubnetAttributeOutput, error) {
	public, p := boolOf(in.MapPublicIpOnLaunch)
	record, r := boolOf(in.EnableResourceNameDnsARecordOnLaunch)
	for _, off := range []struct {
		name  string
		value *gen.AttributeBooleanValue
	}{
		{"assignIpv6AddressOnCreation", in.AssignIpv6AddressOnCreation},
		{"enableDns64", in.EnableDns64},
		{"enableResourceNameDnsAAAARecordOnLaunch", in.EnableResourceNameDnsAAAARecordOnLaunch},
		{"mapCustomerOwnedIpOnLaunch", in.MapCustomerOwnedIpOnLaunch},
	} {
		if on, _ := boolOf(off.value); on {
			return nil, unsupported(off.name, "IPv6 and customer-owned addresses are")
		}
	}
	hostnames := in.PrivateDnsHostnameTypeOnLaunch
	if in.EnableLniAtDeviceIndex != nil || in.DisableLniAtDeviceIndex != nil || in.CustomerOwnedIpv4Pool != nil {
		return nil, unsupported("enableLniAtDeviceIndex", "outposts are")
	}
	given := count(
		p, r, hostnames != "", in.AssignIpv6AddressOnCreation != nil, in.EnableDns64 != nil,
		in.EnableResourceNameDnsAAAARecordOnLaunch != nil, in.MapCustomerOwnedIpOnLaunch != nil,
	)
	if given == 0 {
		return nil, missing("mapPublicIpOnLaunch")
	} else if given > 1 {
		return nil, fault("InvalidParameterCombination", "Fields for multiple attribute types specified: change one attribute at a time")
	}
	err := a.change(ctx, nil, func(c *change) error {
		s, err := c.subnet(in.SubnetId)
		if err != nil {
			return err
		}
		if p {
			s.MapPublicIP = public
		}
		if r {
			s.ARecord = record
		}
		if hostnames != "" {
			s.Hostnames = string(hostnames)
		}
		c.putSubnet(s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ModifySubnetAttributeOutput{}, nil
}

func (a *api) describeSubnets(ctx context.Context, in *gen.DescribeSubnetsInput) (*gen.DescribeSubnetsOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.Subnet]
	for _, v := range w.Subnets {
		all = append(all, w.subnetItem(v))
	}
	subnets, next, err := answer(query{
		ids: in.SubnetIds, notFound: subnetNotFound, noun: subnetNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"availability-zone", "availabilityZone", "availability-zone-id", "availabilityZoneId", "available-ip-address-count",
			"cidr-block", "cidr", "cidrBlock", "default-for-az", "defaultForAz", "ipv6-cidr-block-association.association-id",
			"ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.state", "ipv6-native", "map-public-ip-on-launch",
			"outpost-arn", "owner-id", "state", "subnet-arn", "subnet-id", "vpc-id",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeSubnetsOutput{Subnets: subnets, NextToken: next}, nil
}

func (w *world) subnetItem(v resource.Subnet) item[gen.Subnet] {
	free := w.free(v)
	isDefault := strconv.FormatBool(v.Default)
	hostnames := gen.HostnameTypeIpName
	if v.Hostnames != "" {
		hostnames = gen.HostnameType(v.Hostnames)
	}
	shown := gen.Subnet{
		OwnerId: new(w.scope.Account), SubnetId: new(v.ID), SubnetArn: arn(w.scope, "subnet/"+v.ID), VpcId: new(v.VPC), Tags: tagSet(v.Tags),
		AvailabilityZone: new(v.Zone), AvailabilityZoneId: new(v.ZoneID), CidrBlock: new(v.CIDR), State: gen.SubnetStateAvailable,
		AvailableIpAddressCount: new(free), DefaultForAz: new(v.Default), MapPublicIpOnLaunch: new(v.MapPublicIP),
		AssignIpv6AddressOnCreation: new(false), Ipv6Native: new(false), EnableDns64: new(false), MapCustomerOwnedIpOnLaunch: new(false),
		BlockPublicAccessStates: &gen.BlockPublicAccessStates{InternetGatewayBlockMode: gen.BlockPublicAccessModeOff},
		PrivateDnsNameOptionsOnLaunch: &gen.PrivateDnsNameOptionsOnLaunch{
			HostnameType: hostnames, EnableResourceNameDnsARecord: new(v.ARecord), EnableResourceNameDnsAAAARecord: new(false),
		},
	}
	return item[gen.Subnet]{id: v.ID, shown: shown, tags: v.Tags, values: map[string][]string{
		"availability-zone": {v.Zone}, "availabilityZone": {v.Zone}, "availability-zone-id": {v.ZoneID}, "availabilityZoneId": {v.ZoneID},
		"available-ip-address-count": {strconv.Itoa(int(free))}, "cidr-block": {v.CIDR}, "cidr": {v.CIDR}, "cidrBlock": {v.CIDR},
		"default-for-az": {isDefault}, "defaultForAz": {isDefault}, "map-public-ip-on-launch": {strconv.FormatBool(v.MapPublicIP)},
		"ipv6-native": {"false"}, "owner-id": {w.scope.Account}, "state": {stateAvailable}, "subnet-arn": {*shown.SubnetArn},
		"subnet-id": {v.ID}, "vpc-id": {v.VPC},
	}}
}

// reserved is how many addresses of each subnet EC2 keeps to itself: the first four and the last.
const reserved = 5

// free is how many addresses the subnet has to give. A broker takes one of its subnet, as on MSK, although it serves at another.
func (w *world) free(v resource.Subnet) int32 {
	p, err := netip.ParsePrefix(v.CIDR)
	if err != nil || !p.Addr().Is4() {
		return 0
	}
	n := int32(1)<<(p.Addr().BitLen()-p.Bits()) - reserved
	for _, b := range w.brokers() {
		if b.Subnet == v.ID {
			n--
		}
	}
	for _, i := range w.Interfaces {
		if i.Subnet == v.ID {
			n--
		}
	}
	for _, g := range w.NATGateways {
		if g.Subnet == v.ID && g.Failure == nil {
			n--
		}
	}
	return max(0, n)
}
