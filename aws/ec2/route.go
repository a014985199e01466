package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

func (a *api) createRouteTable(ctx context.Context, in *gen.CreateRouteTableInput) (*gen.CreateRouteTableOutput, error) {
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeRouteTable)
	if err != nil {
		return nil, err
	}
	var out gen.RouteTable
	err = a.change(ctx, in.DryRun, func(c *change) error {
		v, err := c.vpc(in.VpcId)
		if err != nil {
			return err
		}
		if token := deref(in.ClientToken); token != "" {
			if t := find(c.RouteTables, func(t *resource.RouteTable) bool { return t.Token == token }); t != nil {
				if t.VPC != v.ID {
					return fault("IdempotentParameterMismatch", "The client token was used for a request with other parameters.")
				}
				out = c.tableItem(*t).shown
				return nil
			}
		}
		n := 0
		for _, t := range c.RouteTables {
			if t.VPC == v.ID {
				n++
			}
		}
		if n >= subnetsMax {
			return fault("RouteTableLimitExceeded", "The maximum number of route tables has been reached.")
		}
		t := resource.RouteTable{ID: resource.NewEC2ID("rtb"), VPC: v.ID, Tags: tags, Token: deref(in.ClientToken)}
		c.putTable(&t)
		out = c.tableItem(t).shown
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateRouteTableOutput{RouteTable: &out, ClientToken: in.ClientToken}, nil
}

func (a *api) deleteRouteTable(ctx context.Context, in *gen.DeleteRouteTableInput) (*gen.DeleteRouteTableOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		t, err := c.table(in.RouteTableId)
		if err != nil {
			return err
		}
		if t.Main != "" || len(t.Associations) > 0 {
			return dependency("routeTable", t.ID)
		}
		c.delete(c.scope.RouteTablesPrefix() + t.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteRouteTableOutput{}, nil
}

// destination reads a route's destination: exactly one block.
func destination(v4, v6, list *string) (netip.Prefix, error) {
	if count(v4 != nil, v6 != nil, list != nil) != 1 {
		return netip.Prefix{}, fault("InvalidParameterCombination",
			"Specify one of destinationCidrBlock, destinationIpv6CidrBlock or destinationPrefixListId")
	}
	if list != nil {
		return netip.Prefix{}, fault("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", *list)
	}
	if v4 != nil {
		return block("destinationCidrBlock", *v4)
	}
	p, err := netip.ParsePrefix(*v6)
	if err != nil || p.Addr().Is4() {
		return p, fault("InvalidParameterValue", "Value (%s) for parameter destinationIpv6CidrBlock is invalid. This is not a valid CIDR block.", *v6)
	}
	return p.Masked(), nil
}

func (a *api) createRoute(ctx context.Context, in *gen.CreateRouteInput) (*gen.CreateRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	target, err := targetOf(in)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, in.DryRun, func(c *change) error {
		t, err := c.table(in.RouteTableId)
		if err != nil {
			return err
		}
		route, err := c.route(t, to, target)
		if err != nil {
			return err
		}
		if err := c.accepts(t, to, in); err != nil {
			return err
		}
		t.Routes = append(t.Routes, route)
		c.putTable(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateRouteOutput{Return: new(true)}, nil
}

// accepts checks that the table can take a route to there.
func (c *change) accepts(t *resource.RouteTable, to netip.Prefix, in *gen.CreateRouteInput) error {
	v, err := c.vpc(&t.VPC)
	if err != nil {
		return err
	}
	local, err := netip.ParsePrefix(v.CIDR)
	if err != nil {
		return err
	}
	asked := deref(in.DestinationCidrBlock) + deref(in.DestinationIpv6CidrBlock)
	switch {
	case to == local, slices.ContainsFunc(t.Routes, func(r resource.Route) bool { return r.To == to.String() }):
		return fault("RouteAlreadyExists", "The route identified by %s already exists.", asked)
	case to.Addr().Is4() && local.Contains(to.Addr()) && to.Bits() > local.Bits():
		return unsupported("destinationCidrBlock", "routes more specific than the VPC's own are")
	case len(t.Routes) >= routesMax:
		return fault("RouteLimitExceeded", "The maximum number of routes has been reached.")
	}
	return nil
}

func (a *api) deleteRoute(ctx context.Context, in *gen.DeleteRouteInput) (*gen.DeleteRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, in.DryRun, func(c *change) error {
		t, err := c.table(in.RouteTableId)
		if err != nil {
			return err
		}
		if v, err := c.vpc(&t.VPC); err == nil && v.CIDR == to.String() {
			return fault("InvalidParameterValue", "cannot remove local route %s in route table %s", to, t.ID)
		}
		i := slices.IndexFunc(t.Routes, func(r resource.Route) bool { return r.To == to.String() })
		if i < 0 {
			return fault("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", to, t.ID)
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		c.putTable(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteRouteOutput{}, nil
}

func (a *api) associateRouteTable(ctx context.Context, in *gen.AssociateRouteTableInput) (*gen.AssociateRouteTableOutput, error) {
	if in.GatewayId != nil || in.PublicIpv4Pool != nil {
		return nil, unsupported("gatewayId", "route tables of gateways are")
	}
	if in.SubnetId == nil {
		return nil, missing("subnetId")
	}
	var id string
	err := a.change(ctx, in.DryRun, func(c *change) error {
		t, err := c.table(in.RouteTableId)
		if err != nil {
			return err
		}
		s, err := c.subnet(in.SubnetId)
		if err != nil {
			return err
		}
		if s.VPC != t.VPC {
			return fault("InvalidParameterValue", "route table %s and subnet %s belong to different networks", t.ID, s.ID)
		}
		for _, o := range c.RouteTables {
			i := slices.IndexFunc(o.Associations, func(x resource.RouteAssociation) bool { return x.Subnet == s.ID })
			switch {
			case i < 0:
			case o.ID == t.ID: // asked for again
				id = o.Associations[i].ID
				return nil
			default:
				return fault("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
			}
		}
		id = resource.NewEC2ID("rtbassoc")
		t.Associations = append(t.Associations, resource.RouteAssociation{ID: id, Subnet: s.ID})
		c.putTable(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.AssociateRouteTableOutput{
		AssociationId: &id, AssociationState: &gen.RouteTableAssociationState{State: gen.RouteTableAssociationStateCodeAssociated},
	}, nil
}

func (a *api) disassociateRouteTable(ctx context.Context, in *gen.DisassociateRouteTableInput) (*gen.DisassociateRouteTableOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		for i := range c.RouteTables {
			t := &c.RouteTables[i]
			if t.Main == *in.AssociationId {
				return fault("InvalidParameterValue", "cannot disassociate the main route table association %s", t.Main)
			}
			n := len(t.Associations)
			t.Associations = slices.DeleteFunc(t.Associations, func(x resource.RouteAssociation) bool { return x.ID == *in.AssociationId })
			if len(t.Associations) < n {
				c.putTable(t)
				return nil
			}
		}
		return fault("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", *in.AssociationId)
	})
	if err != nil {
		return nil, err
	}
	return &gen.DisassociateRouteTableOutput{}, nil
}

func (a *api) describeRouteTables(ctx context.Context, in *gen.DescribeRouteTablesInput) (*gen.DescribeRouteTablesOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.RouteTable]
	for _, t := range w.RouteTables {
		all = append(all, w.tableItem(t))
	}
	tables, next, err := answer(query{
		ids: in.RouteTableIds, notFound: tableNotFound, noun: tableNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"association.gateway-id", "association.main", "association.route-table-association-id", "association.route-table-id",
			"association.subnet-id", "owner-id", "route-table-id", "route.destination-cidr-block", "route.destination-ipv6-cidr-block",
			"route.destination-prefix-list-id", "route.egress-only-internet-gateway-id", "route.gateway-id", "route.instance-id",
			"route.nat-gateway-id", "route.origin", "route.state", "route.transit-gateway-id", "route.vpc-peering-connection-id", "vpc-id",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeRouteTablesOutput{RouteTables: tables, NextToken: next}, nil
}

func (w *world) tableItem(t resource.RouteTable) item[gen.RouteTable] {
	const local = "local"
	out := gen.RouteTable{
		RouteTableId: new(t.ID), VpcId: new(t.VPC), OwnerId: new(w.scope.Account), Tags: tagSet(t.Tags),
		PropagatingVgws: []gen.PropagatingVgw{}, Associations: []gen.RouteTableAssociation{}, Routes: []gen.Route{},
	}
	values := map[string][]string{"route-table-id": {t.ID}, "vpc-id": {t.VPC}, "owner-id": {w.scope.Account}}
	add := func(name, value string) { values[name] = append(values[name], value) }
	associated := func(id, subnet string, main bool) {
		out.Associations = append(out.Associations, gen.RouteTableAssociation{
			Main: new(main), RouteTableAssociationId: new(id), RouteTableId: new(t.ID), SubnetId: text(subnet),
			AssociationState: &gen.RouteTableAssociationState{State: gen.RouteTableAssociationStateCodeAssociated},
		})
		add("association.main", strconv.FormatBool(main))
		add("association.route-table-association-id", id)
		add("association.route-table-id", t.ID)
		if subnet != "" {
			add("association.subnet-id", subnet)
		}
	}
	if t.Main != "" {
		associated(t.Main, "", true)
	}
	for _, x := range t.Associations {
		associated(x.ID, x.Subnet, false)
	}
	route := func(r gen.Route, to string) {
		if p, err := netip.ParsePrefix(to); err == nil && p.Addr().Is6() {
			r.DestinationIpv6CidrBlock = new(to)
			add("route.destination-ipv6-cidr-block", to)
		} else {
			r.DestinationCidrBlock = new(to)
			add("route.destination-cidr-block", to)
		}
		add("route.origin", string(r.Origin))
		add("route.state", string(r.State))
		if r.GatewayId != nil {
			add("route.gateway-id", *r.GatewayId)
		}
		if r.NatGatewayId != nil {
			add("route.nat-gateway-id", *r.NatGatewayId)
		}
		out.Routes = append(out.Routes, r)
	}
	if v, err := w.vpc(&t.VPC); err == nil {
		route(gen.Route{GatewayId: new(local), Origin: gen.RouteOriginCreateRouteTable, State: gen.RouteStateActive}, v.CIDR)
	}
	for _, r := range t.Routes {
		state := gen.RouteStateBlackhole // its target is gone
		if g, err := w.gateway(&r.Gateway); err == nil && g.VPC == t.VPC {
			state = gen.RouteStateActive
		}
		if _, err := w.ownInterface(&r.Interface); r.Interface != "" && err == nil {
			state = gen.RouteStateActive
		}
		if g, err := w.nat(&r.NAT); err == nil && g.VPC == t.VPC && g.Failure == nil {
			state = gen.RouteStateActive
		}
		route(gen.Route{GatewayId: text(r.Gateway), NatGatewayId: text(r.NAT), NetworkInterfaceId: text(r.Interface), Origin: gen.RouteOriginCreateRoute, State: state}, r.To)
	}
	return item[gen.RouteTable]{id: t.ID, shown: out, tags: t.Tags, values: values}
}
