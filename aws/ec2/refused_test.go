package ec2

import (
	"fmt"
	"strings"
	"testing"

	gen "weir/awsapi/gen/ec2"
)

// TestRefused has a row for each way in which a call that changes something can be wrong, with the code that clients are told.
func TestRefused(t *testing.T) {
	ctx, s, n := seeded(t)
	vpc, subnet, group, table, gateway := n.VPCs[0].ID, n.Subnets[0].ID, n.SecurityGroups[0].ID, n.RouteTables[0].ID, n.Gateways[0].ID
	other, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	otherVPC := other.Vpc.VpcId
	tables, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("vpc-id", *otherVPC)})
	if err != nil {
		t.Fatal(err)
	}
	foreign := tables.RouteTables[0].RouteTableId
	free, err := s.CreateInternetGateway(ctx, &gen.CreateInternetGatewayInput{})
	if err != nil {
		t.Fatal(err)
	}
	createVPC := func(in gen.CreateVpcInput) error { _, err := s.CreateVpc(ctx, &in); return err }
	createSubnet := func(in gen.CreateSubnetInput) error {
		if in.VpcId == nil {
			in.VpcId = otherVPC
		}
		_, err := s.CreateSubnet(ctx, &in)
		return err
	}
	createGroup := func(name, text string) error {
		_, err := s.CreateSecurityGroup(ctx, &gen.CreateSecurityGroupInput{GroupName: &name, Description: &text})
		return err
	}
	allow := func(p gen.IpPermission) error {
		_, err := s.AuthorizeSecurityGroupIngress(ctx, &gen.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []gen.IpPermission{p}})
		return err
	}
	tcp := func(from, to int32, cidr string) gen.IpPermission {
		return gen.IpPermission{IpProtocol: new("tcp"), FromPort: &from, ToPort: &to, IpRanges: []gen.IpRange{{CidrIp: &cidr}}}
	}
	route := func(in gen.CreateRouteInput) error {
		in.RouteTableId = &table
		_, err := s.CreateRoute(ctx, &in)
		return err
	}
	modifyVPC := func(in gen.ModifyVpcAttributeInput) error { _, err := s.ModifyVpcAttribute(ctx, &in); return err }
	modifySubnet := func(in gen.ModifySubnetAttributeInput) error { _, err := s.ModifySubnetAttribute(ctx, &in); return err }
	tag := func(key, value string, ids ...string) error {
		_, err := s.CreateTags(ctx, &gen.CreateTagsInput{Resources: ids, Tags: []gen.Tag{{Key: &key, Value: &value}}})
		return err
	}
	eni := func(in gen.CreateNetworkInterfaceInput) error {
		if in.SubnetId == nil {
			in.SubnetId = &subnet
		}
		_, err := s.CreateNetworkInterface(ctx, &in)
		return err
	}
	deleted := func(_ any, err error) error { return err }
	no := func(id string) *string { return &id }
	var many []gen.Tag
	for i := range 51 {
		many = append(many, gen.Tag{Key: new(fmt.Sprint("k", i)), Value: new("")})
	}
	_, tooMany := s.CreateTags(ctx, &gen.CreateTagsInput{Resources: []string{vpc}, Tags: many})
	_, notAttached := s.DetachInternetGateway(ctx, &gen.DetachInternetGatewayInput{InternetGatewayId: free.InternetGateway.InternetGatewayId, VpcId: &vpc})
	_, attachedTwice := s.AttachInternetGateway(ctx, &gen.AttachInternetGatewayInput{InternetGatewayId: &gateway, VpcId: otherVPC})
	_, second := s.AttachInternetGateway(ctx, &gen.AttachInternetGatewayInput{InternetGatewayId: free.InternetGateway.InternetGatewayId, VpcId: &vpc})
	_, foreignTable := s.AssociateRouteTable(ctx, &gen.AssociateRouteTableInput{RouteTableId: foreign, SubnetId: &subnet})
	_, mainAssociation := s.DisassociateRouteTable(ctx, &gen.DisassociateRouteTableInput{AssociationId: &n.RouteTables[0].Main})
	_, local := s.DeleteRoute(ctx, &gen.DeleteRouteInput{RouteTableId: &table, DestinationCidrBlock: new("172.31.0.0/16")})
	_, noRoute := s.DeleteRoute(ctx, &gen.DeleteRouteInput{RouteTableId: &table, DestinationCidrBlock: new("10.0.0.0/8")})
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"VPC without a block", createVPC(gen.CreateVpcInput{}), "MissingParameter"},
		{"VPC of no block", createVPC(gen.CreateVpcInput{CidrBlock: new("10.0.0.0")}), "InvalidParameterValue"},
		{"VPC of an IPv6 block", createVPC(gen.CreateVpcInput{CidrBlock: new("fd00::/16")}), "InvalidParameterValue"},
		{"VPC too large", createVPC(gen.CreateVpcInput{CidrBlock: new("10.0.0.0/15")}), "InvalidVpc.Range"},
		{"VPC too small", createVPC(gen.CreateVpcInput{CidrBlock: new("10.0.0.0/29")}), "InvalidVpc.Range"},
		{"VPC with IPv6", createVPC(gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)}), "UnsupportedOperation"},
		{"VPC with a subnet's tags", createVPC(gen.CreateVpcInput{
			CidrBlock: new("10.0.0.0/16"), TagSpecifications: []gen.TagSpecification{{ResourceType: gen.ResourceTypeSubnet}},
		}), "InvalidParameterValue"},
		{"VPC, dry", createVPC(gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), DryRun: new(true)}), "DryRunOperation"},
		{"no attribute", modifyVPC(gen.ModifyVpcAttributeInput{VpcId: &vpc}), "MissingParameter"},
		{"two attributes", modifyVPC(gen.ModifyVpcAttributeInput{VpcId: &vpc, EnableDnsHostnames: yes(), EnableDnsSupport: yes()}), "InvalidParameterCombination"},
		{"attribute of no VPC", modifyVPC(gen.ModifyVpcAttributeInput{VpcId: no("vpc-0"), EnableDnsSupport: yes()}), "InvalidVpcID.NotFound"},
		{"delete no VPC", deleted(s.DeleteVpc(ctx, &gen.DeleteVpcInput{VpcId: no("vpc-0")})), "InvalidVpcID.NotFound"},
		{"delete a VPC in use", deleted(s.DeleteVpc(ctx, &gen.DeleteVpcInput{VpcId: &vpc})), "DependencyViolation"},

		{"subnet without a block", createSubnet(gen.CreateSubnetInput{}), "MissingParameter"},
		{"subnet of no VPC", createSubnet(gen.CreateSubnetInput{VpcId: no("vpc-0"), CidrBlock: new("10.0.0.0/24")}), "InvalidVpcID.NotFound"},
		{"subnet outside", createSubnet(gen.CreateSubnetInput{CidrBlock: new("10.1.0.0/24")}), "InvalidSubnet.Range"},
		{"subnet too small", createSubnet(gen.CreateSubnetInput{CidrBlock: new("10.0.0.0/29")}), "InvalidSubnet.Range"},
		{"subnet larger than its VPC", createSubnet(gen.CreateSubnetInput{CidrBlock: new("10.0.0.0/15")}), "InvalidSubnet.Range"},
		{"subnet over another", createSubnet(gen.CreateSubnetInput{VpcId: &vpc, CidrBlock: new("172.31.8.0/21")}), "InvalidSubnet.Conflict"},
		{"subnet in no zone", createSubnet(gen.CreateSubnetInput{CidrBlock: new("10.0.0.0/24"), AvailabilityZone: new("us-east-1a")}), "InvalidParameterValue"},
		{"subnet in no zone id", createSubnet(gen.CreateSubnetInput{CidrBlock: new("10.0.0.0/24"), AvailabilityZoneId: new("use1-az1")}), "InvalidParameterValue"},
		{"subnet with IPv6", createSubnet(gen.CreateSubnetInput{CidrBlock: new("10.0.0.0/24"), Ipv6CidrBlock: new("fd00::/64")}), "UnsupportedOperation"},
		{"no attribute of a subnet", modifySubnet(gen.ModifySubnetAttributeInput{SubnetId: &subnet}), "MissingParameter"},
		{"IPv6 of a subnet", modifySubnet(gen.ModifySubnetAttributeInput{SubnetId: &subnet, AssignIpv6AddressOnCreation: yes()}), "UnsupportedOperation"},
		{"delete no subnet", deleted(s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: no("subnet-0")})), "InvalidSubnetID.NotFound"},

		{"group without a name", createGroup("", "x"), "MissingParameter"},
		{"group without a text", createGroup("x", ""), "MissingParameter"},
		{"group named like an id", createGroup("sg-x", "x"), "InvalidParameterValue"},
		{"group with a long name", createGroup(strings.Repeat("x", 256), "x"), "InvalidParameterValue"},
		{"group with a bad text", createGroup("x", "a\nb"), "InvalidParameterValue"},
		{"group twice", createGroup("default", "x"), "InvalidGroup.Duplicate"},
		{"delete no group", deleted(s.DeleteSecurityGroup(ctx, &gen.DeleteSecurityGroupInput{GroupId: no("sg-0")})), "InvalidGroup.NotFound"},
		{"delete a group without saying which", deleted(s.DeleteSecurityGroup(ctx, &gen.DeleteSecurityGroupInput{})), "MissingParameter"},
		{"delete the default group", deleted(s.DeleteSecurityGroup(ctx, &gen.DeleteSecurityGroupInput{GroupId: &group})), "CannotDelete"},

		{"rule without a protocol", allow(gen.IpPermission{IpRanges: []gen.IpRange{{CidrIp: new("0.0.0.0/0")}}}), "MissingParameter"},
		{"rule without a source", allow(gen.IpPermission{IpProtocol: new("-1")}), "MissingParameter"},
		{"rule of no protocol", allow(gen.IpPermission{IpProtocol: new("tpc"), IpRanges: []gen.IpRange{{CidrIp: new("0.0.0.0/0")}}}), "InvalidParameterValue"},
		{"rule without ports", allow(gen.IpPermission{IpProtocol: new("tcp"), IpRanges: []gen.IpRange{{CidrIp: new("0.0.0.0/0")}}}), "InvalidParameterValue"},
		{"rule with no port", allow(tcp(0, 65536, "0.0.0.0/0")), "InvalidParameterValue"},
		{"rule with ports the wrong way", allow(tcp(2, 1, "0.0.0.0/0")), "InvalidParameterValue"},
		{"rule with no block", allow(tcp(1, 2, "everywhere")), "InvalidParameterValue"},
		{"rule with an IPv6 block as IPv4", allow(tcp(1, 2, "fd00::/8")), "InvalidParameterValue"},
		{"rule for no group", allow(gen.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []gen.UserIdGroupPair{{GroupId: new("sg-0")}}}), "InvalidGroup.NotFound"},
		{"rule for another account's group", allow(gen.IpPermission{
			IpProtocol: new("-1"), UserIdGroupPairs: []gen.UserIdGroupPair{{GroupId: &group, UserId: new("111111111111")}},
		}), "InvalidGroup.NotFound"},
		{"rule for no prefix list", allow(gen.IpPermission{IpProtocol: new("-1"), PrefixListIds: []gen.PrefixListId{{PrefixListId: new("pl-0")}}}), "InvalidPrefixListID.NotFound"},
		{"rule that is there", allow(gen.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []gen.UserIdGroupPair{{GroupId: &group}}}), "InvalidPermission.Duplicate"},

		{"gateway in two VPCs", attachedTwice, "Resource.AlreadyAssociated"},
		{"second gateway of a VPC", second, "InvalidParameterValue"},
		{"gateway not attached", notAttached, "Gateway.NotAttached"},
		{"delete no gateway", deleted(s.DeleteInternetGateway(ctx, &gen.DeleteInternetGatewayInput{InternetGatewayId: no("igw-0")})), "InvalidInternetGatewayID.NotFound"},
		{"route without a destination", route(gen.CreateRouteInput{GatewayId: &gateway}), "InvalidParameterCombination"},
		{"route without a target", route(gen.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8")}), "InvalidParameterCombination"},
		{"route to no gateway", route(gen.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: no("igw-0")}), "InvalidInternetGatewayID.NotFound"},
		{"route to a foreign gateway", route(gen.CreateRouteInput{
			DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: free.InternetGateway.InternetGatewayId,
		}), "InvalidParameterValue"},
		{"route to no NAT gateway", route(gen.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), NatGatewayId: new("nat-0")}), "InvalidNatGatewayID.NotFound"},
		{"route to an instance", route(gen.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), InstanceId: new("i-0")}), "UnsupportedOperation"},
		{"route that is there", route(gen.CreateRouteInput{DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &gateway}), "RouteAlreadyExists"},
		{"route to the VPC itself", route(gen.CreateRouteInput{DestinationCidrBlock: new("172.31.0.0/16"), GatewayId: &gateway}), "RouteAlreadyExists"},
		{"delete the local route", local, "InvalidParameterValue"},
		{"delete no route", noRoute, "InvalidRoute.NotFound"},
		{"delete the main table", deleted(s.DeleteRouteTable(ctx, &gen.DeleteRouteTableInput{RouteTableId: &table})), "DependencyViolation"},
		{"associate a foreign table", foreignTable, "InvalidParameterValue"},
		{"take the main table away", mainAssociation, "InvalidParameterValue"},
		{"take no table away", deleted(s.DisassociateRouteTable(ctx, &gen.DisassociateRouteTableInput{AssociationId: no("rtbassoc-0")})), "InvalidAssociationID.NotFound"},

		{"interface in no subnet", eni(gen.CreateNetworkInterfaceInput{SubnetId: no("subnet-0")}), "InvalidSubnetID.NotFound"},
		{"interface outside its subnet", eni(gen.CreateNetworkInterfaceInput{PrivateIpAddress: new("10.0.0.9")}), "InvalidParameterValue"},
		{"interface at a kept address", eni(gen.CreateNetworkInterfaceInput{PrivateIpAddress: new("172.31.0.3")}), "InvalidParameterValue"},
		{"interface with no group", eni(gen.CreateNetworkInterfaceInput{Groups: []string{"sg-0"}}), "InvalidGroup.NotFound"},
		{"interface with two addresses", eni(gen.CreateNetworkInterfaceInput{SecondaryPrivateIpAddressCount: new(int32(1))}), "UnsupportedOperation"},

		{"tag nothing", tag("k", "v"), "MissingParameter"},
		{"tag without a key", tag("", "v", vpc), "MissingParameter"},
		{"reserved tag", tag("aws:x", "v", vpc), "InvalidParameterValue"},
		{"long tag", tag(strings.Repeat("k", 129), "v", vpc), "InvalidParameterValue"},
		{"too many tags", tooMany, "TagLimitExceeded"},
		{"tag no VPC", tag("k", "v", "vpc-0"), "InvalidVpcID.NotFound"},
		{"tag no rule", tag("k", "v", "sgr-0"), "InvalidSecurityGroupRuleId.NotFound"},
		{"tag no id", tag("k", "v", "nonsense"), "InvalidID"},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want || tt.err == nil {
			t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.want)
		}
	}
	after, err := s.DescribeVpcs(ctx, &gen.DescribeVpcsInput{})
	if err != nil || len(after.Vpcs) != 2 {
		t.Errorf("refused calls left something: %+v, %v", after, err)
	}
}

