package ec2

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
	"weir/metadata"
)

// must fails the test at an error.
func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func filters(pairs ...string) []gen.Filter {
	var out []gen.Filter
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, gen.Filter{Name: &pairs[i], Values: []string{pairs[i+1]}})
	}
	return out
}

func yes() *gen.AttributeBooleanValue { return &gen.AttributeBooleanValue{Value: new(true)} }

// TestTerraformVPC makes the calls of aws_vpc: create, attributes one by one, what is computed of the defaults, delete and look that it is gone.
func TestTerraformVPC(t *testing.T) {
	ctx, s, _ := seeded(t)
	created, err := s.CreateVpc(ctx, &gen.CreateVpcInput{
		CidrBlock: new("10.1.0.0/16"), AmazonProvidedIpv6CidrBlock: new(false), InstanceTenancy: gen.TenancyDefault,
		TagSpecifications: []gen.TagSpecification{{ResourceType: gen.ResourceTypeVpc, Tags: []gen.Tag{{Key: new("Name"), Value: new("msk")}}}},
	})
	id := must(t, created, err).Vpc.VpcId
	if _, err := s.ModifyVpcAttribute(ctx, &gen.ModifyVpcAttributeInput{VpcId: id, EnableDnsHostnames: yes()}); err != nil {
		t.Fatal(err)
	}
	out, err := s.DescribeVpcs(ctx, &gen.DescribeVpcsInput{VpcIds: []string{*id}})
	v := must(t, out, err).Vpcs[0]
	if v.State != gen.VpcStateAvailable || *v.CidrBlock != "10.1.0.0/16" || *v.IsDefault || *v.Tags[0].Value != "msk" || v.InstanceTenancy != "default" {
		t.Errorf("VPC: %+v", v)
	}
	for attribute, want := range map[gen.VpcAttributeName]bool{
		gen.VpcAttributeNameEnableDnsSupport: true, gen.VpcAttributeNameEnableDnsHostnames: true,
		gen.VpcAttributeNameEnableNetworkAddressUsageMetrics: false,
	} {
		got, err := s.DescribeVpcAttribute(ctx, &gen.DescribeVpcAttributeInput{VpcId: id, Attribute: attribute})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []*gen.AttributeBooleanValue{got.EnableDnsSupport, got.EnableDnsHostnames, got.EnableNetworkAddressUsageMetrics} {
			if v != nil && *v.Value != want {
				t.Errorf("%s is %v", attribute, *v.Value)
			}
		}
	}
	acls, err := s.DescribeNetworkAcls(ctx, &gen.DescribeNetworkAclsInput{Filters: filters("default", "true", "vpc-id", *id)})
	if len(must(t, acls, err).NetworkAcls) != 1 || len(acls.NetworkAcls[0].Entries) != 4 {
		t.Errorf("default ACL: %+v", acls)
	}
	tables, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("association.main", "true", "vpc-id", *id)})
	if len(must(t, tables, err).RouteTables) != 1 || *tables.RouteTables[0].Routes[0].GatewayId != "local" {
		t.Errorf("main route table: %+v", tables)
	}
	groups, err := s.DescribeSecurityGroups(ctx, &gen.DescribeSecurityGroupsInput{Filters: filters("group-name", "default", "vpc-id", *id)})
	if len(must(t, groups, err).SecurityGroups) != 1 || len(groups.SecurityGroups[0].IpPermissions) != 1 {
		t.Errorf("default group: %+v", groups)
	}
	if _, err := s.DeleteVpc(ctx, &gen.DeleteVpcInput{VpcId: id}); err != nil {
		t.Fatal(err)
	}
	_, err = s.DescribeVpcs(ctx, &gen.DescribeVpcsInput{VpcIds: []string{*id}})
	wantCode(t, "deleted VPC", err, "InvalidVpcID.NotFound")
	left, err := s.DescribeSecurityGroups(ctx, &gen.DescribeSecurityGroupsInput{Filters: filters("vpc-id", *id)})
	if len(must(t, left, err).SecurityGroups) != 0 {
		t.Errorf("groups are left: %+v", left)
	}
}

