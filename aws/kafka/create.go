package kafka

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// createRequest is what both versions of the create call ask for.
type createRequest struct {
	name string
	tags map[string]string
	gen.ProvisionedRequest
	// oneZone lets the cluster have one zone and any number of brokers. Only the demo cluster may: MSK has no such clusters.
	oneZone bool
}

// clusterSubnetsMin and Max are how many zones a cluster spans.
const clusterSubnetsMin, clusterSubnetsMax = 2, 3

// nameForm is what a cluster's name may be; the model limits its length.
var nameForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]*$`)

// draft is a new cluster with what its transaction must hold beside it: conditions on the records that it was checked against, and writes that
// make what would remove one of those fail.
type draft struct {
	cluster resource.Cluster
	given   []metadata.Cond
	then    []metadata.Op
}

// build checks the request and makes the cluster's record of it.
func (a *api) build(ctx context.Context, r *createRequest, now time.Time) (draft, error) {
	scope := scopeOf(ctx)
	if !nameForm.MatchString(r.name) {
		return draft{}, badRequest("clusterName", "%s", textBadCharacters)
	}
	if err := checkTags(r.tags); err != nil {
		return draft{}, err
	}
	size, version, err := r.kind()
	if err != nil {
		return draft{}, err
	}
	network, err := resource.ReadNetwork(ctx, a.store, scope)
	if err != nil {
		return draft{}, storeError(err)
	}
	subnets, groups, given, err := r.place(scope, network)
	if err != nil {
		return draft{}, err
	}
	if size.Express() && len(subnets) != clusterSubnetsMax {
		return draft{}, badRequest("clientSubnets", "Express brokers need subnets in three Availability Zones.")
	}
	brokers := int(*r.NumberOfBrokerNodes)
	room, err := a.brokerPlaces(ctx, "numberOfBrokerNodes", version, "", brokers)
	if err != nil {
		return draft{}, err
	}
	id, kafkaID := resource.NewClusterUUID()
	d := draft{given: append(given, room.given), then: []metadata.Op{room.then}, cluster: resource.Cluster{
		UUID: id, Name: r.name, Account: scope.Account, Region: scope.Region, Created: now, KafkaID: kafkaID,
		Type: metadata.Standard, KafkaVersion: version.Name, InstanceType: size.Name, Brokers: brokers,
		Subnets: subnets, SecurityGroups: groups,
		Monitoring: string(cmp.Or(r.EnhancedMonitoring, gen.EnhancedMonitoringDefault)), OpenMonitoring: withExporters(nil, r.OpenMonitoring),
		Tags:           maps.Clone(r.tags),
		CurrentVersion: resource.NewVersion(),
		Nodes:          resource.NewNodes(brokers, subnets, now),
	}}
	c := &d.cluster
	if size.Express() {
		c.Type = metadata.Express
	}
	if err := r.storage(c, version); err != nil {
		return draft{}, err
	}
	if c.Rebalancing = r.rebalancing(); c.Rebalancing == "" && size.Express() {
		c.Rebalancing = resource.RebalancingActive
	}
	if c.Logging, err = a.withLogs(ctx, resource.Logging{}, r.LoggingInfo); err != nil {
		return draft{}, err
	}
	if c.Connectivity, err = r.connectivity(); err != nil {
		return draft{}, err
	}
	if err := a.secure(ctx, r, c); err != nil {
		return draft{}, err
	}
	if r.ConfigurationInfo != nil {
		use, err := a.useConfiguration(ctx, c, r.ConfigurationInfo)
		if err != nil {
			return draft{}, err
		}
		c.Configuration = use.ref
		d.given, d.then = append(d.given, use.given), append(d.then, use.then)
	}
	return d, nil
}

// kind checks the size and the version, and that they go together.
func (r *createRequest) kind() (size resource.InstanceType, version resource.KafkaVersion, err error) {
	if version, err = knownVersion("kafkaVersion", *r.KafkaVersion); err != nil {
		return size, version, err
	}
	if size, err = knownSize("instanceType", *r.BrokerNodeGroupInfo.InstanceType); err != nil {
		return size, version, err
	}
	return size, version, checkPair(size, version, "instanceType", "kafkaVersion")
}

// place checks where the brokers are to live.
func (r *createRequest) place(scope resource.Scope, network *resource.Network) (
	subnets []resource.ClientSubnet, groups []string, given []metadata.Cond, err error,
) {
	g := r.BrokerNodeGroupInfo
	zones := make(map[string]bool)
	for _, id := range g.ClientSubnets {
		i := slices.IndexFunc(network.Subnets, func(s resource.Subnet) bool { return s.ID == id })
		if i < 0 {
			return nil, nil, nil, badRequest("clientSubnets", "The subnet ID '%s' does not exist", id)
		}
		s := network.Subnets[i]
		zones[s.ZoneID] = true
		subnets = append(subnets, resource.ClientSubnet{ID: s.ID, VPC: s.VPC, Zone: s.Zone, ZoneID: s.ZoneID})
		given = append(given, metadata.Cond{Key: scope.SubnetsPrefix() + s.ID, Modified: network.Modified[s.ID]})
	}
	switch n := len(subnets); {
	case n == 1 && r.oneZone:
	case n < clusterSubnetsMin || n > clusterSubnetsMax:
		return nil, nil, nil, badRequest("clientSubnets", "Specify two or three client subnets, each in an Availability Zone of its own.")
	case len(zones) != n:
		return nil, nil, nil, badRequest("clientSubnets", "%s", textZones)
	}
	if int(*r.NumberOfBrokerNodes)%len(subnets) != 0 {
		return nil, nil, nil, badRequest("numberOfBrokerNodes", "%s", textBrokerCount)
	}
	vpc := subnets[0].VPC
	for _, s := range subnets {
		if s.VPC != vpc {
			return nil, nil, nil, badRequest("clientSubnets", "The client subnets must be in the same VPC.")
		}
	}
	if want := g.ZoneIds; len(want) > 0 {
		for _, z := range want {
			if !zones[z] {
				return nil, nil, nil, badRequest("zoneIds", "The zone ID '%s' is not that of a client subnet.", z)
			}
		}
		if len(want) != len(zones) {
			return nil, nil, nil, badRequest("zoneIds", "Specify the zone ID of each client subnet, or none.")
		}
	}
	groups, conds, err := securityGroups(scope, network, vpc, g.SecurityGroups)
	return subnets, groups, append(given, conds...), err
}

// securityGroups checks the given groups; without any, the VPC's default group is taken.
func securityGroups(scope resource.Scope, network *resource.Network, vpc string, ids []string) ([]string, []metadata.Cond, error) {
	if len(ids) == 0 {
		for _, sg := range network.SecurityGroups {
			if sg.VPC == vpc && sg.Name == resource.DefaultGroupName {
				ids = []string{sg.ID}
			}
		}
		if len(ids) == 0 {
			return nil, nil, badRequest("securityGroups", "The VPC '%s' has no default security group. Specify one.", vpc)
		}
	}
	var given []metadata.Cond
	seen := make(map[string]bool)
	for _, id := range ids {
		i := slices.IndexFunc(network.SecurityGroups, func(s resource.SecurityGroup) bool { return s.ID == id })
		switch {
		case i < 0:
			return nil, nil, badRequest("securityGroups", "The security group '%s' does not exist", id)
		case network.SecurityGroups[i].VPC != vpc:
			return nil, nil, badRequest("securityGroups", "The security group '%s' is not in the VPC '%s' of the client subnets.", id, vpc)
		case seen[id]:
			return nil, nil, badRequest("securityGroups", "The security group '%s' is given twice.", id)
		}
		seen[id] = true
		given = append(given, metadata.Cond{Key: scope.SecurityGroupsPrefix() + id, Modified: network.Modified[id]})
	}
	return slices.Clone(ids), given, nil
}

// storage checks the volumes.
func (r *createRequest) storage(c *resource.Cluster, version resource.KafkaVersion) error {
	var ebs *gen.EBSStorageInfo
	if s := r.BrokerNodeGroupInfo.StorageInfo; s != nil {
		ebs = s.EbsStorageInfo
	}
	if c.Type == metadata.Express {
		if ebs != nil || r.StorageMode != "" {
			return badRequest("storageInfo", "%s", textExpressStorage)
		}
		return nil
	}
	c.StorageMode = string(r.StorageMode)
	if tiered(c) {
		if err := checkTiered(c.InstanceType, version); err != nil {
			return err
		}
	}
	c.VolumeGiB = volumeDefaultGiB
	if ebs != nil {
		c.VolumeGiB = cmp.Or(deref(ebs.VolumeSize), volumeDefaultGiB)
		var err error
		if c.Throughput, err = throughputAsked(ebs.ProvisionedThroughput); err != nil {
			return err
		}
	}
	return checkVolume(c.InstanceType, c.VolumeGiB, c.Throughput)
}

func (r *createRequest) rebalancing() resource.RebalancingStatus {
	if r.Rebalancing == nil {
		return ""
	}
	return resource.RebalancingStatus(r.Rebalancing.Status)
}

// connectivity: whatever opens a cluster to others is switched on later, as on MSK.
func (r *createRequest) connectivity() (resource.Connectivity, error) {
	k, err := withConnectivity(resource.Connectivity{}, r.BrokerNodeGroupInfo.ConnectivityInfo)
	switch {
	case err != nil:
		return k, err
	case publicAccess(&k) != publicAccessOff:
		return k, badRequest("publicAccess", "Public access can't be enabled when a cluster is created. Set publicAccess.type to DISABLED.")
	case vpcWays(&k).secured():
		return k, badRequest("vpcConnectivity", "%s", textMultiVPC)
	}
	return k, nil
}

// secure sets what the request says about encryption and client authentication.
func (a *api) secure(ctx context.Context, r *createRequest, c *resource.Cluster) (err error) {
	c.InCluster = true
	scope := c.Scope()
	if e := r.EncryptionInfo; e != nil {
		if t := e.EncryptionInTransit; t != nil {
			c.Security.ClientBroker = string(t.ClientBroker)
			if t.InCluster != nil {
				c.InCluster = *t.InCluster
			}
		}
		if e.EncryptionAtRest != nil {
			c.KMSKey = deref(e.EncryptionAtRest.DataVolumeKMSKeyId)
			ok, err := resource.KeyExists(ctx, a.store, scope, c.KMSKey)
			if err != nil {
				return storeError(err)
			}
			if !ok || !strings.HasPrefix(c.KMSKey, "arn:") {
				return badRequest("dataVolumeKMSKeyId", "[%s] is not the ARN of an enabled KMS key of this account and Region.", c.KMSKey)
			}
		}
	}
	if c.KMSKey == "" {
		if c.KMSKey, err = a.defaultKey(ctx, scope); err != nil {
			return err
		}
	}
	if c.Security, err = withAuthentication(c.Security, r.ClientAuthentication); err != nil {
		return err
	}
	return checkSecurity(&c.Security, c.InCluster)
}

// defaultKey is the ARN of the account's AWS managed key for MSK, which is made when it is first needed.
func (a *api) defaultKey(ctx context.Context, scope resource.Scope) (string, error) {
	if err := resource.SeedKeys(ctx, a.store, scope); err != nil {
		return "", storeError(err)
	}
	k, _, ok, err := resource.FindKey(ctx, a.store, scope, resource.KafkaAlias)
	if err != nil {
		return "", storeError(err)
	}
	if !ok {
		return "", badRequest("dataVolumeKMSKeyId", "The account has no key %s. Specify a key.", resource.KafkaAlias)
	}
	return scope.KeyARN(k.ID), nil
}