// TestRules are kept and found again whatever form they were given in.
func TestRules(t *testing.T) {
	tests := []struct {
		protocol string
		from, to *int32
		want     string
	}{
		{"6", new(int32(1)), new(int32(2)), "tcp 1 2"},
		{"TCP", new(int32(1)), new(int32(2)), "tcp 1 2"},
		{"17", new(int32(0)), new(int32(65535)), "udp 0 65535"},
		{"-1", new(int32(0)), new(int32(0)), "-1  "},
		{"all", nil, nil, "-1  "},
		{"icmp", nil, nil, "icmp -1 -1"},
		{"58", new(int32(8)), new(int32(0)), "icmpv6 8 0"},
		{"50", new(int32(0)), new(int32(0)), "50  "},
	}
	for _, tt := range tests {
		r, err := protocolOf(&tt.protocol, tt.from, tt.to)
		if got := strings.Join([]string{r.Protocol, portText(r.From), portText(r.To)}, " "); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.protocol, got, err, tt.want)
		}
	}
	for in, want := range map[string]string{"10.0.0.1": "10.0.0.1/32", "10.1.2.3/8": "10.0.0.0/8"} {
		if got, err := ruleBlock(in, false); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestInterfacesTakeFreeAddresses(t *testing.T) {
	ctx, s, n := seeded(t)
	in := &gen.CreateNetworkInterfaceInput{SubnetId: &n.Subnets[0].ID}
	taken := make(map[string]bool)
	var last string
	for range 3 {
		out, err := s.CreateNetworkInterface(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		last = *out.NetworkInterface.NetworkInterfaceId
		taken[*out.NetworkInterface.PrivateIpAddress] = true
	}
	if len(taken) != 3 || taken["172.31.0.0"] || taken["172.31.0.3"] {
		t.Errorf("addresses: %v", taken)
	}
	for address := range taken {
		_, err := s.CreateNetworkInterface(ctx, &gen.CreateNetworkInterfaceInput{SubnetId: in.SubnetId, PrivateIpAddress: &address})
		wantCode(t, "taken address", err, "InvalidIPAddress.InUse")
	}
	_, err := s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: in.SubnetId})
	wantCode(t, "subnet with interfaces", err, "DependencyViolation")
	if _, err := s.DeleteNetworkInterface(ctx, &gen.DeleteNetworkInterfaceInput{NetworkInterfaceId: &last}); err != nil {
		t.Error(err)
	}
}
