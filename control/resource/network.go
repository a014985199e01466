package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"weir/metadata"
)

// Network records: what a cluster's request names and EC2's describe calls show. They place brokers in zones; no packet is routed by them.

// VPC is a virtual network.
type VPC struct {
	ID      string `json:"id"`
	CIDR    string `json:"cidr"`
	Default bool   `json:"default"`
}

// Subnet is a part of a VPC in one zone.
type Subnet struct {
	ID      string `json:"id"`
	VPC     string `json:"vpc"`
	CIDR    string `json:"cidr"`
	Zone    string `json:"zone"`
	ZoneID  string `json:"zoneId"`
	Default bool   `json:"default"` // of its zone
}

// SecurityGroup is a named set of rules of a VPC. Rules are not kept yet: nothing is filtered.
type SecurityGroup struct {
	ID          string `json:"id"`
	VPC         string `json:"vpc"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// DefaultGroupName is the name of each VPC's default security group.
const DefaultGroupName = "default"

// VPCsPrefix is the prefix of the scope's VPC records; the id follows.
func (s Scope) VPCsPrefix() string { return s.Prefix() + "vpc/" }

// SubnetsPrefix is the prefix of the Subnet records.
func (s Scope) SubnetsPrefix() string { return s.Prefix() + "subnet/" }

// SecurityGroupsPrefix is the prefix of the SecurityGroup records.
func (s Scope) SecurityGroupsPrefix() string { return s.Prefix() + "security-group/" }

// seededKey says that the scope got its default network; the default VPC may have been deleted since.
func (s Scope) seededKey() string { return s.Prefix() + "default-network" }

// Zone is an availability zone of a region.
type Zone struct {
	Name   string
	ID     string
	Region string
}

// zoneLetters are the zones that every region has here.
const zoneLetters = "abc"

// Zones returns the availability zones of a region: three, as a through c.
func Zones(region string) []Zone {
	short := zoneIDPrefix(region)
	zones := make([]Zone, 0, len(zoneLetters))
	for i, letter := range zoneLetters {
		zones = append(zones, Zone{Name: region + string(letter), ID: fmt.Sprintf("%s-az%d", short, i+1), Region: region})
	}
	return zones
}

// zoneIDPrefix shortens a region's name as zone ids do: us-east-1 to use1, ap-northeast-2 to apne2, us-gov-west-1 to usgw1.
func zoneIDPrefix(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) < 3 {
		return region
	}
	var b strings.Builder
	b.WriteString(parts[0])
	for _, p := range parts[1 : len(parts)-1] {
		switch p {
		case "northeast":
			b.WriteString("ne")
		case "northwest":
			b.WriteString("nw")
		case "southeast":
			b.WriteString("se")
		case "southwest":
			b.WriteString("sw")
		default:
			b.WriteString(p[:min(len(p), 1)])
		}
	}
	b.WriteString(parts[len(parts)-1])
	return b.String()
}

// defaultVPCCIDR and the subnets' below are those of every real account's default VPC.
const defaultVPCCIDR = "172.31.0.0/16"

// SeedNetwork gives the scope what a new account has: a default VPC, a default subnet in each zone, and a default security group.
// It does so once in the scope's life, in one transaction; calling it again changes nothing.
func SeedNetwork(ctx context.Context, store metadata.Store, s Scope) error {
	if _, ok, err := store.Get(ctx, s.seededKey()); err != nil || ok {
		return wrapf(err, "seed the default network of %s in %s", s.Account, s.Region)
	}
	vpc := VPC{ID: NewEC2ID("vpc"), CIDR: defaultVPCCIDR, Default: true}
	group := SecurityGroup{ID: NewEC2ID("sg"), VPC: vpc.ID, Name: DefaultGroupName, Description: "default VPC security group"}
	t := metadata.Txn{
		If: []metadata.Cond{{Key: s.seededKey()}},
		Then: []metadata.Op{
			metadata.Put(s.seededKey(), metadata.Encode(vpc.ID)),
			metadata.Put(s.VPCsPrefix()+vpc.ID, metadata.Encode(vpc)),
			metadata.Put(s.SecurityGroupsPrefix()+group.ID, metadata.Encode(group)),
		},
	}
	for i, z := range Zones(s.Region) {
		sub := Subnet{
			ID: NewEC2ID("subnet"), VPC: vpc.ID, CIDR: fmt.Sprintf("172.31.%d.0/20", 16*i),
			Zone: z.Name, ZoneID: z.ID, Default: true,
		}
		t.Then = append(t.Then, metadata.Put(s.SubnetsPrefix()+sub.ID, metadata.Encode(sub)))
	}
	_, err := store.Commit(ctx, t)
	if errors.Is(err, metadata.ErrConflict) {
		return nil // somebody else was first
	}
	return wrapf(err, "seed the default network of %s in %s", s.Account, s.Region)
}

// Network is what is known of a scope's network, with the revision of each record by id to guard what is built on it.
type Network struct {
	VPCs           []VPC
	Subnets        []Subnet
	SecurityGroups []SecurityGroup
	Modified       map[string]metadata.Revision
}

// ReadNetwork reads all network records of the scope.
func ReadNetwork(ctx context.Context, store metadata.Store, s Scope) (*Network, error) {
	n := &Network{Modified: make(map[string]metadata.Revision)}
	if err := readAll(ctx, store, s.VPCsPrefix(), n.Modified, &n.VPCs); err != nil {
		return nil, err
	}
	if err := readAll(ctx, store, s.SubnetsPrefix(), n.Modified, &n.Subnets); err != nil {
		return nil, err
	}
	if err := readAll(ctx, store, s.SecurityGroupsPrefix(), n.Modified, &n.SecurityGroups); err != nil {
		return nil, err
	}
	return n, nil
}

// readAll appends every record under prefix to out and notes its revision under the last segment of its key.
func readAll[T any](ctx context.Context, store metadata.Store, prefix string, modified map[string]metadata.Revision, out *[]T) error {
	kvs, _, err := store.List(ctx, prefix)
	if err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	for _, kv := range kvs {
		v, err := metadata.Decode[T](kv)
		if err != nil {
			return err
		}
		*out = append(*out, v)
		modified[metadata.LastSegment(kv.Key)] = kv.Modified
	}
	return nil
}

// wrapf says what was attempted; a nil error stays nil.
func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