// TestTerraformNetwork makes the calls of aws_subnet, aws_security_group with rules, aws_internet_gateway, aws_route_table and its association, and
// destroys them in the order of their dependencies.
func TestTerraformNetwork(t *testing.T) {
	ctx, s, _ := seeded(t)
	v, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.1.0.0/16")})
	vpc := must(t, v, err).Vpc.VpcId

	sub, err := s.CreateSubnet(ctx, &gen.CreateSubnetInput{VpcId: vpc, CidrBlock: new("10.1.1.0/24"), AvailabilityZone: new("eu-west-1b")})
	subnet := must(t, sub, err).Subnet.SubnetId
	if _, err := s.ModifySubnetAttribute(ctx, &gen.ModifySubnetAttributeInput{SubnetId: subnet, MapPublicIpOnLaunch: yes()}); err != nil {
		t.Fatal(err)
	}
	subs, err := s.DescribeSubnets(ctx, &gen.DescribeSubnetsInput{SubnetIds: []string{*subnet}})
	if got := must(t, subs, err).Subnets[0]; !*got.MapPublicIpOnLaunch || *got.AvailabilityZoneId != "euw1-az2" || *got.AvailableIpAddressCount != 251 {
		t.Errorf("subnet: %+v", got)
	}

	// aws_security_group: the default egress rule goes first, then the configured rules come.
	g, err := s.CreateSecurityGroup(ctx, &gen.CreateSecurityGroupInput{GroupName: new("msk"), Description: new("Managed by Terraform"), VpcId: vpc})
	group := must(t, g, err).GroupId
	all := func(v4, v6 string) []gen.IpPermission {
		p := gen.IpPermission{IpProtocol: new("-1"), FromPort: new(int32(0)), ToPort: new(int32(0))}
		if v4 != "" {
			p.IpRanges = []gen.IpRange{{CidrIp: &v4}}
		}
		if v6 != "" {
			p.Ipv6Ranges = []gen.Ipv6Range{{CidrIpv6: &v6}}
		}
		return []gen.IpPermission{p}
	}
	_, err = s.RevokeSecurityGroupEgress(ctx, &gen.RevokeSecurityGroupEgressInput{GroupId: group, IpPermissions: all("0.0.0.0/0", "")})
	must(t, "", err)
	_, err = s.RevokeSecurityGroupEgress(ctx, &gen.RevokeSecurityGroupEgressInput{GroupId: group, IpPermissions: all("", "::/0")})
	wantCode(t, "no IPv6 rule", err, "InvalidPermission.NotFound")
	_, err = s.AuthorizeSecurityGroupIngress(ctx, &gen.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []gen.IpPermission{{
		IpProtocol: new("tcp"), FromPort: new(int32(9092)), ToPort: new(int32(9098)),
		IpRanges:         []gen.IpRange{{CidrIp: new("10.1.0.0/16"), Description: new("clients")}, {CidrIp: new("10.2.0.0/16")}},
		UserIdGroupPairs: []gen.UserIdGroupPair{{GroupId: group}},
	}}})
	must(t, "", err)
	groups, err := s.DescribeSecurityGroups(ctx, &gen.DescribeSecurityGroupsInput{GroupIds: []string{*group}})
	shown := must(t, groups, err).SecurityGroups[0]
	if p := shown.IpPermissions; len(p) != 1 || len(p[0].IpRanges) != 2 || len(p[0].UserIdGroupPairs) != 1 || len(shown.IpPermissionsEgress) != 0 {
		t.Errorf("group: %+v", shown)
	}

	// aws_vpc_security_group_ingress_rule: one rule with an id of its own, changed in place.
	one, err := s.AuthorizeSecurityGroupIngress(ctx, &gen.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: all("10.3.0.0/16", "")})
	rule := must(t, one, err).SecurityGroupRules[0].SecurityGroupRuleId
	_, err = s.ModifySecurityGroupRules(ctx, &gen.ModifySecurityGroupRulesInput{GroupId: group, SecurityGroupRules: []gen.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: rule, SecurityGroupRule: &gen.SecurityGroupRuleRequest{
			IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), CidrIpv4: new("10.3.0.0/16"), Description: new("ssh"),
		},
	}}})
	must(t, "", err)
	rules, err := s.DescribeSecurityGroupRules(ctx, &gen.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*rule}})
	if r := must(t, rules, err).SecurityGroupRules[0]; *r.FromPort != 22 || *r.Description != "ssh" || *r.IsEgress {
		t.Errorf("rule: %+v", r)
	}
	_, err = s.RevokeSecurityGroupIngress(ctx, &gen.RevokeSecurityGroupIngressInput{GroupId: group, SecurityGroupRuleIds: []string{*rule}})
	must(t, "", err)
	_, err = s.DescribeSecurityGroupRules(ctx, &gen.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*rule}})
	wantCode(t, "revoked rule", err, "InvalidSecurityGroupRuleId.NotFound")

	gw, err := s.CreateInternetGateway(ctx, &gen.CreateInternetGatewayInput{})
	gateway := must(t, gw, err).InternetGateway.InternetGatewayId
	_, err = s.AttachInternetGateway(ctx, &gen.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
	must(t, "", err)
	gws, err := s.DescribeInternetGateways(ctx, &gen.DescribeInternetGatewaysInput{Filters: filters("attachment.vpc-id", *vpc)})
	if got := must(t, gws, err).InternetGateways; len(got) != 1 || got[0].Attachments[0].State != "available" {
		t.Errorf("gateway: %+v", got)
	}

	rt, err := s.CreateRouteTable(ctx, &gen.CreateRouteTableInput{VpcId: vpc, ClientToken: new("again")})
	table := must(t, rt, err).RouteTable.RouteTableId
	rt, err = s.CreateRouteTable(ctx, &gen.CreateRouteTableInput{VpcId: vpc, ClientToken: new("again")})
	if *must(t, rt, err).RouteTable.RouteTableId != *table {
		t.Error("a request that was sent twice made two tables")
	}
	_, err = s.CreateRoute(ctx, &gen.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: gateway})
	must(t, "", err)
	as, err := s.AssociateRouteTable(ctx, &gen.AssociateRouteTableInput{RouteTableId: table, SubnetId: subnet})
	association := must(t, as, err).AssociationId
	tables, err := s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{Filters: filters("association.route-table-association-id", *association)})
	if got := must(t, tables, err).RouteTables; len(got) != 1 || len(got[0].Routes) != 2 || got[0].Routes[1].State != gen.RouteStateActive {
		t.Errorf("table: %+v", got)
	}

	// Nothing goes before what is in it.
	_, err = s.DeleteVpc(ctx, &gen.DeleteVpcInput{VpcId: vpc})
	wantCode(t, "VPC in use", err, "DependencyViolation")
	_, err = s.DeleteInternetGateway(ctx, &gen.DeleteInternetGatewayInput{InternetGatewayId: gateway})
	wantCode(t, "attached gateway", err, "DependencyViolation")
	_, err = s.DeleteRouteTable(ctx, &gen.DeleteRouteTableInput{RouteTableId: table})
	wantCode(t, "associated table", err, "DependencyViolation")

	_, err = s.DisassociateRouteTable(ctx, &gen.DisassociateRouteTableInput{AssociationId: association})
	must(t, "", err)
	_, err = s.DeleteRouteTable(ctx, &gen.DeleteRouteTableInput{RouteTableId: table})
	must(t, "", err)
	_, err = s.DescribeRouteTables(ctx, &gen.DescribeRouteTablesInput{RouteTableIds: []string{*table}})
	wantCode(t, "deleted table", err, "InvalidRouteTableID.NotFound")
	_, err = s.DetachInternetGateway(ctx, &gen.DetachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
	must(t, "", err)
	_, err = s.DetachInternetGateway(ctx, &gen.DetachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
	wantCode(t, "detached gateway", err, "Gateway.NotAttached")
	_, err = s.DeleteInternetGateway(ctx, &gen.DeleteInternetGatewayInput{InternetGatewayId: gateway})
	must(t, "", err)
	_, err = s.DeleteSecurityGroup(ctx, &gen.DeleteSecurityGroupInput{GroupId: group})
	must(t, "", err)
	_, err = s.DescribeSecurityGroups(ctx, &gen.DescribeSecurityGroupsInput{GroupIds: []string{*group}})
	wantCode(t, "deleted group", err, "InvalidGroup.NotFound")
	_, err = s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: subnet})
	must(t, "", err)
	_, err = s.DeleteVpc(ctx, &gen.DeleteVpcInput{VpcId: vpc})
	must(t, "", err)
}

