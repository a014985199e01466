package ec2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	gen "weir/awsapi/gen/ec2"
)

// TestTerraformVPCModule makes the calls with which Terraform makes what the module terraform-aws-modules/vpc makes of a VPC by default: public and
// private subnets, elastic addresses with NAT gateways, routes through them, the entries of the default network ACL; and takes it all away again.
func TestTerraformVPCModule(t *testing.T) {
	ctx, s, _ := seeded(t)
	v, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	vpc := must(t, v, err).Vpc.VpcId
	subnet := func(cidr string) *string {
		out, err := s.CreateSubnet(ctx, &gen.CreateSubnetInput{VpcId: vpc, CidrBlock: &cidr, AvailabilityZone: new("eu-west-1a")})
		return must(t, out, err).Subnet.SubnetId
	}
	public, private := subnet("10.0.101.0/24"), subnet("10.0.1.0/24")
	gw, err := s.CreateInternetGateway(ctx, &gen.CreateInternetGatewayInput{})
	igw := must(t, gw, err).InternetGateway.InternetGatewayId
	attach, err := s.AttachInternetGateway(ctx, &gen.AttachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})
	must(t, attach, err)

	// aws_eip
	named := func(kind gen.ResourceType, name string) []gen.TagSpecification {
		return []gen.TagSpecification{{ResourceType: kind, Tags: []gen.Tag{{Key: new("Name"), Value: &name}}}}
	}
	eip, err := s.AllocateAddress(ctx, &gen.AllocateAddressInput{Domain: gen.DomainTypeVpc, TagSpecifications: named(gen.ResourceTypeElasticIp, "nat")})
	allocation := must(t, eip, err).AllocationId
	if !strings.HasPrefix(*eip.PublicIp, "203.0.113.") || eip.Domain != gen.DomainTypeVpc || *eip.NetworkBorderGroup != "eu-west-1" || *eip.PublicIpv4Pool != "amazon" {
		t.Errorf("allocated: %+v", eip)
	}
	addresses, err := s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{AllocationIds: []string{*allocation}})
	if a := must(t, addresses, err).Addresses[0]; *a.PublicIp != *eip.PublicIp || a.AssociationId != nil || *a.Tags[0].Value != "nat" {
		t.Errorf("address: %+v", a)
	}
	attribute, err := s.DescribeAddressesAttribute(ctx, &gen.DescribeAddressesAttributeInput{
		AllocationIds: []string{*allocation}, Attribute: gen.AddressAttributeNameDomainName,
	})
	if len(must(t, attribute, err).Addresses) != 0 {
		t.Errorf("names of the address: %+v", attribute)
	}

	// aws_nat_gateway
	create := &gen.CreateNatGatewayInput{
		AllocationId: allocation, SubnetId: public, ClientToken: new("token"), ConnectivityType: gen.ConnectivityTypePublic,
		TagSpecifications: named(gen.ResourceTypeNatgateway, "out"),
	}
	made, err := s.CreateNatGateway(ctx, create)
	nat := must(t, made, err).NatGateway.NatGatewayId
	if again, err := s.CreateNatGateway(ctx, create); err != nil || *again.NatGateway.NatGatewayId != *nat {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	nats, err := s.DescribeNatGateways(ctx, &gen.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat}})
	n := must(t, nats, err).NatGateways[0]
	if n.State != gen.NatGatewayStateAvailable || *n.SubnetId != *public || *n.VpcId != *vpc || *n.Tags[0].Value != "out" || len(n.NatGatewayAddresses) != 1 {
		t.Fatalf("NAT gateway: %+v", n)
	}
	one := n.NatGatewayAddresses[0]
	if *one.AllocationId != *allocation || *one.PublicIp != *eip.PublicIp || !strings.HasPrefix(*one.PrivateIp, "10.0.101.") || !*one.IsPrimary {
		t.Errorf("its address: %+v", one)
	}
	if addresses, err = s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{PublicIps: []string{*eip.PublicIp}}); err != nil ||
		*addresses.Addresses[0].AssociationId != *one.AssociationId || *addresses.Addresses[0].PrivateIpAddress != *one.PrivateIp {
		t.Errorf("the address now: %+v, %v", addresses, err)
	}
	enis, err := s.DescribeNetworkInterfaces(ctx, &gen.DescribeNetworkInterfacesInput{Filters: filters("association.allocation-id", *allocation)})
	if e := must(t, enis, err).NetworkInterfaces; len(e) != 1 || *e[0].NetworkInterfaceId != *one.NetworkInterfaceId || !*e[0].RequesterManaged ||
		e[0].Status != gen.NetworkInterfaceStatusInUse || *e[0].Association.PublicIp != *eip.PublicIp {
		t.Errorf("its interface: %+v", e)
	}
	_, err = s.DeleteNetworkInterface(ctx, &gen.DeleteNetworkInterfaceInput{NetworkInterfaceId: one.NetworkInterfaceId})
	wantCode(t, "its interface, deleted", err, "OperationNotPermitted")

	// aws_route_table, aws_route, aws_route_table_association, and their updates
	rt, err := s.CreateRouteTable(ctx, &gen.CreateRouteTableInput{VpcId: vpc})
	table := must(t, rt, err).RouteTable.RouteTableId
	rt2, err := s.CreateRouteTable(ctx, &gen.CreateRouteTableInput{VpcId: vpc})
	other := must(t, rt2, err).RouteTable.RouteTableId
	out := "0.0.0.0/0"
	route, err := s.CreateRoute(ctx, &gen.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: &out, NatGatewayId: nat})
	must(t, route, err)
	routes := func() (target string, state gen.RouteState) {
		t.Helper()
		got, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{RouteTableIds: []string{*table}})
		r := must(t, got, err).RouteTables[0].Routes[1]
		return deref(r.GatewayId) + deref(r.NatGatewayId) + deref(r.NetworkInterfaceId), r.State
	}
	if target, state := routes(); target != *nat || state != gen.RouteStateActive {
		t.Errorf("the route leads to %s, %s", target, state)
	}
	found, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("route.nat-gateway-id", *nat)})
	if len(must(t, found, err).RouteTables) != 1 {
		t.Errorf("tables that lead to the gateway: %+v", found)
	}
	for _, to := range []*gen.ReplaceRouteInput{{GatewayId: igw}, {NatGatewayId: nat}} {
		to.RouteTableId, to.DestinationCidrBlock = table, &out
		replaced, err := s.ReplaceRoute(ctx, to)
		must(t, replaced, err)
		if target, state := routes(); target != deref(to.GatewayId)+deref(to.NatGatewayId) || state != gen.RouteStateActive {
			t.Errorf("the route leads to %s, %s", target, state)
		}
	}
	assoc, err := s.AssociateRouteTable(ctx, &gen.AssociateRouteTableInput{RouteTableId: table, SubnetId: private})
	association := must(t, assoc, err).AssociationId
	moved, err := s.ReplaceRouteTableAssociation(ctx, &gen.ReplaceRouteTableAssociationInput{AssociationId: association, RouteTableId: other})
	if to := must(t, moved, err).NewAssociationId; *to == *association {
		t.Errorf("the association is the same: %s", *to)
	}
	of, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("association.subnet-id", *private)})
	if got := must(t, of, err).RouteTables; len(got) != 1 || *got[0].RouteTableId != *other {
		t.Errorf("the subnet's table: %+v", got)
	}
	_, err = s.DisassociateRouteTable(ctx, &gen.DisassociateRouteTableInput{AssociationId: association})
	wantCode(t, "the former association", err, "InvalidAssociationID.NotFound")

	// In use: nothing of it can go before what uses it.
	_, err = s.ReleaseAddress(ctx, &gen.ReleaseAddressInput{AllocationId: allocation})
	wantCode(t, "an address in use", err, "InvalidIPAddress.InUse")
	_, err = s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: public})
	wantCode(t, "a subnet in use", err, "DependencyViolation")
	_, err = s.DetachInternetGateway(ctx, &gen.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})
	wantCode(t, "an internet gateway in use", err, "DependencyViolation")

	gone, err := s.DeleteNatGateway(ctx, &gen.DeleteNatGatewayInput{NatGatewayId: nat})
	must(t, gone, err)
	_, err = s.DescribeNatGateways(ctx, &gen.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat}})
	wantCode(t, "deleted NAT gateway", err, "NatGatewayNotFound")
	if _, state := routes(); state != gen.RouteStateBlackhole {
		t.Errorf("the route to the deleted gateway is %s", state)
	}
	released, err := s.ReleaseAddress(ctx, &gen.ReleaseAddressInput{AllocationId: allocation})
	must(t, released, err)
	_, err = s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{AllocationIds: []string{*allocation}})
	wantCode(t, "released address", err, "InvalidAllocationID.NotFound")
	_, err = s.DetachInternetGateway(ctx, &gen.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})
	wantCode(t, "an internet gateway that nothing uses", err, "")
	_, err = s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: public})
	wantCode(t, "a subnet that nothing uses", err, "")
}

