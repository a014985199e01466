package ec2

import (
	"context"
	"time"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// createNatGateway makes a NAT gateway, which is there at once, or has failed at once. It translates nothing.
func (a *api) createNatGateway(ctx context.Context, in *gen.CreateNatGatewayInput) (*gen.CreateNatGatewayOutput, error) {
	private := in.ConnectivityType == gen.ConnectivityTypePrivate
	switch {
	case in.AvailabilityMode == gen.AvailabilityModeRegional, in.VpcId != nil, len(in.AvailabilityZoneAddresses) > 0:
		return nil, unsupported("AvailabilityMode", "NAT gateways of a whole Region are")
	case len(in.SecondaryAllocationIds) > 0, len(in.SecondaryPrivateIpAddresses) > 0, deref(in.SecondaryPrivateIpAddressCount) > 0:
		return nil, unsupported("SecondaryAllocationId", "NAT gateways with several addresses are")
	case in.SubnetId == nil:
		return nil, missing("SubnetId")
	case private && in.AllocationId != nil:
		return nil, fault("InvalidParameterCombination", "A private NAT gateway has no elastic IP address: specify no AllocationId")
	case !private && in.AllocationId == nil:
		return nil, missing("AllocationId")
	}
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeNatgateway)
	if err != nil {
		return nil, err
	}
	var out gen.NatGateway
	err = a.change(ctx, in.DryRun, func(c *change) error {
		s, err := c.subnet(in.SubnetId)
		if err != nil {
			return err
		}
		if token := deref(in.ClientToken); token != "" {
			if g := find(c.NATGateways, func(g *resource.NATGateway) bool { return g.Token == token }); g != nil {
				if g.Subnet != s.ID || g.Private != private || g.Failure == nil && g.Allocation != deref(in.AllocationId) {
					return fault("IdempotentParameterMismatch", "The client token was used for a request with other parameters.")
				}
				out = c.natItem(*g).shown
				return nil
			}
		}
		if len(c.NATGateways) >= vpcsMax {
			return fault("NatGatewayLimitExceeded", "The maximum number of NAT gateways has been reached.")
		}
		g := resource.NATGateway{
			ID: resource.NewEC2ID("nat"), Subnet: s.ID, VPC: s.VPC, Private: private, Created: time.Now().UTC(), Token: deref(in.ClientToken), Tags: tags,
		}
		if err := c.equip(&g, s, in); err != nil {
			return err
		}
		c.putNAT(&g)
		c.NATGateways = append(c.NATGateways, g)
		out = c.natItem(g).shown
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateNatGatewayOutput{NatGateway: &out, ClientToken: in.ClientToken}, nil
}

// equip gives a new gateway its addresses. A public one in a network without an internet gateway is made, as on EC2, and has failed.
func (c *change) equip(g *resource.NATGateway, s *resource.Subnet, in *gen.CreateNatGatewayInput) (err error) {
	address, err := c.address(s, deref(in.PrivateIpAddress))
	if err != nil {
		return err
	}
	if !g.Private {
		v, err := c.allocation(in.AllocationId)
		if err != nil {
			return err
		}
		if c.holder(v.ID) != nil {
			return fault("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", v.ID)
		}
		if find(c.Gateways, func(o *resource.InternetGateway) bool { return o.VPC == g.VPC }) == nil {
			g.Failure = &resource.StateInfo{Code: "Gateway.NotAttached", Message: "Network " + g.VPC + " has no Internet gateway attached"}
			return nil
		}
		g.Allocation, g.Association = v.ID, resource.NewEC2ID("eipassoc")
	}
	g.Interface, g.Address, g.MAC = resource.NewEC2ID("eni"), address, resource.NewMAC()
	return nil
}

// deleteNatGateway leaves routes to the gateway as they are; they are shown as black holes. The gateway is gone at once.
func (a *api) deleteNatGateway(ctx context.Context, in *gen.DeleteNatGatewayInput) (*gen.DeleteNatGatewayOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		g, err := c.nat(in.NatGatewayId)
		if err != nil {
			return err
		}
		c.delete(c.scope.NATGatewaysPrefix() + g.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteNatGatewayOutput{NatGatewayId: in.NatGatewayId}, nil
}

func (a *api) describeNatGateways(ctx context.Context, in *gen.DescribeNatGatewaysInput) (*gen.DescribeNatGatewaysOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.NatGateway]
	for _, g := range w.NATGateways {
		all = append(all, w.natItem(g))
	}
	gateways, next, err := answer(query{
		ids: in.NatGatewayIds, notFound: natNotFound, noun: natNoun,
		filters: in.Filter, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{"nat-gateway-id", "state", "subnet-id", "vpc-id"},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeNatGatewaysOutput{NatGateways: gateways, NextToken: next}, nil
}

func (w *world) natItem(g resource.NATGateway) item[gen.NatGateway] {
	shown := gen.NatGateway{
		NatGatewayId: new(g.ID), SubnetId: new(g.Subnet), VpcId: new(g.VPC), CreateTime: new(g.Created), State: gen.NatGatewayStateAvailable,
		ConnectivityType: gen.ConnectivityTypePublic, AvailabilityMode: gen.AvailabilityModeZonal, Tags: tagSet(g.Tags),
		NatGatewayAddresses: []gen.NatGatewayAddress{},
	}
	if g.Private {
		shown.ConnectivityType = gen.ConnectivityTypePrivate
	}
	if g.Failure != nil {
		shown.State, shown.FailureCode, shown.FailureMessage = gen.NatGatewayStateFailed, new(g.Failure.Code), new(g.Failure.Message)
	} else {
		one := gen.NatGatewayAddress{
			NetworkInterfaceId: new(g.Interface), PrivateIp: new(g.Address), IsPrimary: new(true), Status: gen.NatGatewayAddressStatusSucceeded,
		}
		if v, err := w.allocation(&g.Allocation); err == nil {
			one.AllocationId, one.AssociationId, one.PublicIp = new(v.ID), new(g.Association), new(v.Public)
		}
		shown.NatGatewayAddresses = append(shown.NatGatewayAddresses, one)
	}
	return item[gen.NatGateway]{id: g.ID, shown: shown, tags: g.Tags, values: map[string][]string{
		"nat-gateway-id": {g.ID}, "state": {string(shown.State)}, "subnet-id": {g.Subnet}, "vpc-id": {g.VPC},
	}}
}

// natInterface shows the interface of a gateway, which is the gateway's to change.
func (w *world) natInterface(g resource.NATGateway) item[gen.NetworkInterface] {
	it := w.interfaceItem(resource.NetworkInterface{
		ID: g.Interface, Subnet: g.Subnet, VPC: g.VPC, Description: "Interface for NAT Gateway " + g.ID, Address: g.Address, MAC: g.MAC, Unchecked: true,
	}, nil)
	v := &it.shown
	v.RequesterManaged, v.InterfaceType, v.Status = new(true), gen.NetworkInterfaceTypeNatGateway, gen.NetworkInterfaceStatusInUse
	it.values["requester-managed"], it.values["interface-type"] = []string{"true"}, []string{string(v.InterfaceType)}
	it.values["status"] = []string{string(v.Status)}
	if a, err := w.allocation(&g.Allocation); err == nil {
		v.Association = &gen.NetworkInterfaceAssociation{
			AllocationId: new(a.ID), AssociationId: new(g.Association), PublicIp: new(a.Public), IpOwnerId: new(w.scope.Account),
		}
		it.values["association.allocation-id"], it.values["association.association-id"] = []string{a.ID}, []string{g.Association}
		it.values["association.public-ip"] = []string{a.Public}
	}
	return it
}
