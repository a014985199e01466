package resource

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir/metadata"
)

// Network records: what a cluster's request names and EC2's calls make and show. They place brokers in zones; no packet is routed or filtered by
// them.

// VPC is a virtual network. Its default network ACL has no record of its own.
type VPC struct {
	ID             string            `json:"id"`
	CIDR           string            `json:"cidr"`
	Default        bool              `json:"default"`
	Tenancy        string            `json:"tenancy,omitempty"`
	DNSSupport     bool              `json:"dnsSupport,omitempty"`
	DNSHostnames   bool              `json:"dnsHostnames,omitempty"`
	AddressMetrics bool              `json:"addressMetrics,omitempty"`
	MainRouteTable string            `json:"mainRouteTable,omitempty"` // empty in records of the first release, until SeedNetwork completes them
	ACL            string            `json:"acl,omitempty"`
	ACLTags        map[string]string `json:"aclTags,omitempty"`
	ACLRules       *[]ACLRule        `json:"aclRules,omitempty"` // nil: those that a new one has (DefaultACLRules)
	Tags           map[string]string `json:"tags,omitempty"`
}

// ACLRule is an entry of a network ACL, beside the last of each direction, which denies what no other lets pass and cannot be changed.
type ACLRule struct {
	Number   int32  `json:"number"`
	Egress   bool   `json:"egress,omitempty"`
	Allow    bool   `json:"allow,omitempty"`
	Protocol string `json:"protocol"` // a number, or AllProtocols
	CIDR     string `json:"cidr"`     // IPv4 or IPv6
	From     *int32 `json:"from,omitempty"`
	To       *int32 `json:"to,omitempty"` // ports of TCP and UDP
	Type     *int32 `json:"type,omitempty"`
	Code     *int32 `json:"code,omitempty"` // of ICMP
}

// DefaultACLRules are the entries of a new VPC's ACL: everything passes.
func DefaultACLRules() []ACLRule {
	all := ACLRule{Number: 100, Allow: true, Protocol: AllProtocols, CIDR: "0.0.0.0/0"}
	out := all
	out.Egress = true
	return []ACLRule{out, all}
}

// ACLEntries are the entries of the VPC's ACL.
func (v *VPC) ACLEntries() []ACLRule {
	if v.ACLRules == nil {
		return DefaultACLRules()
	}
	return *v.ACLRules
}