// Another table becomes a VPC's main one; the former can be deleted then.
func TestMainRouteTableIsReplaced(t *testing.T) {
	ctx, s, n := seeded(t)
	vpc, main := n.VPCs[0].ID, n.RouteTables[0]
	made, err := s.CreateRouteTable(ctx, &gen.CreateRouteTableInput{VpcId: &vpc})
	table := must(t, made, err).RouteTable.RouteTableId
	moved, err := s.ReplaceRouteTableAssociation(ctx, &gen.ReplaceRouteTableAssociationInput{AssociationId: &main.Main, RouteTableId: table})
	must(t, moved, err)
	got, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("association.main", "true", "vpc-id", vpc)})
	if all := must(t, got, err).RouteTables; len(all) != 1 || *all[0].RouteTableId != *table || *all[0].Associations[0].RouteTableAssociationId != *moved.NewAssociationId {
		t.Errorf("main: %+v", all)
	}
	_, err = s.DeleteRouteTable(ctx, &gen.DeleteRouteTableInput{RouteTableId: &main.ID})
	wantCode(t, "the former main table", err, "")
}

// aws_default_network_acl takes the entries away and makes those of its configuration.
func TestTerraformDefaultNetworkACL(t *testing.T) {
	ctx, s, n := seeded(t)
	acl := n.VPCs[0].ACL
	entries := func() (out []string) {
		t.Helper()
		got, err := s.DescribeNetworkAcls(ctx, &gen.DescribeNetworkAclsInput{NetworkAclIds: []string{acl}})
		for _, e := range must(t, got, err).NetworkAcls[0].Entries {
			text := fmt.Sprintf("%d %v %s %s %s", *e.RuleNumber, *e.Egress, e.RuleAction, *e.Protocol, deref(e.CidrBlock)+deref(e.Ipv6CidrBlock))
			if p := e.PortRange; p != nil {
				text += fmt.Sprintf(" %d-%d", *p.From, *p.To)
			}
			if i := e.IcmpTypeCode; i != nil {
				text += fmt.Sprintf(" %d/%d", *i.Type, *i.Code)
			}
			out = append(out, text)
		}
		return out
	}
	want := []string{"100 true allow -1 0.0.0.0/0", "32767 true deny -1 0.0.0.0/0", "100 false allow -1 0.0.0.0/0", "32767 false deny -1 0.0.0.0/0"}
	if diff := cmp.Diff(want, entries()); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	for _, egress := range []bool{true, false} {
		gone, err := s.DeleteNetworkAclEntry(ctx, &gen.DeleteNetworkAclEntryInput{NetworkAclId: &acl, RuleNumber: new(int32(100)), Egress: &egress})
		must(t, gone, err)
	}
	if diff := cmp.Diff([]string{want[1], want[3]}, entries()); diff != "" {
		t.Errorf("without entries (-want +got):\n%s", diff)
	}
	create := func(in gen.CreateNetworkAclEntryInput) {
		in.NetworkAclId, in.RuleAction = &acl, gen.RuleActionAllow
		made, err := s.CreateNetworkAclEntry(ctx, &in)
		must(t, made, err)
	}
	create(gen.CreateNetworkAclEntryInput{RuleNumber: new(int32(101)), Egress: new(false), Protocol: new("-1"), Ipv6CidrBlock: new("::/0")})
	create(gen.CreateNetworkAclEntryInput{
		RuleNumber: new(int32(100)), Egress: new(false), Protocol: new("tcp"), CidrBlock: new("10.0.0.9/8"), PortRange: &gen.PortRange{From: new(int32(9092)), To: new(int32(9098))},
	})
	create(gen.CreateNetworkAclEntryInput{
		RuleNumber: new(int32(100)), Egress: new(true), Protocol: new("1"), CidrBlock: new("0.0.0.0/0"), IcmpTypeCode: &gen.IcmpTypeCode{Type: new(int32(-1)), Code: new(int32(-1))},
	})
	replaced, err := s.ReplaceNetworkAclEntry(ctx, &gen.ReplaceNetworkAclEntryInput{
		NetworkAclId: &acl, RuleNumber: new(int32(101)), Egress: new(false), Protocol: new("58"), Ipv6CidrBlock: new("fd00::1/8"), RuleAction: gen.RuleActionDeny,
	})
	must(t, replaced, err)
	want = []string{
		"100 true allow 1 0.0.0.0/0 -1/-1", "32767 true deny -1 0.0.0.0/0", "32768 true deny -1 ::/0",
		"100 false allow 6 10.0.0.0/8 9092-9098", "101 false deny 58 fd00::/8 -1/-1", "32767 false deny -1 0.0.0.0/0", "32768 false deny -1 ::/0",
	}
	if diff := cmp.Diff(want, entries()); diff != "" {
		t.Errorf("with others (-want +got):\n%s", diff)
	}
	found, err := s.DescribeNetworkAcls(ctx, &gen.DescribeNetworkAclsInput{Filters: filters("entry.port-range.from", "9092")})
	if got := must(t, found, err).NetworkAcls; len(got) != 1 || *got[0].NetworkAclId != acl {
		t.Errorf("found by a port: %+v", got)
	}
	association := *found.NetworkAcls[0].Associations[0].NetworkAclAssociationId
	same, err := s.ReplaceNetworkAclAssociation(ctx, &gen.ReplaceNetworkAclAssociationInput{AssociationId: &association, NetworkAclId: &acl})
	if must(t, same, err); *same.NewAssociationId != association {
		t.Errorf("association: %s", *same.NewAssociationId)
	}
}

