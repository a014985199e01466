package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"time"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// createNetworkInterface makes an interface with one address. It is a record: nothing can be attached to it.
func (a *api) createNetworkInterface(ctx context.Context, in *gen.CreateNetworkInterfaceInput) (*gen.CreateNetworkInterfaceOutput, error) {
	switch {
	case len(in.Ipv6Addresses) > 0, deref(in.Ipv6AddressCount) > 0, deref(in.EnablePrimaryIpv6), len(in.Ipv6Prefixes) > 0, deref(in.Ipv6PrefixCount) > 0:
		return nil, unsupported("ipv6Addresses", "IPv6 addresses are")
	case len(in.Ipv4Prefixes) > 0, deref(in.Ipv4PrefixCount) > 0, deref(in.SecondaryPrivateIpAddressCount) > 0, len(in.PrivateIpAddresses) > 1:
		return nil, unsupported("secondaryPrivateIpAddressCount", "interfaces with several addresses are")
	case in.InterfaceType != "", in.ConnectionTrackingSpecification != nil, in.Operator != nil:
		return nil, unsupported("InterfaceType", "interfaces other than ordinary ones are")
	}
	address := deref(in.PrivateIpAddress)
	if len(in.PrivateIpAddresses) == 1 {
		address = deref(in.PrivateIpAddresses[0].PrivateIpAddress)
	}
	tags, err := tagsFor(in.TagSpecifications, gen.ResourceTypeNetworkInterface)
	if err != nil {
		return nil, err
	}
	var out gen.NetworkInterface
	err = a.change(ctx, in.DryRun, func(c *change) error {
		s, err := c.subnet(in.SubnetId)
		if err != nil {
			return err
		}
		if token := deref(in.ClientToken); token != "" {
			if v := find(c.Interfaces, func(v *resource.NetworkInterface) bool { return v.Token == token }); v != nil {
				if v.Subnet != s.ID {
					return fault("IdempotentParameterMismatch", "The client token was used for a request with other parameters.")
				}
				out = c.interfaceItem(*v, nil).shown
				return nil
			}
		}
		if len(c.Interfaces) >= interfacesMax {
			return fault("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached.")
		}
		groups, err := c.interfaceGroups(s.VPC, in.Groups)
		if err != nil {
			return err
		}
		v := resource.NetworkInterface{
			ID: resource.NewEC2ID("eni"), Subnet: s.ID, VPC: s.VPC, Description: deref(in.Description), Groups: groups,
			MAC: resource.NewMAC(), Tags: tags, Token: deref(in.ClientToken),
		}
		if v.Address, err = c.address(s, address); err != nil {
			return err
		}
		c.putInterface(&v)
		out = c.interfaceItem(v, nil).shown
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateNetworkInterfaceOutput{NetworkInterface: &out, ClientToken: in.ClientToken}, nil
}

// interfaceGroups checks the groups of an interface; without any it gets the VPC's default group.
func (w *world) interfaceGroups(vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		for _, g := range w.SecurityGroups {
			if g.VPC == vpc && g.Name == resource.DefaultGroupName {
				return []string{g.ID}, nil
			}
		}
	}
	var out []string
	for _, id := range ids {
		g, err := w.group(&id, nil)
		if err != nil {
			return nil, err
		}
		if g.VPC != vpc {
			return nil, fault("InvalidParameterValue", "You have specified two resources that belong to different networks: %s, %s", id, vpc)
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// address returns the wanted address of the subnet, or its first free one.
func (w *world) address(s *resource.Subnet, wanted string) (string, error) {
	p, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return "", err
	}
	taken := make(map[string]bool)
	for _, v := range w.Interfaces {
		taken[v.Address] = taken[v.Address] || v.Subnet == s.ID
	}
	for _, g := range w.NATGateways {
		taken[g.Address] = taken[g.Address] || g.Subnet == s.ID
	}
	if wanted != "" {
		ip, err := netip.ParseAddr(wanted)
		if err != nil || !p.Contains(ip) || !usable(p, ip) {
			return "", fault("InvalidParameterValue", "Address %s does not fall within the subnet's address range", short(wanted))
		}
		if taken[wanted] {
			return "", fault("InvalidIPAddress.InUse", "Address %s is in use.", wanted)
		}
		return wanted, nil
	}
	if w.free(*s) > 0 {
		for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
			if usable(p, ip) && !taken[ip.String()] {
				return ip.String(), nil
			}
		}
	}
	return "", fault("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
}

// usable tells whether EC2 does not keep the address to itself.
func usable(p netip.Prefix, ip netip.Addr) bool {
	first := p.Addr()
	for range reserved - 1 {
		if ip == first {
			return false
		}
		first = first.Next()
	}
	return p.Contains(ip.Next()) // the last one
}

func (a *api) deleteNetworkInterface(ctx context.Context, in *gen.DeleteNetworkInterfaceInput) (*gen.DeleteNetworkInterfaceOutput, error) {
	err := a.change(ctx, in.DryRun, func(c *change) error {
		v, err := c.ownInterface(in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		c.delete(c.scope.NetworkInterfacesPrefix() + v.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteNetworkInterfaceOutput{}, nil
}

// modifyNetworkInterfaceAttribute changes one attribute, as EC2 demands.
func (a *api) modifyNetworkInterfaceAttribute(ctx context.Context, in *gen.ModifyNetworkInterfaceAttributeInput) (
	*gen.ModifyNetworkInterfaceAttributeOutput, error,
) {
	checked, k := boolOf(in.SourceDestCheck)
	switch given := count(k, in.Description != nil, len(in.Groups) > 0); {
	case in.EnaSrdSpecification != nil, in.EnablePrimaryIpv6 != nil, in.ConnectionTrackingSpecification != nil,
		in.AssociatePublicIpAddress != nil, in.Attachment != nil, len(in.AssociatedSubnetIds) > 0:
		return nil, unsupported("attachment", "attributes other than description, sourceDestCheck and groupSet are")
	case given == 0:
		return nil, missing("description, sourceDestCheck or SecurityGroupId")
	case given > 1:
		return nil, fault("InvalidParameterCombination", "Fields for multiple attribute types specified: change one attribute at a time")
	}
	err := a.change(ctx, in.DryRun, func(c *change) error {
		v, err := c.ownInterface(in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		switch {
		case k:
			v.Unchecked = !checked
		case in.Description != nil:
			v.Description = deref(in.Description.Value)
		default:
			if v.Groups, err = c.interfaceGroups(v.VPC, in.Groups); err != nil {
				return err
			}
		}
		c.putInterface(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ModifyNetworkInterfaceAttributeOutput{}, nil
}

// detachNetworkInterface finds nothing that could be detached: only brokers' interfaces are attached.
func (a *api) detachNetworkInterface(ctx context.Context, in *gen.DetachNetworkInterfaceInput) (*gen.DetachNetworkInterfaceOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range w.brokers() {
		if attachment(b.ID) == *in.AttachmentId {
			return nil, fault("OperationNotPermitted", "You are not allowed to manage '%s' attachments.", attachmentOwner)
		}
	}
	return nil, fault("InvalidAttachmentID.NotFound", "The attachment ID '%s' does not exist", *in.AttachmentId)
}

// attachmentOwner is what owns the attachments of managed interfaces.
const attachmentOwner = "amazon-aws"

func attachment(id string) string { return "eni-attach-" + suffix(id) }

func (a *api) describeNetworkInterfaces(ctx context.Context, in *gen.DescribeNetworkInterfacesInput) (*gen.DescribeNetworkInterfacesOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	var all []item[gen.NetworkInterface]
	for _, v := range w.Interfaces {
		all = append(all, w.interfaceItem(v, nil))
	}
	for _, b := range w.brokers() {
		all = append(all, w.interfaceItem(b.NetworkInterface, &b))
	}
	for _, g := range w.NATGateways {
		if g.Failure == nil {
			all = append(all, w.natInterface(g))
		}
	}
	interfaces, next, err := answer(query{
		ids: in.NetworkInterfaceIds, notFound: interfaceNotFound, noun: interfaceNoun,
		filters: in.Filters, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
		known: []string{
			"addresses.private-ip-address", "addresses.primary", "association.allocation-id", "association.association-id",
			"association.public-ip", "attachment.attachment-id", "attachment.instance-id", "attachment.instance-owner-id", "attachment.status",
			"availability-zone", "description", "group-id", "group-name", "interface-type", "mac-address", "network-interface-id", "owner-id",
			"private-dns-name", "private-ip-address", "requester-id", "requester-managed", "source-dest-check", "status", "subnet-id", "vpc-id",
		},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeNetworkInterfacesOutput{NetworkInterfaces: interfaces, NextToken: next}, nil
}

// interfaceItem shows an interface; of is the broker that it belongs to, or nil.
func (w *world) interfaceItem(v resource.NetworkInterface, of *broker) item[gen.NetworkInterface] {
	const requester = "amazon-msk"
	out := gen.NetworkInterface{
		NetworkInterfaceId: new(v.ID), SubnetId: new(v.Subnet), VpcId: new(v.VPC), Description: new(v.Description), OwnerId: new(w.scope.Account),
		InterfaceType: gen.NetworkInterfaceTypeInterface, Status: gen.NetworkInterfaceStatusAvailable, SourceDestCheck: new(!v.Unchecked),
		RequesterManaged: new(of != nil), TagSet: tagSet(v.Tags), Groups: []gen.GroupIdentifier{},
		PrivateIpAddresses: []gen.NetworkInterfacePrivateIpAddress{},
	}
	values := map[string][]string{
		"network-interface-id": {v.ID}, "subnet-id": {v.Subnet}, "vpc-id": {v.VPC}, "description": {v.Description}, "owner-id": {w.scope.Account},
		"interface-type": {string(gen.NetworkInterfaceTypeInterface)}, "requester-managed": {strconv.FormatBool(of != nil)},
		"source-dest-check": {strconv.FormatBool(!v.Unchecked)}, "group-id": v.Groups,
	}
	if s, err := w.subnet(&v.Subnet); err == nil {
		out.AvailabilityZone, out.AvailabilityZoneId = new(s.Zone), new(s.ZoneID)
		values["availability-zone"] = []string{s.Zone}
	}
	for _, id := range v.Groups {
		if g, err := w.group(&id, nil); err == nil {
			out.Groups = append(out.Groups, gen.GroupIdentifier{GroupId: new(id), GroupName: new(g.Name)})
			values["group-name"] = append(values["group-name"], g.Name)
		}
	}
	if v.MAC != "" {
		out.MacAddress = new(v.MAC)
		values["mac-address"] = []string{v.MAC}
	}
	if v.Address != "" { // a broker that has not served yet has none
		out.PrivateIpAddress = new(v.Address)
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, gen.NetworkInterfacePrivateIpAddress{Primary: new(true), PrivateIpAddress: new(v.Address)})
		values["private-ip-address"], values["addresses.private-ip-address"] = []string{v.Address}, []string{v.Address}
		values["addresses.primary"] = []string{"true"}
	}
	if of != nil {
		out.RequesterId, out.Status = new(requester), gen.NetworkInterfaceStatusInUse
		out.Attachment = &gen.NetworkInterfaceAttachment{
			AttachmentId: new(attachment(v.ID)), InstanceOwnerId: new(attachmentOwner), Status: gen.AttachmentStatusAttached,
			DeleteOnTermination: new(false), DeviceIndex: new(int32(1)), AttachTime: timeOf(of.joined.Joined),
		}
		values["requester-id"], values["attachment.instance-owner-id"] = []string{requester}, []string{attachmentOwner}
		values["attachment.attachment-id"], values["attachment.status"] = []string{attachment(v.ID)}, []string{string(gen.AttachmentStatusAttached)}
	}
	values["status"] = []string{string(out.Status)}
	return item[gen.NetworkInterface]{id: v.ID, shown: out, tags: v.Tags, values: values}
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *api) describeNetworkInterfaceAttribute(ctx context.Context, in *gen.DescribeNetworkInterfaceAttributeInput) (
	*gen.DescribeNetworkInterfaceAttributeOutput, error,
) {
	shown, err := a.describeNetworkInterfaces(ctx, &gen.DescribeNetworkInterfacesInput{
		NetworkInterfaceIds: []string{*in.NetworkInterfaceId}, DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	v := shown.NetworkInterfaces[0]
	out := &gen.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: v.NetworkInterfaceId}
	switch in.Attribute {
	case gen.NetworkInterfaceAttributeDescription:
		out.Description = &gen.AttributeValue{Value: v.Description}
	case gen.NetworkInterfaceAttributeGroupSet:
		out.Groups = v.Groups
	case gen.NetworkInterfaceAttributeSourceDestCheck:
		out.SourceDestCheck = &gen.AttributeBooleanValue{Value: v.SourceDestCheck}
	case gen.NetworkInterfaceAttributeAttachment:
		out.Attachment = v.Attachment
	case "":
		return nil, missing("attribute")
	default:
		return nil, unsupported("attribute", string(in.Attribute)+" is")
	}
	return out, nil
}
