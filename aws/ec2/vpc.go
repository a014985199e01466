package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// VPCs and subnets have one IPv4 block each, of these sizes.
const (
	vpcBitsMin    = 16
	subnetBitsMax = 28
)

// block reads a CIDR block. Like EC2 it takes any address of the block for its first.
func block(parameter, text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return p, fault("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, parameter)
	}
	return p.Masked(), nil
}

func (a *api) createVpc(ctx context.Context, in *gen.CreateVpcInput) (*gen.CreateVpcOutput, error) {
	switch {
	case deref(in.AmazonProvidedIpv6CidrBlock), in.Ipv6CidrBlock != nil, in.Ipv6Pool != nil, in.Ipv6NetmaskLength != nil, in.Ipv6IpamPoolId != nil:
		return nil, unsupported("Ipv6CidrBlock", "IPv6 blocks are")
	case in.Ipv4IpamPoolId != nil, in.Ipv4NetmaskLength != nil:
		return nil, unsupported("Ipv4IpamPoolId", "IP address management pools are")
	case in.VpcEncryptionControl != nil:
		return nil, unsupported("VpcEncryptionControl", "VPC encryption controls are")
	case in.CidrBlock == nil:
		return nil, missing("cidrBlock")
	}
	p, err := block("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	if p.Bits() < vpcBitsMin || p.Bits() > subnetBitsMax {
		return nil, fault("InvalidVpc.Range", "The CIDR '%s' is invalid.", *in.CidrBlock)
	}
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeVpc)
	if err != nil {
		return nil, err
	}
	var out gen.Vpc
	err = a.change(ctx, in.DryRun, func(c *change) error {
		if len(c.VPCs) >= vpcsMax {
			return fault("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
		}
		v, table, group := resource.NewVPC(p.String(), false)
		v.Tags = tags
		if in.InstanceTenancy != gen.TenancyDefault {
			v.Tenancy = string(in.InstanceTenancy)
		}
		c.putVPC(&v)
		c.putTable(&table)
		c.putGroup(&group)
		out = vpcItem(c.scope, v).shown
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateVpcOutput{Vpc: &out}, nil
}

func (a *api) deleteVpc(ctx context.Context, in *gen.DeleteVpcInput) (*gen.DeleteVpcOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		v, err := c.vpc(in.VpcId)
		if err != nil {
			return err
		}
		used := slices.ContainsFunc(c.Subnets, func(s resource.Subnet) bool { return s.VPC == v.ID }) ||
			slices.ContainsFunc(c.Gateways, func(g resource.InternetGateway) bool { return g.VPC == v.ID }) ||
			slices.ContainsFunc(c.RouteTables, func(t resource.RouteTable) bool { return t.VPC == v.ID && t.Main == "" }) ||
			slices.ContainsFunc(c.SecurityGroups, func(g resource.SecurityGroup) bool {
				return g.VPC == v.ID && (g.Name != resource.DefaultGroupName || c.groupUsed(g.ID))
			})
		if used {
			return dependency("vpc", v.ID)
		}
		for _, g := range c.SecurityGroups {
			if g.VPC == v.ID {
				c.delete(c.scope.SecurityGroupsPrefix() + g.ID)
			}
		}
		for _, t := range c.RouteTables {
			if t.VPC == v.ID {
				c.delete(c.scope.RouteTablesPrefix() + t.ID)
			}
		}
		c.delete(c.scope.VPCsPrefix() + v.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteVpcOutput{}, nil
}

func (a *api) describeVpcAttribute(ctx context.Context, in *gen.DescribeVpcAttributeInput) (*gen.DescribeVpcAttributeOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	v, err := w.vpc(in.VpcId)
	if err == nil {
		err = dryRun(in.DryRun)
	}
	if err != nil {
		return nil, err
	}
	out := &gen.DescribeVpcAttributeOutput{VpcId: in.VpcId}
	switch in.Attribute {
	case gen.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = &gen.AttributeBooleanValue{Value: &v.DNSSupport}
	case gen.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = &gen.AttributeBooleanValue{Value: &v.DNSHostnames}
	case gen.VpcAttributeNameEnableNetworkAddressUsageMetrics:
		out.EnableNetworkAddressUsageMetrics = &gen.AttributeBooleanValue{Value: &v.AddressMetrics}
	default:
		return nil, fault("InvalidParameterValue", "Value (%s) for parameter attribute is invalid.", in.Attribute)
	}
	return out, nil
}

// modifyVpcAttribute changes one attribute, as EC2 demands. The attributes have no effect: there is no name server.
func (a *api) modifyVpcAttribute(ctx context.Context, in *gen.ModifyVpcAttributeInput) (*gen.ModifyVpcAttributeOutput, error) {
	support, s := boolOf(in.EnableDnsSupport)
	hostnames, h := boolOf(in.EnableDnsHostnames)
	metrics, m := boolOf(in.EnableNetworkAddressUsageMetrics)
	if n := count(s, h, m); n == 0 {
		return nil, missing("enableDnsSupport, enableDnsHostnames or enableNetworkAddressUsageMetrics")
	} else if n > 1 {
		return nil, fault("InvalidParameterCombination", "Fields for multiple attribute types specified: change one attribute at a time")
	}
	err := a.change(ctx, nil, func(c *change) error {
		v, err := c.vpc(in.VpcId)
		if err != nil {
			return err
		}
		switch {
		case s:
			v.DNSSupport = support
		case h:
			if hostnames && !v.DNSSupport {
				return fault("InvalidParameterCombination", "DNS hostnames need DNS support: enable enableDnsSupport first")
			}
			v.DNSHostnames = hostnames
		default:
			v.AddressMetrics = metrics
		}
		c.putVPC(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ModifyVpcAttributeOutput{}, nil
}

func count(given ...bool) (n int) {
	for _, g := range given {
		if g {
			n++
		}
	}
	return n
}

func (a *api) describeVpcs(ctx context.Context, in *gen.DescribeVpcsInput) (*gen.DescribeVpcsOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.Vpc]
	for _, v := range w.VPCs {
		all = append(all, vpcItem(w.scope, v))
	}
	vpcs, next, err := answer(query{
		ids: in.VpcIds, notFound: vpcNotFound, noun: vpcNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"cidr", "cidr-block-association.association-id", "cidr-block-association.cidr-block", "cidr-block-association.state",
			"dhcp-options-id", "ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.ipv6-cidr-block",
			"ipv6-cidr-block-association.ipv6-pool", "ipv6-cidr-block-association.state", "is-default", "isDefault", "owner-id", "state", "vpc-id",
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
	// A VPC has exactly one block, so that the association needs no id of its own to be kept.
	association := "vpc-cidr-assoc-" + suffix(v.ID)
	tenancy := gen.TenancyDefault
	if v.Tenancy != "" {
		tenancy = gen.Tenancy(v.Tenancy)
	}
	return item[gen.Vpc]{
		id: v.ID, tags: v.Tags,
		shown: gen.Vpc{
			OwnerId: new(s.Account), VpcId: new(v.ID), CidrBlock: new(v.CIDR), IsDefault: new(v.Default), State: gen.VpcStateAvailable,
			InstanceTenancy: tenancy, DhcpOptionsId: new(noDHCPOptions), Tags: tagSet(v.Tags),
			BlockPublicAccessStates: &gen.BlockPublicAccessStates{InternetGatewayBlockMode: gen.BlockPublicAccessModeOff},
			CidrBlockAssociationSet: []gen.VpcCidrBlockAssociation{{
				AssociationId: new(association), CidrBlock: new(v.CIDR),
				CidrBlockState: &gen.VpcCidrBlockState{State: gen.VpcCidrBlockStateCodeAssociated},
			}},
		},
		values: map[string][]string{
			"cidr": {v.CIDR}, "cidr-block-association.cidr-block": {v.CIDR}, "cidr-block-association.association-id": {association},
			"cidr-block-association.state": {string(gen.VpcCidrBlockStateCodeAssociated)}, "dhcp-options-id": {noDHCPOptions},
			"is-default": {isDefault}, "isDefault": {isDefault}, "owner-id": {s.Account}, "state": {stateAvailable}, "vpc-id": {v.ID},
		},
	}
}
