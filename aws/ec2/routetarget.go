package ec2

import (
	"context"
	"net/netip"
	"slices"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// target is what a route leads to: one of them.
type target struct{ gateway, nat, iface *string }

// targetOf reads the target of a route.
func targetOf(in *gen.CreateRouteInput) (target, error) {
	for _, o := range []struct {
		name  string
		value *string
	}{
		{"vpcEndpointId", in.VpcEndpointId},
		{"transitGatewayId", in.TransitGatewayId},
		{"localGatewayId", in.LocalGatewayId},
		{"carrierGatewayId", in.CarrierGatewayId},
		{"coreNetworkArn", in.CoreNetworkArn},
		{"odbNetworkArn", in.OdbNetworkArn},
		{"egressOnlyInternetGatewayId", in.EgressOnlyInternetGatewayId},
		{"instanceId", in.InstanceId},
		{"vpcPeeringConnectionId", in.VpcPeeringConnectionId},
	} {
		if o.value != nil {
			return target{}, unsupported(o.name, "routes to anything but internet gateways, NAT gateways and network interfaces are")
		}
	}
	if count(in.GatewayId != nil, in.NatGatewayId != nil, in.NetworkInterfaceId != nil) != 1 {
		return target{}, fault("InvalidParameterCombination", "Specify one target of the route: gatewayId, natGatewayId or networkInterfaceId")
	}
	return target{in.GatewayId, in.NatGatewayId, in.NetworkInterfaceId}, nil
}

// route makes the table's route to there, whose target must be of the table's VPC.
func (c *change) route(t *resource.RouteTable, to netip.Prefix, by target) (resource.Route, error) {
	r := resource.Route{To: to.String()}
	foreign := func(what, id string) error {
		return fault("InvalidParameterValue", "route table %s and %s %s belong to different networks", t.ID, what, id)
	}
	switch {
	case by.gateway != nil:
		g, err := c.gateway(by.gateway)
		if err != nil {
			return r, err
		}
		if g.VPC != t.VPC {
			return r, foreign("network gateway", g.ID)
		}
		r.Gateway = g.ID
	case by.nat != nil:
		g, err := c.nat(by.nat)
		if err != nil || g.Failure != nil {
			return r, fault("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", *by.nat)
		}
		if g.VPC != t.VPC {
			return r, foreign("NAT gateway", g.ID)
		}
		if to.Addr().Is6() {
			return r, unsupported("destinationIpv6CidrBlock", "routes of IPv6 to NAT gateways are")
		}
		r.NAT = g.ID
	default:
		i, err := c.ownInterface(by.iface)
		if err != nil {
			return r, err
		}
		if i.VPC != t.VPC {
			return r, foreign("interface", i.ID)
		}
		r.Interface = i.ID
	}
	return r, nil
}

// replaceRoute gives a route another target. The local route stays as it is.
func (a *api) replaceRoute(ctx context.Context, in *gen.ReplaceRouteInput) (*gen.ReplaceRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	if deref(in.LocalTarget) {
		return nil, unsupported("localTarget", "other targets of the local route, to which it would lead back, are")
	}
	by, err := targetOf(&gen.CreateRouteInput{
		VpcEndpointId: in.VpcEndpointId, TransitGatewayId: in.TransitGatewayId, LocalGatewayId: in.LocalGatewayId, CarrierGatewayId: in.CarrierGatewayId,
		CoreNetworkArn: in.CoreNetworkArn, OdbNetworkArn: in.OdbNetworkArn, EgressOnlyInternetGatewayId: in.EgressOnlyInternetGatewayId,
		InstanceId: in.InstanceId, VpcPeeringConnectionId: in.VpcPeeringConnectionId,
		GatewayId: in.GatewayId, NatGatewayId: in.NatGatewayId, NetworkInterfaceId: in.NetworkInterfaceId,
	})
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, in.DryRun, func(c *change) error {
		t, err := c.table(in.RouteTableId)
		if err != nil {
			return err
		}
		if v, err := c.vpc(&t.VPC); err == nil && v.CIDR == to.String() {
			return unsupported("destinationCidrBlock", "other targets of the local route are")
		}
		i := slices.IndexFunc(t.Routes, func(r resource.Route) bool { return r.To == to.String() })
		if i < 0 {
			return fault("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.",
				deref(in.DestinationCidrBlock)+deref(in.DestinationIpv6CidrBlock))
		}
		if t.Routes[i], err = c.route(t, to, by); err != nil {
			return err
		}
		c.putTable(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ReplaceRouteOutput{}, nil
}

// replaceRouteTableAssociation gives a subnet another table, or a VPC another main table.
func (a *api) replaceRouteTableAssociation(
	ctx context.Context, in *gen.ReplaceRouteTableAssociationInput,
) (*gen.ReplaceRouteTableAssociationOutput, error) {
	id := resource.NewEC2ID("rtbassoc")
	err := a.change(ctx, in.DryRun, func(c *change) error {
		to, err := c.table(in.RouteTableId)
		if err != nil {
			return err
		}
		for i := range c.RouteTables {
			from := &c.RouteTables[i]
			at := slices.IndexFunc(from.Associations, func(x resource.RouteAssociation) bool { return x.ID == *in.AssociationId })
			if at < 0 && from.Main != *in.AssociationId {
				continue
			}
			if from.VPC != to.VPC {
				return fault("InvalidParameterValue", "route table %s and the association %s belong to different networks", to.ID, *in.AssociationId)
			}
			if at < 0 {
				v, err := c.vpc(&to.VPC)
				if err != nil {
					return err
				}
				v.MainRouteTable = to.ID
				c.putVPC(v)
				from.Main = ""
				to.Main = id
			} else {
				subnet := from.Associations[at].Subnet
				from.Associations = slices.Delete(from.Associations, at, at+1)
				to.Associations = append(to.Associations, resource.RouteAssociation{ID: id, Subnet: subnet})
			}
			if from.ID != to.ID {
				c.putTable(from)
			}
			c.putTable(to)
			return nil
		}
		return fault("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", *in.AssociationId)
	})
	if err != nil {
		return nil, err
	}
	return &gen.ReplaceRouteTableAssociationOutput{
		NewAssociationId: &id, AssociationState: &gen.RouteTableAssociationState{State: gen.RouteTableAssociationStateCodeAssociated},
	}, nil
}