// A public gateway in a network without an internet gateway fails, as on EC2, and holds nothing; a private one needs none.
func TestNATGatewaysThatFail(t *testing.T) {
	ctx, s, _ := seeded(t)
	v, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	vpc := must(t, v, err).Vpc.VpcId
	sub, err := s.CreateSubnet(ctx, &gen.CreateSubnetInput{VpcId: vpc, CidrBlock: new("10.0.0.0/28"), AvailabilityZone: new("eu-west-1a")})
	subnet := must(t, sub, err).Subnet.SubnetId
	eip, err := s.AllocateAddress(ctx, &gen.AllocateAddressInput{})
	allocation := must(t, eip, err).AllocationId
	made, err := s.CreateNatGateway(ctx, &gen.CreateNatGatewayInput{SubnetId: subnet, AllocationId: allocation})
	g := must(t, made, err).NatGateway
	if g.State != gen.NatGatewayStateFailed || *g.FailureCode != "Gateway.NotAttached" || !strings.Contains(*g.FailureMessage, *vpc) || len(g.NatGatewayAddresses) != 0 {
		t.Errorf("%+v", g)
	}
	tables, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("vpc-id", *vpc)})
	table := must(t, tables, err).RouteTables[0].RouteTableId
	_, err = s.CreateRoute(ctx, &gen.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: g.NatGatewayId})
	wantCode(t, "a route to it", err, "InvalidNatGatewayID.NotFound")
	released, err := s.ReleaseAddress(ctx, &gen.ReleaseAddressInput{AllocationId: allocation})
	must(t, released, err)

	private, err := s.CreateNatGateway(ctx, &gen.CreateNatGatewayInput{
		SubnetId: subnet, ConnectivityType: gen.ConnectivityTypePrivate, PrivateIpAddress: new("10.0.0.9"),
	})
	p := must(t, private, err).NatGateway
	if a := p.NatGatewayAddresses[0]; p.State != gen.NatGatewayStateAvailable || *a.PrivateIp != "10.0.0.9" || a.PublicIp != nil {
		t.Errorf("private: %+v", p)
	}
	subnets, err := s.DescribeSubnets(ctx, &gen.DescribeSubnetsInput{SubnetIds: []string{*subnet}})
	if free := *must(t, subnets, err).Subnets[0].AvailableIpAddressCount; free != 10 {
		t.Errorf("%d addresses are free, want 10", free)
	}
	_, err = s.CreateNetworkInterface(ctx, &gen.CreateNetworkInterfaceInput{SubnetId: subnet, PrivateIpAddress: new("10.0.0.9")})
	wantCode(t, "its address", err, "InvalidIPAddress.InUse")
}

