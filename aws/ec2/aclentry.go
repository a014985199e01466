package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

// Entries of network ACLs. They are records: nothing is filtered by them.

// lastEntry is the number of the entry that denies what no other lets pass.
const lastEntry = 32767

// acl finds the VPC whose ACL has the id.
func (w *world) acl(id *string) (*resource.VPC, error) {
	if v := find(w.VPCs, func(v *resource.VPC) bool { return v.ACL == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(aclNotFound, aclNoun, deref(id))
}

// aclRule reads an entry.
func aclRule(in *gen.CreateNetworkAclEntryInput) (resource.ACLRule, error) {
	r := resource.ACLRule{Number: deref(in.RuleNumber), Egress: deref(in.Egress), Allow: in.RuleAction == gen.RuleActionAllow}
	if err := entryNumber(r.Number); err != nil {
		return r, err
	}
	if in.RuleAction == "" {
		return r, missing("ruleAction")
	}
	if count(in.CidrBlock != nil, in.Ipv6CidrBlock != nil) != 1 {
		return r, fault("InvalidParameterCombination", "Specify one of cidrBlock and ipv6CidrBlock")
	}
	if in.CidrBlock != nil {
		p, err := block("cidrBlock", *in.CidrBlock)
		if err != nil {
			return r, err
		}
		r.CIDR = p.String()
	} else {
		p, err := netip.ParsePrefix(*in.Ipv6CidrBlock)
		if err != nil || p.Addr().Is4() {
			return r, fault("InvalidParameterValue", "Value (%s) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block.", short(*in.Ipv6CidrBlock))
		}
		r.CIDR = p.Masked().String()
	}
	var from, to *int32
	if p := in.PortRange; p != nil {
		from, to = p.From, p.To
	}
	if i := in.IcmpTypeCode; i != nil && in.PortRange == nil {
		from, to = i.Type, i.Code
	}
	parsed, err := protocolOf(in.Protocol, from, to)
	if err != nil {
		return r, err
	}
	r.Protocol = parsed.Protocol
	for number, name := range protocolNumbers() {
		if name == parsed.Protocol {
			r.Protocol = number
		}
	}
	switch parsed.Protocol {
	case "tcp", "udp":
		r.From, r.To = parsed.From, parsed.To
	case "icmp", "icmpv6":
		r.Type, r.Code = parsed.From, parsed.To
	}
	return r, nil
}

func entryNumber(n int32) error {
	if n < 1 || n >= lastEntry {
		return fault("InvalidParameterValue", "The rule number must be between 1 and %d: %s", lastEntry-1, strconv.Itoa(int(n)))
	}
	return nil
}

// editEntries changes the entries of an ACL; at is where the one of that number and direction is among them, or -1.
func (a *api) editEntries(ctx context.Context, dry *bool, acl *string, number int32, egress bool, edit func(rules []resource.ACLRule, at int) ([]resource.ACLRule, error)) error {
	return a.change(ctx, dry, func(c *change) error {
		v, err := c.acl(acl)
		if err != nil {
			return err
		}
		rules := slices.Clone(v.ACLEntries())
		at := slices.IndexFunc(rules, func(r resource.ACLRule) bool { return r.Number == number && r.Egress == egress })
		if rules, err = edit(rules, at); err != nil {
			return err
		}
		v.ACLRules = &rules
		c.putVPC(v)
		return nil
	})
}

func noEntry(number int32, acl *string) error {
	return fault("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist in the network acl %s.", number, deref(acl))
}

func (a *api) createNetworkAclEntry(ctx context.Context, in *gen.CreateNetworkAclEntryInput) (*gen.CreateNetworkAclEntryOutput, error) {
	r, err := aclRule(in)
	if err != nil {
		return nil, err
	}
	err = a.editEntries(ctx, in.DryRun, in.NetworkAclId, r.Number, r.Egress, func(rules []resource.ACLRule, at int) ([]resource.ACLRule, error) {
		if at >= 0 {
			return nil, fault("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", r.Number)
		}
		n := 0
		for _, o := range rules {
			if o.Egress == r.Egress {
				n++
			}
		}
		if n >= entriesMax {
			return nil, fault("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
		}
		return append(rules, r), nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CreateNetworkAclEntryOutput{}, nil
}

func (a *api) replaceNetworkAclEntry(ctx context.Context, in *gen.ReplaceNetworkAclEntryInput) (*gen.ReplaceNetworkAclEntryOutput, error) {
	entry := gen.CreateNetworkAclEntryInput(*in)
	r, err := aclRule(&entry)
	if err != nil {
		return nil, err
	}
	err = a.editEntries(ctx, in.DryRun, in.NetworkAclId, r.Number, r.Egress, func(rules []resource.ACLRule, at int) ([]resource.ACLRule, error) {
		if at < 0 {
			return nil, noEntry(r.Number, in.NetworkAclId)
		}
		rules[at] = r
		return rules, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.ReplaceNetworkAclEntryOutput{}, nil
}

func (a *api) deleteNetworkAclEntry(ctx context.Context, in *gen.DeleteNetworkAclEntryInput) (*gen.DeleteNetworkAclEntryOutput, error) {
	number := deref(in.RuleNumber)
	if err := entryNumber(number); err != nil {
		return nil, err
	}
	err := a.editEntries(ctx, in.DryRun, in.NetworkAclId, number, deref(in.Egress), func(rules []resource.ACLRule, at int) ([]resource.ACLRule, error) {
		if at < 0 {
			return nil, noEntry(number, in.NetworkAclId)
		}
		return slices.Delete(rules, at, at+1), nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteNetworkAclEntryOutput{}, nil
}

// replaceNetworkAclAssociation gives a subnet the ACL of its VPC, which it has: there are no others.
func (a *api) replaceNetworkAclAssociation(ctx context.Context, in *gen.ReplaceNetworkAclAssociationInput) (*gen.ReplaceNetworkAclAssociationOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	v, err := w.acl(in.NetworkAclId)
	if err != nil {
		return nil, err
	}
	s := find(w.Subnets, func(s *resource.Subnet) bool { return aclAssociation(s.ID) == deref(in.AssociationId) })
	switch {
	case s == nil:
		return nil, fault("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", deref(in.AssociationId))
	case s.VPC != v.ID:
		return nil, fault("InvalidParameterValue", "The network acl %s and the association %s belong to different networks", v.ACL, *in.AssociationId)
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &gen.ReplaceNetworkAclAssociationOutput{NewAssociationId: in.AssociationId}, nil
}

// aclAssociation is the id of a subnet's association with its ACL. Each subnet has exactly one, so that its id need not be kept.
func aclAssociation(subnet string) string { return "aclassoc-" + suffix(subnet) }