// Subnet is a part of a VPC in one zone.
type Subnet struct {
	ID          string            `json:"id"`
	VPC         string            `json:"vpc"`
	CIDR        string            `json:"cidr"`
	Zone        string            `json:"zone"`
	ZoneID      string            `json:"zoneId"`
	Default     bool              `json:"default"` // of its zone
	MapPublicIP bool              `json:"mapPublicIp,omitempty"`
	Hostnames   string            `json:"hostnames,omitempty"` // kind of host names, when it is not by address
	ARecord     bool              `json:"aRecord,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// SecurityGroup is a named set of rules of a VPC.
type SecurityGroup struct {
	ID          string            `json:"id"`
	VPC         string            `json:"vpc"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Rules       []SecurityRule    `json:"rules,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// SecurityRule allows traffic of one protocol from or to one range of addresses or one group. Of IPv4, IPv6 and Group exactly one is set.
type SecurityRule struct {
	ID          string            `json:"id"`
	Egress      bool              `json:"egress,omitempty"`
	Protocol    string            `json:"protocol"`       // "tcp", "udp", "icmp", "icmpv6", a number, or "-1" for all
	From        *int32            `json:"from,omitempty"` // first port or ICMP type; nil where the protocol has none
	To          *int32            `json:"to,omitempty"`
	IPv4        string            `json:"ipv4,omitempty"`
	IPv6        string            `json:"ipv6,omitempty"`
	Group       string            `json:"group,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// AllProtocols is the protocol of a rule for all of them.
const AllProtocols = "-1"

// DefaultRules are the rules of a new VPC's default group: in from its own members, out to everywhere. Other groups start with the second.
func DefaultRules(group string) []SecurityRule {
	return []SecurityRule{{ID: NewEC2ID("sgr"), Protocol: AllProtocols, Group: group}, AllowOut()}
}

// AllowOut is the rule that every new security group starts with.
func AllowOut() SecurityRule {
	return SecurityRule{ID: NewEC2ID("sgr"), Egress: true, Protocol: AllProtocols, IPv4: "0.0.0.0/0"}
}

// InternetGateway is attached to at most one VPC.
type InternetGateway struct {
	ID   string            `json:"id"`
	VPC  string            `json:"vpc,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
}

// RouteTable holds routes; the one to the VPC's own addresses is not kept.
type RouteTable struct {
	ID           string             `json:"id"`
	VPC          string             `json:"vpc"`
	Main         string             `json:"main,omitempty"` // id of the association with the VPC, if it is the VPC's main table
	Associations []RouteAssociation `json:"associations,omitempty"`
	Routes       []Route            `json:"routes,omitempty"`
	Token        string             `json:"token,omitempty"` // of the request that made it
	Tags         map[string]string  `json:"tags,omitempty"`
}

// RouteAssociation makes a table that of a subnet.
type RouteAssociation struct {
	ID     string `json:"id"`
	Subnet string `json:"subnet"`
}

// Route leads addresses to an internet gateway, a NAT gateway or an interface.
type Route struct {
	To        string `json:"to"` // CIDR block, IPv4 or IPv6
	Gateway   string `json:"gateway,omitempty"`
	Interface string `json:"interface,omitempty"`
	NAT       string `json:"nat,omitempty"`
}

// ElasticAddress is a public address of the account. It reaches nothing. Which NAT gateway has it, that gateway says.
type ElasticAddress struct {
	ID     string            `json:"id"` // of the allocation
	Public string            `json:"public"`
	Tags   map[string]string `json:"tags,omitempty"`
}

// NATGateway is one that was asked for. It translates nothing.
type NATGateway struct {
	ID          string            `json:"id"`
	Subnet      string            `json:"subnet"`
	VPC         string            `json:"vpc"`
	Private     bool              `json:"private,omitempty"`    // it has no public address
	Allocation  string            `json:"allocation,omitempty"` // of its ElasticAddress
	Association string            `json:"association,omitempty"`
	Interface   string            `json:"interface"`
	Address     string            `json:"address"` // in the subnet
	MAC         string            `json:"mac"`
	Created     time.Time         `json:"created"`
	Failure     *StateInfo        `json:"failure,omitempty"` // why it never worked; it then has no address and no interface
	Token       string            `json:"token,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// NetworkInterface is one that was asked for. Brokers' interfaces have no records: they are those of the clusters' nodes.
type NetworkInterface struct {
	ID          string            `json:"id"`
	Subnet      string            `json:"subnet"`
	VPC         string            `json:"vpc"`
	Description string            `json:"description,omitempty"`
	Groups      []string          `json:"groups"`
	Address     string            `json:"address"`
	MAC         string            `json:"mac"`
	Unchecked   bool              `json:"unchecked,omitempty"` // sourceDestCheck is off
	Token       string            `json:"token,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// DefaultGroupName is the name of each VPC's default security group.
const DefaultGroupName = "default"

// VPCsPrefix is the prefix of the scope's VPC records; the id follows.
func (s Scope) VPCsPrefix() string { return s.Prefix() + "vpc/" }

// SubnetsPrefix is the prefix of the Subnet records.
func (s Scope) SubnetsPrefix() string { return s.Prefix() + "subnet/" }

// SecurityGroupsPrefix is the prefix of the SecurityGroup records.
func (s Scope) SecurityGroupsPrefix() string { return s.Prefix() + "security-group/" }

// InternetGatewaysPrefix is the prefix of the InternetGateway records.
func (s Scope) InternetGatewaysPrefix() string { return s.Prefix() + "internet-gateway/" }

// RouteTablesPrefix is the prefix of the RouteTable records.
func (s Scope) RouteTablesPrefix() string { return s.Prefix() + "route-table/" }

// NetworkInterfacesPrefix is the prefix of the NetworkInterface records.
func (s Scope) NetworkInterfacesPrefix() string { return s.Prefix() + "network-interface/" }

// ElasticAddressesPrefix is the prefix of the ElasticAddress records.
func (s Scope) ElasticAddressesPrefix() string { return s.Prefix() + "elastic-address/" }

// NATGatewaysPrefix is the prefix of the NATGateway records.
func (s Scope) NATGatewaysPrefix() string { return s.Prefix() + "nat-gateway/" }

// seededKey says that the scope got its default network; the default VPC may have been deleted since.
func (s Scope) seededKey() string { return s.Prefix() + "default-network" }

// NetworkKey is changed by every transaction that changes the network, which is also guarded by it, and by every one that begins to use a subnet
// or a security group (UseNetwork). So nothing is deleted of which a use began meanwhile.
func (s Scope) NetworkKey() string { return s.Prefix() + "network" }

// UseNetwork belongs into each transaction that makes a record which names subnets or security groups. That transaction must also be guarded by
// the revisions of the subnets and groups themselves (Network.Modified).
func UseNetwork(s Scope) metadata.Op { return metadata.Put(s.NetworkKey(), metadata.Encode(NewUUID())) }

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

// Network is what is known of a scope's network, with the revision of each record by id to guard what is built on it.
type Network struct {
	VPCs           []VPC
	Subnets        []Subnet
	SecurityGroups []SecurityGroup
	Gateways       []InternetGateway
	RouteTables    []RouteTable
	Interfaces     []NetworkInterface
	Addresses      []ElasticAddress
	NATGateways    []NATGateway
	Modified       map[string]metadata.Revision
}

// ReadNetwork reads all network records of the scope.
func ReadNetwork(ctx context.Context, store metadata.Store, s Scope) (*Network, error) {
	n := &Network{Modified: make(map[string]metadata.Revision)}
	err := readAll(ctx, store, s.VPCsPrefix(), n.Modified, &n.VPCs)
	if err == nil {
		err = readAll(ctx, store, s.SubnetsPrefix(), n.Modified, &n.Subnets)
	}
	if err == nil {
		err = readAll(ctx, store, s.SecurityGroupsPrefix(), n.Modified, &n.SecurityGroups)
	}
	if err == nil {
		err = readAll(ctx, store, s.InternetGatewaysPrefix(), n.Modified, &n.Gateways)
	}
	if err == nil {
		err = readAll(ctx, store, s.RouteTablesPrefix(), n.Modified, &n.RouteTables)
	}
	if err == nil {
		err = readAll(ctx, store, s.NetworkInterfacesPrefix(), n.Modified, &n.Interfaces)
	}
	if err == nil {
		err = readAll(ctx, store, s.ElasticAddressesPrefix(), n.Modified, &n.Addresses)
	}
	if err == nil {
		err = readAll(ctx, store, s.NATGatewaysPrefix(), n.Modified, &n.NATGateways)
	}
	if err != nil {
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
