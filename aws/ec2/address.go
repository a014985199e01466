package ec2

import (
	"context"
	"net/netip"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// publicBlock is what elastic addresses are of: a block that is reserved for documentation, so that nobody is reached at one by mistake.
const publicBlock = "203.0.113.0/24"

// addressPool is what EC2 calls its own addresses.
const addressPool = "amazon"

func (a *api) allocateAddress(ctx context.Context, in *gen.AllocateAddressInput) (*gen.AllocateAddressOutput, error) {
	region := scopeOf(ctx).Region
	switch {
	case in.Domain == gen.DomainTypeStandard:
		return nil, unsupported("Domain", "addresses outside of VPCs are")
	case in.Address != nil:
		return nil, unsupported("Address", "getting an address back is")
	case in.CustomerOwnedIpv4Pool != nil, in.IpamPoolId != nil, in.PublicIpv4Pool != nil && *in.PublicIpv4Pool != addressPool:
		return nil, unsupported("PublicIpv4Pool", "address pools are")
	case in.NetworkBorderGroup != nil && *in.NetworkBorderGroup != region:
		return nil, fault("InvalidParameterValue", "Value (%s) for parameter NetworkBorderGroup is invalid. Invalid network border group.", short(*in.NetworkBorderGroup))
	}
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeElasticIp)
	if err != nil {
		return nil, err
	}
	v := resource.ElasticAddress{ID: resource.NewEC2ID("eipalloc"), Tags: tags}
	err = a.change(ctx, in.DryRun, func(c *change) error {
		if len(c.Addresses) >= vpcsMax {
			return fault("AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		if v.Public, err = c.freePublic(); err != nil {
			return err
		}
		c.putAddress(&v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.AllocateAddressOutput{
		AllocationId: &v.ID, PublicIp: &v.Public, Domain: gen.DomainTypeVpc, NetworkBorderGroup: &region, PublicIpv4Pool: new(addressPool),
	}, nil
}

// freePublic is the first address that nobody has. There are more of them than there may be allocations.
func (w *world) freePublic() (string, error) {
	p, err := netip.ParsePrefix(publicBlock)
	if err != nil {
		return "", err
	}
	for ip := p.Addr().Next(); p.Contains(ip.Next()); ip = ip.Next() {
		if find(w.Addresses, func(v *resource.ElasticAddress) bool { return v.Public == ip.String() }) == nil {
			return ip.String(), nil
		}
	}
	return "", fault("InsufficientAddressCapacity", "There are not enough free public addresses.")
}

// holder is the NAT gateway that has the address, or nil.
func (w *world) holder(allocation string) *resource.NATGateway {
	return find(w.NATGateways, func(g *resource.NATGateway) bool { return g.Association != "" && g.Allocation == allocation })
}

func (a *api) releaseAddress(ctx context.Context, in *gen.ReleaseAddressInput) (*gen.ReleaseAddressOutput, error) {
	switch {
	case in.AllocationId == nil && in.PublicIp != nil:
		return nil, fault("InvalidParameterValue", "You must specify an allocation id when releasing a VPC elastic IP address")
	case in.AllocationId == nil:
		return nil, missing("AllocationId")
	case in.PublicIp != nil:
		return nil, fault("InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call")
	}
	err := a.change(ctx, in.DryRun, func(c *change) error {
		v, err := c.allocation(in.AllocationId)
		if err != nil {
			return err
		}
		if c.holder(v.ID) != nil {
			return fault("InvalidIPAddress.InUse", "Address %s is in use.", v.Public)
		}
		c.delete(c.scope.ElasticAddressesPrefix() + v.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ReleaseAddressOutput{}, nil
}

func (a *api) describeAddresses(ctx context.Context, in *gen.DescribeAddressesInput) (*gen.DescribeAddressesOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	ids := in.AllocationIds
	for _, ip := range in.PublicIps {
		v := find(w.Addresses, func(v *resource.ElasticAddress) bool { return v.Public == ip })
		if v == nil {
			return nil, fault("InvalidAddress.NotFound", "Address '%s' not found.", short(ip))
		}
		ids = append(ids, v.ID)
	}
	var all []item[gen.Address]
	for _, v := range w.Addresses {
		all = append(all, w.addressItem(v))
	}
	addresses, _, err := answer(query{
		ids: ids, notFound: addressNotFound, noun: addressNoun, filters: in.Filters, dryRun: in.DryRun,
		known: []string{
			"allocation-id", "association-id", "domain", "instance-id", "network-border-group", "network-interface-id", "network-interface-owner-id",
			"private-ip-address", "public-ip",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeAddressesOutput{Addresses: addresses}, nil
}

func (w *world) addressItem(v resource.ElasticAddress) item[gen.Address] {
	shown := gen.Address{
		AllocationId: new(v.ID), PublicIp: new(v.Public), Domain: gen.DomainTypeVpc, NetworkBorderGroup: new(w.scope.Region),
		PublicIpv4Pool: new(addressPool), Tags: tagSet(v.Tags),
	}
	values := map[string][]string{
		"allocation-id": {v.ID}, "public-ip": {v.Public}, "domain": {string(gen.DomainTypeVpc)}, "network-border-group": {w.scope.Region},
	}
	if g := w.holder(v.ID); g != nil {
		shown.AssociationId, shown.NetworkInterfaceId, shown.PrivateIpAddress = new(g.Association), new(g.Interface), new(g.Address)
		shown.NetworkInterfaceOwnerId = new(w.scope.Account)
		values["association-id"], values["network-interface-id"] = []string{g.Association}, []string{g.Interface}
		values["private-ip-address"], values["network-interface-owner-id"] = []string{g.Address}, []string{w.scope.Account}
	}
	return item[gen.Address]{id: v.ID, shown: shown, tags: v.Tags, values: values}
}

// describeAddressesAttribute shows the names that addresses have, and none has one: ModifyAddressAttribute is not built.
func (a *api) describeAddressesAttribute(ctx context.Context, in *gen.DescribeAddressesAttributeInput) (*gen.DescribeAddressesAttributeOutput, error) {
	if in.Attribute != gen.AddressAttributeNameDomainName {
		return nil, missing("Attribute")
	}
	if _, err := a.describeAddresses(ctx, &gen.DescribeAddressesInput{AllocationIds: in.AllocationIds, DryRun: in.DryRun}); err != nil {
		return nil, err
	}
	return &gen.DescribeAddressesAttributeOutput{Addresses: []gen.AddressAttribute{}}, nil
}
