package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"weir/metadata"
)

// defaultVPCCIDR and the subnets' below are those of every real account's default VPC.
const defaultVPCCIDR = "172.31.0.0/16"

// NewVPC returns the records of a new VPC: itself, its main route table and its default security group.
func NewVPC(cidr string, isDefault bool) (VPC, RouteTable, SecurityGroup) {
	v := VPC{
		ID: NewEC2ID("vpc"), CIDR: cidr, Default: isDefault, DNSSupport: true, DNSHostnames: isDefault, ACL: NewEC2ID("acl"),
	}
	main := RouteTable{ID: NewEC2ID("rtb"), VPC: v.ID, Main: NewEC2ID("rtbassoc")}
	v.MainRouteTable = main.ID
	group := SecurityGroup{ID: NewEC2ID("sg"), VPC: v.ID, Name: DefaultGroupName, Description: "default VPC security group"}
	group.Rules = DefaultRules(group.ID)
	return v, main, group
}

// NewMAC returns a random hardware address, marked as locally given.
func NewMAC() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}

// SeedNetwork gives the scope what a new account has: a default VPC with an internet gateway, a default subnet in each zone, and a default
// security group. It does so once in the scope's life, in one transaction; calling it again only completes what an older release has left.
func SeedNetwork(ctx context.Context, store metadata.Store, s Scope) error {
	_, seeded, err := store.Get(ctx, s.seededKey())
	if err == nil && seeded {
		err = completeNetwork(ctx, store, s)
	} else if err == nil {
		err = seedNetwork(ctx, store, s)
	}
	if errors.Is(err, metadata.ErrConflict) {
		return nil // somebody else was first
	}
	return wrapf(err, "seed the default network of %s in %s", s.Account, s.Region)
}

func seedNetwork(ctx context.Context, store metadata.Store, s Scope) error {
	vpc, main, group := NewVPC(defaultVPCCIDR, true)
	t := metadata.Txn{
		If: []metadata.Cond{{Key: s.seededKey()}},
		Then: []metadata.Op{
			UseNetwork(s),
			metadata.Put(s.seededKey(), metadata.Encode(vpc.ID)),
			metadata.Put(s.VPCsPrefix()+vpc.ID, metadata.Encode(vpc)),
			metadata.Put(s.SecurityGroupsPrefix()+group.ID, metadata.Encode(group)),
		},
	}
	t.Then = append(t.Then, routeOut(s, main)...)
	for i, z := range Zones(s.Region) {
		sub := Subnet{
			ID: NewEC2ID("subnet"), VPC: vpc.ID, CIDR: fmt.Sprintf("172.31.%d.0/20", 16*i),
			Zone: z.Name, ZoneID: z.ID, Default: true, MapPublicIP: true,
		}
		t.Then = append(t.Then, metadata.Put(s.SubnetsPrefix()+sub.ID, metadata.Encode(sub)))
	}
	_, err := store.Commit(ctx, t)
	return err
}

// routeOut writes the default VPC's main table with a gateway and the route to it.
func routeOut(s Scope, main RouteTable) []metadata.Op {
	gateway := InternetGateway{ID: NewEC2ID("igw"), VPC: main.VPC}
	main.Routes = []Route{{To: "0.0.0.0/0", Gateway: gateway.ID}}
	return []metadata.Op{
		metadata.Put(s.RouteTablesPrefix()+main.ID, metadata.Encode(main)),
		metadata.Put(s.InternetGatewaysPrefix()+gateway.ID, metadata.Encode(gateway)),
	}
}

// completeNetwork adds to a network of the first release, which had VPCs, subnets and groups without rules only, what they have had since.
func completeNetwork(ctx context.Context, store metadata.Store, s Scope) error {
	at, _, err := store.Get(ctx, s.NetworkKey())
	if err != nil {
		return err
	}
	n, err := ReadNetwork(ctx, store, s)
	if err != nil {
		return err
	}
	t := metadata.Txn{If: []metadata.Cond{{Key: s.NetworkKey(), Modified: at.Modified}}, Then: []metadata.Op{UseNetwork(s)}}
	old := make(map[string]bool)
	for _, v := range n.VPCs {
		if v.MainRouteTable != "" {
			continue
		}
		old[v.ID] = true
		fresh, main, _ := NewVPC(v.CIDR, v.Default)
		main.VPC = v.ID
		fresh.ID, fresh.Tags = v.ID, v.Tags
		t.Then = append(t.Then, metadata.Put(s.VPCsPrefix()+v.ID, metadata.Encode(fresh)))
		if v.Default {
			t.Then = append(t.Then, routeOut(s, main)...)
		} else {
			t.Then = append(t.Then, metadata.Put(s.RouteTablesPrefix()+main.ID, metadata.Encode(main)))
		}
	}
	if len(old) == 0 {
		return nil
	}
	for _, v := range n.Subnets {
		if old[v.VPC] {
			v.MapPublicIP = v.Default
			t.Then = append(t.Then, metadata.Put(s.SubnetsPrefix()+v.ID, metadata.Encode(v)))
		}
	}
	for _, g := range n.SecurityGroups {
		if old[g.VPC] {
			g.Rules = DefaultRules(g.ID)
			t.Then = append(t.Then, metadata.Put(s.SecurityGroupsPrefix()+g.ID, metadata.Encode(g)))
		}
	}
	_, err = store.Commit(ctx, t)
	return err
}