// TestRefusedOfTheModule has a row for each way in which one of these calls can be wrong.
func TestRefusedOfTheModule(t *testing.T) {
	ctx, s, n := seeded(t)
	subnet, table, igw, acl := n.Subnets[0].ID, n.RouteTables[0].ID, n.Gateways[0].ID, n.VPCs[0].ACL
	eip, err := s.AllocateAddress(ctx, &gen.AllocateAddressInput{})
	allocation := must(t, eip, err).AllocationId
	made, err := s.CreateNatGateway(ctx, &gen.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: allocation, ClientToken: new("t")})
	nat := must(t, made, err).NatGateway.NatGatewayId
	spare, err := s.AllocateAddress(ctx, &gen.AllocateAddressInput{})
	free := must(t, spare, err).AllocationId
	other, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	tables, err2 := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("vpc-id", *must(t, other, err).Vpc.VpcId)})
	foreign := must(t, tables, err2).RouteTables[0].RouteTableId
	acls, err := s.DescribeNetworkAcls(ctx, &gen.DescribeNetworkAclsInput{Filters: filters("vpc-id", *other.Vpc.VpcId)})
	foreignACL := must(t, acls, err).NetworkAcls[0].NetworkAclId

	allocate := func(in gen.AllocateAddressInput) error { _, err := s.AllocateAddress(ctx, &in); return err }
	release := func(in gen.ReleaseAddressInput) error { _, err := s.ReleaseAddress(ctx, &in); return err }
	create := func(in gen.CreateNatGatewayInput) error { _, err := s.CreateNatGateway(ctx, &in); return err }
	replace := func(in gen.ReplaceRouteInput) error {
		if in.RouteTableId == nil {
			in.RouteTableId = &table
		}
		_, err := s.ReplaceRoute(ctx, &in)
		return err
	}
	associate := func(association string, table *string) error {
		_, err := s.ReplaceRouteTableAssociation(ctx, &gen.ReplaceRouteTableAssociationInput{AssociationId: &association, RouteTableId: table})
		return err
	}
	entry := func(edit func(*gen.CreateNetworkAclEntryInput)) error {
		in := &gen.CreateNetworkAclEntryInput{
			NetworkAclId: &acl, RuleNumber: new(int32(7)), Egress: new(true), Protocol: new("-1"), RuleAction: gen.RuleActionAllow, CidrBlock: new("0.0.0.0/0"),
		}
		edit(in)
		_, err := s.CreateNetworkAclEntry(ctx, in)
		return err
	}
	remove := func(number int32) error {
		_, err := s.DeleteNetworkAclEntry(ctx, &gen.DeleteNetworkAclEntryInput{NetworkAclId: &acl, RuleNumber: &number, Egress: new(true)})
		return err
	}
	attribute := func(in gen.DescribeAddressesAttributeInput) error {
		_, err := s.DescribeAddressesAttribute(ctx, &in)
		return err
	}
	out, no := new("0.0.0.0/0"), func(id string) *string { return &id }
	result := func(_ any, err error) error { return err }
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"address outside of VPCs", allocate(gen.AllocateAddressInput{Domain: gen.DomainTypeStandard}), "UnsupportedOperation"},
		{"address that was there", allocate(gen.AllocateAddressInput{Address: new("203.0.113.9")}), "UnsupportedOperation"},
		{"address of a pool", allocate(gen.AllocateAddressInput{PublicIpv4Pool: new("ipv4pool-ec2-0")}), "UnsupportedOperation"},
		{"address of no border group", allocate(gen.AllocateAddressInput{NetworkBorderGroup: new("us-east-1")}), "InvalidParameterValue"},
		{"address with a VPC's tags", allocate(gen.AllocateAddressInput{
			TagSpecifications: []gen.TagSpecification{{ResourceType: gen.ResourceTypeVpc}},
		}), "InvalidParameterValue"},
		{"address, dry", allocate(gen.AllocateAddressInput{DryRun: new(true)}), "DryRunOperation"},
		{"release nothing", release(gen.ReleaseAddressInput{}), "MissingParameter"},
		{"release by address", release(gen.ReleaseAddressInput{PublicIp: eip.PublicIp}), "InvalidParameterValue"},
		{"release by both", release(gen.ReleaseAddressInput{PublicIp: eip.PublicIp, AllocationId: allocation}), "InvalidParameterCombination"},
		{"release no address", release(gen.ReleaseAddressInput{AllocationId: no("eipalloc-0")}), "InvalidAllocationID.NotFound"},
		{"release what is in use", release(gen.ReleaseAddressInput{AllocationId: allocation}), "InvalidIPAddress.InUse"},
		{"describe no allocation", result(s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{AllocationIds: []string{"eipalloc-0"}})), "InvalidAllocationID.NotFound"},
		{"describe no address", result(s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{PublicIps: []string{"192.0.2.1"}})), "InvalidAddress.NotFound"},
		{"describe by no filter", result(s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{Filters: filters("x", "y")})), "InvalidParameterValue"},
		{"no attribute", attribute(gen.DescribeAddressesAttributeInput{}), "MissingParameter"},
		{"attribute of no address", attribute(gen.DescribeAddressesAttributeInput{
			Attribute: gen.AddressAttributeNameDomainName, AllocationIds: []string{"eipalloc-0"},
		}), "InvalidAllocationID.NotFound"},

		{"NAT gateway in no subnet", create(gen.CreateNatGatewayInput{AllocationId: free, SubnetId: no("subnet-0")}), "InvalidSubnetID.NotFound"},
		{"NAT gateway without a subnet", create(gen.CreateNatGatewayInput{AllocationId: free}), "MissingParameter"},
		{"public NAT gateway without an address", create(gen.CreateNatGatewayInput{SubnetId: &subnet}), "MissingParameter"},
		{"NAT gateway with no address", create(gen.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: no("eipalloc-0")}), "InvalidAllocationID.NotFound"},
		{"NAT gateway with an address in use", create(gen.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: allocation}), "Resource.AlreadyAssociated"},
		{"private NAT gateway with an address", create(gen.CreateNatGatewayInput{
			SubnetId: &subnet, AllocationId: free, ConnectivityType: gen.ConnectivityTypePrivate,
		}), "InvalidParameterCombination"},
		{"NAT gateway outside its subnet", create(gen.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: free, PrivateIpAddress: new("10.9.9.9")}), "InvalidParameterValue"},
		{"NAT gateway with several addresses", create(gen.CreateNatGatewayInput{
			SubnetId: &subnet, AllocationId: free, SecondaryPrivateIpAddressCount: new(int32(1)),
		}), "UnsupportedOperation"},
		{"NAT gateway of a Region", create(gen.CreateNatGatewayInput{VpcId: other.Vpc.VpcId, AvailabilityMode: gen.AvailabilityModeRegional}), "UnsupportedOperation"},
		{"NAT gateway with the token of another", create(gen.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: free, ClientToken: new("t")}), "IdempotentParameterMismatch"},
		{"NAT gateway, dry", create(gen.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: free, DryRun: new(true)}), "DryRunOperation"},
		{"delete no NAT gateway", result(s.DeleteNatGateway(ctx, &gen.DeleteNatGatewayInput{NatGatewayId: no("nat-0")})), "NatGatewayNotFound"},
		{"describe no NAT gateway", result(s.DescribeNatGateways(ctx, &gen.DescribeNatGatewaysInput{NatGatewayIds: []string{"nat-0"}})), "NatGatewayNotFound"},
		{"tag no NAT gateway", result(s.CreateTags(ctx, &gen.CreateTagsInput{Resources: []string{"nat-0"}, Tags: []gen.Tag{{Key: new("k")}}})), "NatGatewayNotFound"},
		{"tag no allocation", result(s.CreateTags(ctx, &gen.CreateTagsInput{Resources: []string{"eipalloc-0"}, Tags: []gen.Tag{{Key: new("k")}}})), "InvalidAllocationID.NotFound"},

		{"replace a route to nowhere", replace(gen.ReplaceRouteInput{GatewayId: &igw}), "InvalidParameterCombination"},
		{"replace a route without a target", replace(gen.ReplaceRouteInput{DestinationCidrBlock: out}), "InvalidParameterCombination"},
		{"replace a route by two", replace(gen.ReplaceRouteInput{DestinationCidrBlock: out, GatewayId: &igw, NatGatewayId: nat}), "InvalidParameterCombination"},
		{"replace a route of no table", replace(gen.ReplaceRouteInput{RouteTableId: no("rtb-0"), DestinationCidrBlock: out, GatewayId: &igw}), "InvalidRouteTableID.NotFound"},
		{"replace no route", replace(gen.ReplaceRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: &igw}), "InvalidParameterValue"},
		{"replace the local route", replace(gen.ReplaceRouteInput{DestinationCidrBlock: new("172.31.0.0/16"), GatewayId: &igw}), "UnsupportedOperation"},
		{"make a route local", replace(gen.ReplaceRouteInput{DestinationCidrBlock: out, LocalTarget: new(true)}), "UnsupportedOperation"},
		{"replace a route by no gateway", replace(gen.ReplaceRouteInput{DestinationCidrBlock: out, GatewayId: no("igw-0")}), "InvalidInternetGatewayID.NotFound"},
		{"replace a route by no NAT gateway", replace(gen.ReplaceRouteInput{DestinationCidrBlock: out, NatGatewayId: no("nat-0")}), "InvalidNatGatewayID.NotFound"},
		{"route to a foreign NAT gateway", result(s.CreateRoute(ctx, &gen.CreateRouteInput{
			RouteTableId: foreign, DestinationCidrBlock: out, NatGatewayId: nat,
		})), "InvalidParameterValue"},
		{"route of IPv6 to a NAT gateway", result(s.CreateRoute(ctx, &gen.CreateRouteInput{
			RouteTableId: &table, DestinationIpv6CidrBlock: new("64:ff9b::/96"), NatGatewayId: nat,
		})), "UnsupportedOperation"},
		{"replace a route by an instance", replace(gen.ReplaceRouteInput{DestinationCidrBlock: out, InstanceId: new("i-0")}), "UnsupportedOperation"},
		{"replace no association", associate("rtbassoc-0", &table), "InvalidAssociationID.NotFound"},
		{"associate no table", associate(n.RouteTables[0].Main, no("rtb-0")), "InvalidRouteTableID.NotFound"},
		{"associate a foreign table", associate(n.RouteTables[0].Main, foreign), "InvalidParameterValue"},

		{"entry of no ACL", entry(func(in *gen.CreateNetworkAclEntryInput) { in.NetworkAclId = no("acl-0") }), "InvalidNetworkAclID.NotFound"},
		{"entry without a number", entry(func(in *gen.CreateNetworkAclEntryInput) { in.RuleNumber = nil }), "InvalidParameterValue"},
		{"entry with the last number", entry(func(in *gen.CreateNetworkAclEntryInput) { in.RuleNumber = new(int32(32767)) }), "InvalidParameterValue"},
		{"entry without an action", entry(func(in *gen.CreateNetworkAclEntryInput) { in.RuleAction = "" }), "MissingParameter"},
		{"entry without a protocol", entry(func(in *gen.CreateNetworkAclEntryInput) { in.Protocol = nil }), "MissingParameter"},
		{"entry without a block", entry(func(in *gen.CreateNetworkAclEntryInput) { in.CidrBlock = nil }), "InvalidParameterCombination"},
		{"entry with no block", entry(func(in *gen.CreateNetworkAclEntryInput) { in.CidrBlock = new("all") }), "InvalidParameterValue"},
		{"entry with an IPv4 block as IPv6", entry(func(in *gen.CreateNetworkAclEntryInput) {
			in.CidrBlock, in.Ipv6CidrBlock = nil, new("10.0.0.0/8")
		}), "InvalidParameterValue"},
		{"entry without ports", entry(func(in *gen.CreateNetworkAclEntryInput) { in.Protocol = new("6") }), "InvalidParameterValue"},
		{"entry that is there", entry(func(in *gen.CreateNetworkAclEntryInput) { in.RuleNumber = new(int32(100)) }), "NetworkAclEntryAlreadyExists"},
		{"entry, dry", entry(func(in *gen.CreateNetworkAclEntryInput) { in.DryRun = new(true) }), "DryRunOperation"},
		{"delete no entry", remove(7), "InvalidNetworkAclEntry.NotFound"},
		{"delete the last entry", remove(32767), "InvalidParameterValue"},
		{"replace no entry", result(s.ReplaceNetworkAclEntry(ctx, &gen.ReplaceNetworkAclEntryInput{
			NetworkAclId: &acl, RuleNumber: new(int32(7)), Protocol: new("-1"), RuleAction: gen.RuleActionDeny, CidrBlock: out,
		})), "InvalidNetworkAclEntry.NotFound"},
		{"ACL for no association", result(s.ReplaceNetworkAclAssociation(ctx, &gen.ReplaceNetworkAclAssociationInput{
			AssociationId: no("aclassoc-0"), NetworkAclId: &acl,
		})), "InvalidAssociationID.NotFound"},
		{"foreign ACL", result(s.ReplaceNetworkAclAssociation(ctx, &gen.ReplaceNetworkAclAssociationInput{
			AssociationId: no(aclAssociation(subnet)), NetworkAclId: foreignACL,
		})), "InvalidParameterValue"},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want || tt.err == nil {
			t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.want)
		}
	}
	addresses, err := s.DescribeAddresses(ctx, &gen.DescribeAddressesInput{})
	nats, err2 := s.DescribeNatGateways(ctx, &gen.DescribeNatGatewaysInput{})
	if len(must(t, addresses, err).Addresses) != 2 || len(must(t, nats, err2).NatGateways) != 1 {
		t.Errorf("refused calls left something: %+v, %+v", addresses, nats)
	}
}

// What a client can make of these is bounded.
func TestBoundsOfTheModule(t *testing.T) {
	ctx, s, n := seeded(t)
	for range vpcsMax {
		out, err := s.AllocateAddress(ctx, &gen.AllocateAddressInput{})
		must(t, out, err)
	}
	_, err := s.AllocateAddress(ctx, &gen.AllocateAddressInput{})
	wantCode(t, "one address more", err, "AddressLimitExceeded")
	private := &gen.CreateNatGatewayInput{SubnetId: &n.Subnets[0].ID, ConnectivityType: gen.ConnectivityTypePrivate}
	for range vpcsMax {
		out, err := s.CreateNatGateway(ctx, private)
		must(t, out, err)
	}
	_, err = s.CreateNatGateway(ctx, private)
	wantCode(t, "one gateway more", err, "NatGatewayLimitExceeded")
	entry := func(number int) error {
		_, err := s.CreateNetworkAclEntry(ctx, &gen.CreateNetworkAclEntryInput{
			NetworkAclId: &n.VPCs[0].ACL, RuleNumber: new(int32(number)), Protocol: new("-1"), RuleAction: gen.RuleActionAllow, CidrBlock: new("0.0.0.0/0"),
		})
		return err
	}
	for i := range entriesMax - 1 { // one is there
		wantCode(t, "an entry", entry(i+1), "")
	}
	wantCode(t, "one entry more", entry(50), "NetworkAclEntryLimitExceeded")
}
