package ec2

import (
	"context"
	"errors"
	"slices"
	"strings"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
	"weir/metadata"
)

// world is what a call is answered from: the scope's network, and the clusters that live in it.
type world struct {
	resource.Network
	scope    resource.Scope
	clusters []resource.Cluster
	subnets  map[string]bool // ids of those that clusters and connections to them use
	groups   map[string]bool // likewise
}

// world reads the network.
func (a *api) world(ctx context.Context) (*world, error) {
	s := scopeOf(ctx)
	n, err := resource.ReadNetwork(ctx, a.store, s)
	if err != nil {
		return nil, unavailable(err)
	}
	clusters, err := resource.ListClusters(ctx, a.store, s)
	if err != nil {
		return nil, unavailable(err)
	}
	connections, err := resource.ListVPCConnections(ctx, a.store, s)
	if err != nil {
		return nil, unavailable(err)
	}
	w := &world{Network: *n, scope: s, clusters: clusters, subnets: make(map[string]bool), groups: make(map[string]bool)}
	for _, c := range clusters {
		w.use(c.Subnets, c.SecurityGroups)
		if c.Serverless != nil {
			for _, v := range c.Serverless.VPCs {
				w.use(v.Subnets, v.SecurityGroups)
			}
		}
	}
	for _, c := range connections {
		for _, id := range c.Subnets {
			w.subnets[id] = true
		}
		w.use(nil, c.SecurityGroups)
	}
	return w, nil
}

// use notes that something of MSK is in these subnets and has these groups.
func (w *world) use(subnets []resource.ClientSubnet, groups []string) {
	for _, s := range subnets {
		w.subnets[s.ID] = true
	}
	for _, id := range groups {
		w.groups[id] = true
	}
}

// change is a world with the writes of one call. They are committed in one transaction.
type change struct {
	*world
	ops []metadata.Op
}

func (c *change) put(key string, v any)  { c.ops = append(c.ops, metadata.Put(key, metadata.Encode(v))) }
func (c *change) delete(key string)      { c.ops = append(c.ops, metadata.Delete(key)) }
func (c *change) putVPC(v *resource.VPC) { c.put(c.scope.VPCsPrefix()+v.ID, v) }
func (c *change) putSubnet(v *resource.Subnet) {
	c.put(c.scope.SubnetsPrefix()+v.ID, v)
}

func (c *change) putGroup(v *resource.SecurityGroup) {
	c.put(c.scope.SecurityGroupsPrefix()+v.ID, v)
}

func (c *change) putTable(v *resource.RouteTable) {
	c.put(c.scope.RouteTablesPrefix()+v.ID, v)
}

func (c *change) putGateway(v *resource.InternetGateway) {
	c.put(c.scope.InternetGatewaysPrefix()+v.ID, v)
}

func (c *change) putAddress(v *resource.ElasticAddress) {
	c.put(c.scope.ElasticAddressesPrefix()+v.ID, v)
}

func (c *change) putNAT(v *resource.NATGateway) {
	c.put(c.scope.NATGatewaysPrefix()+v.ID, v)
}

func (c *change) putInterface(v *resource.NetworkInterface) {
	c.put(c.scope.NetworkInterfacesPrefix()+v.ID, v)
}

// change runs f on the present network and commits what it writes. All changes of a scope's network exclude each other through one key, so that f
// sees everything that its decision rests on; when another one, or a new cluster, was first, f runs anew. f must therefore only look at the world
// and write through the change.
func (a *api) change(ctx context.Context, dry *bool, f func(*change) error) error {
	s := scopeOf(ctx)
	for {
		at, _, err := a.store.Get(ctx, s.NetworkKey())
		if err != nil {
			return unavailable(err)
		}
		w, err := a.world(ctx)
		if err != nil {
			return err
		}
		c := &change{world: w}
		if err := f(c); err != nil {
			return err
		}
		if err := dryRun(dry); err != nil {
			return err
		}
		if len(c.ops) == 0 {
			return nil
		}
		_, err = a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: s.NetworkKey(), Modified: at.Modified}},
			Then: append(c.ops, resource.UseNetwork(s)),
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return unavailable(err)
		}
	}
}