// placed adds a cluster with one broker in each of the subnets.
func placed(t *testing.T, store metadata.Store, n *resource.Network) resource.Cluster {
	t.Helper()
	c := resource.Cluster{UUID: resource.NewUUID(), Name: "orders", Account: scope.Account, Region: scope.Region, State: resource.Active}
	c.SecurityGroups = []string{n.SecurityGroups[0].ID}
	for _, s := range n.Subnets {
		c.Subnets = append(c.Subnets, resource.ClientSubnet{ID: s.ID, VPC: s.VPC, Zone: s.Zone, ZoneID: s.ZoneID})
		c.Nodes = append(c.Nodes, resource.BrokerNode{
			ENI: resource.NewEC2ID("eni"), Subnet: s.ID, ZoneID: s.ZoneID,
			Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "127.27.1.1", Port: 9092}},
		})
	}
	op := resource.NewOperation(resource.OpCreate, c.UUID, "", c.Created)
	if _, err := store.Commit(t.Context(), resource.CreateTxn(c, op)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBrokersHaveInterfaces(t *testing.T) {
	ctx, s, n, store := opened(t)
	c := placed(t, store, n)
	out, err := s.DescribeNetworkInterfaces(ctx, &gen.DescribeNetworkInterfacesInput{Filters: filters("group-id", c.SecurityGroups[0], "requester-managed", "true")})
	if len(must(t, out, err).NetworkInterfaces) != 3 {
		t.Fatalf("interfaces: %+v", out)
	}
	v := out.NetworkInterfaces[0]
	if *v.PrivateIpAddress != "127.27.1.1" || *v.Attachment.InstanceOwnerId != "amazon-aws" || v.Status != gen.NetworkInterfaceStatusInUse {
		t.Errorf("interface: %+v", v)
	}
	subs, err := s.DescribeSubnets(ctx, &gen.DescribeSubnetsInput{SubnetIds: []string{c.Subnets[0].ID}})
	if got := *must(t, subs, err).Subnets[0].AvailableIpAddressCount; got != 4090 {
		t.Errorf("%d addresses are free", got)
	}
	_, err = s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: &c.Subnets[0].ID})
	wantCode(t, "subnet of a cluster", err, "DependencyViolation")
	_, err = s.DeleteNetworkInterface(ctx, &gen.DeleteNetworkInterfaceInput{NetworkInterfaceId: v.NetworkInterfaceId})
	wantCode(t, "interface of a broker", err, "OperationNotPermitted")
	_, err = s.DetachNetworkInterface(ctx, &gen.DetachNetworkInterfaceInput{AttachmentId: v.Attachment.AttachmentId})
	wantCode(t, "attachment of a broker", err, "OperationNotPermitted")
}

// racing lets a cluster be made just before the first commit that it sees.
type racing struct {
	metadata.Store
	first func()
}

func (r *racing) Commit(ctx context.Context, t metadata.Txn) (metadata.Revision, error) {
	if f := r.first; f != nil {
		r.first = nil
		f()
	}
	return r.Store.Commit(ctx, t)
}

func TestNothingIsDeletedThatAClusterJustTook(t *testing.T) {
	ctx, _, n, store := opened(t)
	s := New(&racing{Store: store, first: func() { placed(t, store, n) }})
	_, err := s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: &n.Subnets[0].ID})
	wantCode(t, "subnet that a cluster took meanwhile", err, "DependencyViolation")
}

func TestConnectionsAndServerlessClustersUseTheirNetworks(t *testing.T) {
	ctx, s, n, store := opened(t)
	v, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	vpc := must(t, v, err).Vpc.VpcId
	var subnets, groups []string
	for _, cidr := range []string{"10.0.1.0/24", "10.0.2.0/24"} {
		sub, err := s.CreateSubnet(ctx, &gen.CreateSubnetInput{VpcId: vpc, CidrBlock: &cidr})
		subnets = append(subnets, *must(t, sub, err).Subnet.SubnetId)
		g, err := s.CreateSecurityGroup(ctx, &gen.CreateSecurityGroupInput{GroupName: &cidr, Description: &cidr, VpcId: vpc})
		groups = append(groups, *must(t, g, err).GroupId)
	}
	c := resource.Cluster{UUID: resource.NewUUID(), Name: "serverless", Account: scope.Account, Region: scope.Region}
	c.Serverless = &resource.Serverless{VPCs: []resource.VPCAccess{
		{VPC: n.VPCs[0].ID}, {VPC: *vpc, Subnets: []resource.ClientSubnet{{ID: subnets[0]}}, SecurityGroups: groups[:1]},
	}}
	connection := resource.VPCConnection{
		UUID: resource.NewUUID(), Account: scope.Account, Region: scope.Region, Subnets: subnets[1:], SecurityGroups: groups[1:],
	}
	txn := resource.CreateTxn(c, resource.NewOperation(resource.OpCreate, c.UUID, "", c.Created))
	txn.Then = append(txn.Then, metadata.Put(connection.Key(), metadata.Encode(connection)))
	if _, err := store.Commit(t.Context(), txn); err != nil {
		t.Fatal(err)
	}
	for i := range subnets {
		_, err := s.DeleteSubnet(ctx, &gen.DeleteSubnetInput{SubnetId: &subnets[i]})
		wantCode(t, "subnet in use", err, "DependencyViolation")
		_, err = s.DeleteSecurityGroup(ctx, &gen.DeleteSecurityGroupInput{GroupId: &groups[i]})
		wantCode(t, "group in use", err, "DependencyViolation")
	}
}

