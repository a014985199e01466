package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Demo says what the demo cluster is like. A zero field means its default.
type Demo struct {
	Name         string // default "demo"
	Brokers      int    // default 3; 1 to 15
	InstanceType string // default kafka.m7g.large
	KafkaVersion string // default the recommended one
	Quotas       resource.Quotas
}

// demoBrokersMax is the limit of the API's model.
const demoBrokersMax = 15

// EnsureDemo makes sure that the demo cluster exists, in the same way as a caller of CreateCluster, and returns its record in
// whatever state it is: as it was found, or CREATING. A demo cluster whose creation failed is removed first, which needs the
// control plane to be running. The scope must have its default network. Unlike other clusters, the demo cluster may have a number
// of brokers that two or three zones cannot share evenly; it then has one zone.
func EnsureDemo(ctx context.Context, store metadata.Store, scope resource.Scope, d Demo) (resource.Cluster, error) {
	d = d.withDefaults()
	if d.Brokers < 1 || d.Brokers > demoBrokersMax {
		return resource.Cluster{}, fmt.Errorf("a cluster has 1 to %d brokers, not %d", demoBrokersMax, d.Brokers)
	}
	ctx = awsapi.WithScope(ctx, awsapi.Scope{Account: scope.Account, Region: scope.Region})
	a := &api{store: store, now: time.Now, quotas: d.Quotas.WithDefaults()}
	c, _, ok, err := resource.FindCluster(ctx, store, scope, d.Name)
	if err != nil {
		return resource.Cluster{}, fmt.Errorf("look for the cluster %s: %w", d.Name, err)
	}
	if ok && c.State == resource.Failed {
		if err := a.removeFailed(ctx, &c); err != nil {
			return resource.Cluster{}, err
		}
		ok = false
	}
	if ok {
		return c, nil
	}
	network, err := resource.ReadNetwork(ctx, store, scope)
	if err != nil {
		return resource.Cluster{}, err
	}
	c, err = a.create(ctx, d.request(network))
	if err != nil {
		return resource.Cluster{}, fmt.Errorf("create the cluster %s: %w", d.Name, err)
	}
	return c, nil
}

func (d Demo) withDefaults() Demo {
	if d.Name == "" {
		d.Name = "demo"
	}
	if d.Brokers == 0 {
		d.Brokers = 3
	}
	if d.InstanceType == "" {
		d.InstanceType = "kafka.m7g.large"
	}
	if d.KafkaVersion == "" {
		d.KafkaVersion = resource.DefaultKafkaVersion
	}
	return d
}

func (d Demo) request(network *resource.Network) createRequest {
	zones := 1
	for _, n := range []int{clusterSubnetsMax, clusterSubnetsMin} {
		if d.Brokers%n == 0 {
			zones = n
			break
		}
	}
	var subnets []string
	seen := make(map[string]bool)
	byZone := slices.SortedFunc(slices.Values(network.Subnets), func(a, b resource.Subnet) int { return strings.Compare(a.Zone, b.Zone) })
	for _, s := range byZone {
		if s.Default && !seen[s.ZoneID] && len(subnets) < zones {
			seen[s.ZoneID] = true
			subnets = append(subnets, s.ID)
		}
	}
	return createRequest{
		name: d.Name, oneZone: true,
		ProvisionedRequest: gen.ProvisionedRequest{
			BrokerNodeGroupInfo: &gen.BrokerNodeGroupInfo{ClientSubnets: subnets, InstanceType: &d.InstanceType},
			KafkaVersion:        &d.KafkaVersion,
			NumberOfBrokerNodes: new(int32(d.Brokers)),
			// What is served. Nobody asked for more.
			EncryptionInfo: &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: gen.ClientBrokerPlaintext}},
		},
	}
}

// removeFailed deletes a cluster whose creation failed, and waits until it is gone.
func (a *api) removeFailed(ctx context.Context, c *resource.Cluster) error {
	if _, err := a.deleteCluster(ctx, &gen.DeleteClusterInput{ClusterArn: new(c.ARN())}); err != nil {
		return fmt.Errorf("remove the failed cluster %s: %w", c.Name, err)
	}
	_, err := resource.Await(ctx, a.store, c.Key(), func(_ resource.Cluster, ok bool) bool { return !ok })
	if err != nil {
		return fmt.Errorf("remove the failed cluster %s: %w", c.Name, err)
	}
	return nil
}