func find[T any](all []T, match func(*T) bool) *T {
	for i := range all {
		if match(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

func (w *world) vpc(id *string) (*resource.VPC, error) {
	if v := find(w.VPCs, func(v *resource.VPC) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(vpcNotFound, vpcNoun, deref(id))
}

func (w *world) subnet(id *string) (*resource.Subnet, error) {
	if v := find(w.Subnets, func(v *resource.Subnet) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(subnetNotFound, subnetNoun, deref(id))
}

// group finds a group by id or, in the default VPC, by name.
func (w *world) group(id, name *string) (*resource.SecurityGroup, error) {
	if deref(id) == "" && deref(name) == "" {
		return nil, fault("MissingParameter", "The request must contain the parameter groupName or groupId")
	}
	if deref(id) == "" {
		found, ok := w.defaultVPCGroup(*name)
		if !ok {
			return nil, fault(groupNotFound, "The security group '%s' does not exist in default VPC", *name)
		}
		id = &found
	}
	if v := find(w.SecurityGroups, func(v *resource.SecurityGroup) bool { return v.ID == *id }); v != nil {
		return v, nil
	}
	return nil, fault(groupNotFound, groupNoun, *id)
}

func (w *world) defaultVPCGroup(name string) (id string, ok bool) {
	for _, g := range w.SecurityGroups {
		if g.Name == name && slices.ContainsFunc(w.VPCs, func(v resource.VPC) bool { return v.Default && v.ID == g.VPC }) {
			return g.ID, true
		}
	}
	return "", false
}

func (w *world) gateway(id *string) (*resource.InternetGateway, error) {
	if v := find(w.Gateways, func(v *resource.InternetGateway) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(gatewayNotFound, gatewayNoun, deref(id))
}

func (w *world) table(id *string) (*resource.RouteTable, error) {
	if v := find(w.RouteTables, func(v *resource.RouteTable) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(tableNotFound, tableNoun, deref(id))
}

func (w *world) nat(id *string) (*resource.NATGateway, error) {
	if v := find(w.NATGateways, func(v *resource.NATGateway) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(natNotFound, natNoun, deref(id))
}

func (w *world) allocation(id *string) (*resource.ElasticAddress, error) {
	if v := find(w.Addresses, func(v *resource.ElasticAddress) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	return nil, fault(addressNotFound, addressNoun, deref(id))
}

func (w *world) ownInterface(id *string) (*resource.NetworkInterface, error) {
	if v := find(w.Interfaces, func(v *resource.NetworkInterface) bool { return v.ID == deref(id) }); v != nil {
		return v, nil
	}
	for _, b := range w.brokers() {
		if b.ID == deref(id) {
			return nil, fault("OperationNotPermitted", "The network interface '%s' is managed by Amazon MSK for the cluster %s.", b.ID, b.cluster)
		}
	}
	if g := find(w.NATGateways, func(g *resource.NATGateway) bool { return g.Interface == deref(id) && g.Failure == nil }); g != nil {
		return nil, fault("OperationNotPermitted", "The network interface '%s' is that of the NAT gateway %s.", g.Interface, g.ID)
	}
	return nil, fault(interfaceNotFound, interfaceNoun, deref(id))
}

// broker is the interface of a broker of a cluster.
type broker struct {
	resource.NetworkInterface
	cluster string // ARN
	zone    string
	joined  resource.BrokerNode
}

// brokers are the interfaces of all clusters' brokers. Their addresses are those that the brokers serve at, which are not of the subnet.
func (w *world) brokers() []broker {
	var out []broker
	for i := range w.clusters {
		c := &w.clusters[i]
		for _, n := range c.Nodes {
			b := broker{cluster: c.ARN(), joined: n}
			b.ID, b.Subnet, b.Groups = n.ENI, n.Subnet, c.SecurityGroups
			for _, s := range c.Subnets {
				if s.ID == n.Subnet {
					b.VPC, b.zone = s.VPC, s.Zone
				}
			}
			if len(n.Endpoints) > 0 {
				b.Address = n.Endpoints[0].Host
			}
			b.Description = "DO NOT DELETE - Amazon MSK network interface for cluster " + b.cluster
			out = append(out, b)
		}
	}
	return out
}

// subnetUsed and groupUsed tell whether a cluster, a VPC connection, a network interface or a NAT gateway is in the subnet or has the group.
func (w *world) subnetUsed(id string) bool {
	return w.subnets[id] || slices.ContainsFunc(w.Interfaces, func(v resource.NetworkInterface) bool { return v.Subnet == id }) ||
		slices.ContainsFunc(w.NATGateways, func(g resource.NATGateway) bool { return g.Subnet == id && g.Failure == nil })
}

func (w *world) groupUsed(id string) bool {
	return w.groups[id] || slices.ContainsFunc(w.Interfaces, func(v resource.NetworkInterface) bool { return slices.Contains(v.Groups, id) })
}

// Error codes and texts for what does not exist.
const (
	vpcNotFound       = "InvalidVpcID.NotFound"
	vpcNoun           = "The vpc ID '%s' does not exist"
	subnetNotFound    = "InvalidSubnetID.NotFound"
	subnetNoun        = "The subnet ID '%s' does not exist"
	groupNotFound     = "InvalidGroup.NotFound"
	groupNoun         = "The security group '%s' does not exist"
	ruleNotFound      = "InvalidSecurityGroupRuleId.NotFound"
	ruleNoun          = "The security group rule ID '%s' does not exist"
	gatewayNotFound   = "InvalidInternetGatewayID.NotFound"
	gatewayNoun       = "The internetGateway ID '%s' does not exist"
	tableNotFound     = "InvalidRouteTableID.NotFound"
	tableNoun         = "The routeTable ID '%s' does not exist"
	interfaceNotFound = "InvalidNetworkInterfaceID.NotFound"
	interfaceNoun     = "The networkInterface ID '%s' does not exist"
	natNotFound       = "NatGatewayNotFound"
	natNoun           = "The Nat Gateway %s was not found"
	addressNotFound   = "InvalidAllocationID.NotFound"
	addressNoun       = "The allocation ID '%s' does not exist"
	aclNotFound       = "InvalidNetworkAclID.NotFound"
	aclNoun           = "The networkAcl ID '%s' does not exist"
)

// How much of everything there may be. EC2's own numbers, but for VPCs, gateways and addresses (5), of which test suites need more at once.
const (
	vpcsMax       = 100 // and gateways of both kinds, and elastic addresses, per account and region
	entriesMax    = 20  // of each direction per network ACL
	subnetsMax    = 200 // and route tables, per VPC
	groupsMax     = 2500
	rulesMax      = 60 // of each direction per group
	routesMax     = 50 // per table
	interfacesMax = 5000
)

// dependency is why something cannot be deleted.
func dependency(noun, id string) error {
	return fault("DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", noun, id)
}

// unsupported refuses what asks for something that is not built.
func unsupported(parameter, what string) error {
	return fault("UnsupportedOperation", "%s: %s not supported by this version of Weir.", parameter, what)
}

func missing(parameter string) error {
	return fault("MissingParameter", "The request must contain the parameter %s", parameter)
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func boolOf(v *gen.AttributeBooleanValue) (value, given bool) {
	if v == nil || v.Value == nil {
		return false, false
	}
	return *v.Value, true
}

// suffix is an id without its kind.
func suffix(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }
