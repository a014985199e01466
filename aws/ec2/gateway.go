package ec2

import (
	"context"
	"slices"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

func (a *api) createInternetGateway(ctx context.Context, in *gen.CreateInternetGatewayInput) (*gen.CreateInternetGatewayOutput, error) {
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeInternetGateway)
	if err != nil {
		return nil, err
	}
	var out gen.InternetGateway
	err = a.change(ctx, in.DryRun, func(c *change) error {
		if len(c.Gateways) >= vpcsMax {
			return fault("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.")
		}
		g := resource.InternetGateway{ID: resource.NewEC2ID("igw"), Tags: tags}
		c.putGateway(&g)
		out = gatewayItem(c.scope, g).shown
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateInternetGatewayOutput{InternetGateway: &out}, nil
}

func (a *api) attachInternetGateway(ctx context.Context, in *gen.AttachInternetGatewayInput) (*gen.AttachInternetGatewayOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		g, err := c.gateway(in.InternetGatewayId)
		if err != nil {
			return err
		}
		v, err := c.vpc(in.VpcId)
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return fault("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPC)
		}
		if other := find(c.Gateways, func(o *resource.InternetGateway) bool { return o.VPC == v.ID }); other != nil {
			return fault("InvalidParameterValue", "Network %s already has an internet gateway attached", v.ID)
		}
		g.VPC = v.ID
		c.putGateway(g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.AttachInternetGatewayOutput{}, nil
}

// detachInternetGateway leaves routes to the gateway as they are; they are shown as black holes. Public addresses in the VPC hold it up.
func (a *api) detachInternetGateway(ctx context.Context, in *gen.DetachInternetGatewayInput) (*gen.DetachInternetGatewayOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		g, err := c.gateway(in.InternetGatewayId)
		if err != nil {
			return err
		}
		if _, err := c.vpc(in.VpcId); err != nil {
			return err
		}
		if g.VPC != *in.VpcId {
			return fault("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, *in.VpcId)
		}
		if slices.ContainsFunc(c.NATGateways, func(n resource.NATGateway) bool { return n.VPC == g.VPC && n.Association != "" }) {
			return fault("DependencyViolation",
				"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", g.VPC)
		}
		g.VPC = ""
		c.putGateway(g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DetachInternetGatewayOutput{}, nil
}

func (a *api) deleteInternetGateway(ctx context.Context, in *gen.DeleteInternetGatewayInput) (*gen.DeleteInternetGatewayOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		g, err := c.gateway(in.InternetGatewayId)
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return dependency("internetGateway", g.ID)
		}
		c.delete(c.scope.InternetGatewaysPrefix() + g.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteInternetGatewayOutput{}, nil
}

func (a *api) describeInternetGateways(ctx context.Context, in *gen.DescribeInternetGatewaysInput) (*gen.DescribeInternetGatewaysOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.InternetGateway]
	for _, g := range w.Gateways {
		all = append(all, gatewayItem(w.scope, g))
	}
	gateways, next, err := answer(query{
		ids: in.InternetGatewayIds, notFound: gatewayNotFound, noun: gatewayNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{"attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeInternetGatewaysOutput{InternetGateways: gateways, NextToken: next}, nil
}

func gatewayItem(s resource.Scope, g resource.InternetGateway) item[gen.InternetGateway] {
	shown := gen.InternetGateway{
		InternetGatewayId: new(g.ID), OwnerId: new(s.Account), Tags: tagSet(g.Tags), Attachments: []gen.InternetGatewayAttachment{},
	}
	values := map[string][]string{"internet-gateway-id": {g.ID}, "owner-id": {s.Account}}
	if g.VPC != "" {
		// Gateways are "available" when they are attached, which the model's enumeration does not have.
		shown.Attachments = append(shown.Attachments, gen.InternetGatewayAttachment{State: stateAvailable, VpcId: new(g.VPC)})
		values["attachment.state"], values["attachment.vpc-id"] = []string{stateAvailable}, []string{g.VPC}
	}
	return item[gen.InternetGateway]{id: g.ID, shown: shown, tags: g.Tags, values: values}
}