func TestNetworksOfTheFirstReleaseAreCompleted(t *testing.T) {
	store := metadata.NewMem()
	t.Cleanup(func() { _ = store.Close() })
	put := func(key, value string) {
		t.Helper()
		if _, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(key, []byte(value))}}); err != nil {
			t.Fatal(err)
		}
	}
	put(scope.Prefix()+"default-network", `"vpc-1"`)
	put(scope.VPCsPrefix()+"vpc-1", `{"id":"vpc-1","cidr":"172.31.0.0/16","default":true}`)
	put(scope.SubnetsPrefix()+"subnet-1", `{"id":"subnet-1","vpc":"vpc-1","cidr":"172.31.0.0/20","zone":"eu-west-1a","zoneId":"euw1-az1","default":true}`)
	put(scope.SecurityGroupsPrefix()+"sg-1", `{"id":"sg-1","vpc":"vpc-1","name":"default","description":"default VPC security group"}`)
	var first *resource.Network
	for range 2 {
		if err := resource.SeedNetwork(t.Context(), store, scope); err != nil {
			t.Fatal(err)
		}
		n, err := resource.ReadNetwork(t.Context(), store, scope)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = n
		} else if diff := cmp.Diff(first, n); diff != "" {
			t.Errorf("the second start changes it:\n%s", diff)
		}
	}
	v := first.VPCs[0]
	if v.ID != "vpc-1" || !v.DNSSupport || v.MainRouteTable != first.RouteTables[0].ID || first.Gateways[0].VPC != "vpc-1" ||
		!first.Subnets[0].MapPublicIP || len(first.SecurityGroups[0].Rules) != 2 {
		t.Errorf("completed: %+v", first)
	}
}
