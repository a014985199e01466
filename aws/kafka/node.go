package kafka

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// clientListener is the name of the plaintext listener, as MSK's brokers call it.
const clientListener = "CLIENT"

// isoMillis is how the API writes the times that its model calls strings.
const isoMillis = "2006-01-02T15:04:05.000Z"

// getBootstrapBrokers names up to three brokers, one per zone. Brokers have addresses and no DNS names yet, so the strings carry addresses.
func (a *api) getBootstrapBrokers(ctx context.Context, in *gen.GetBootstrapBrokersInput) (*gen.GetBootstrapBrokersOutput, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	if !c.State.Allows(resource.ActionBootstrapBrokers) {
		return nil, refused(resource.ActionBootstrapBrokers, c.State)
	}
	if c.State == resource.Failed {
		return &gen.GetBootstrapBrokersOutput{}, nil // nothing of it runs
	}
	return &gen.GetBootstrapBrokersOutput{BootstrapBrokerString: optional(BootstrapString(&c))}, nil
}

// BootstrapString is what plaintext clients of the cluster start from: host:port, comma separated; empty before it was ACTIVE.
func BootstrapString(c *resource.Cluster) string {
	var hosts []string
	for _, e := range c.BootstrapEndpoints(clientListener) {
		hosts = append(hosts, hostPort(e))
	}
	return strings.Join(hosts, ",")
}

func hostPort(e metadata.Endpoint) string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

func (a *api) listNodes(ctx context.Context, in *gen.ListNodesInput) (*gen.ListNodesOutput, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	if c.Kind() == metadata.Serverless {
		return nil, notOfServerless("brokers")
	}
	if !c.State.Allows(resource.ActionListNodes) {
		return nil, refused(resource.ActionListNodes, c.State)
	}
	nodes, next, err := page("ListNodes "+c.UUID, append([]resource.BrokerNode(nil), c.Nodes...),
		func(n *resource.BrokerNode) string { return fmt.Sprintf("%010d", n.Broker) }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListNodesOutput{NodeInfoList: []gen.NodeInfo{}, NextToken: next}
	for _, n := range nodes {
		out.NodeInfoList = append(out.NodeInfoList, nodeInfo(&c, n))
	}
	return out, nil
}

func nodeInfo(c *resource.Cluster, n resource.BrokerNode) gen.NodeInfo {
	b := &gen.BrokerNodeInfo{
		AttachedENIId:             new(n.ENI),
		BrokerId:                  new(float64(n.Broker)),
		ClientSubnet:              new(n.Subnet),
		CurrentBrokerSoftwareInfo: software(c),
		Endpoints:                 []string{},
	}
	for _, e := range n.Endpoints {
		if b.ClientVpcIpAddress == nil {
			b.ClientVpcIpAddress = new(e.Host)
		}
		b.Endpoints = append(b.Endpoints, e.Host) // MSK names the broker here, without a port
	}
	info := gen.NodeInfo{
		AddedToClusterTime: new(n.Joined.UTC().Format(isoMillis)),
		BrokerNodeInfo:     b,
		InstanceType:       new(strings.TrimPrefix(c.InstanceType, "kafka.")), // as MSK shows it here: "m5.large"
		NodeARN:            new(c.NodeARN(n)),
		NodeType:           gen.NodeTypeBroker,
	}
	// A KRaft cluster of MSK has controllers of their own beside its brokers. Here each broker serves what Kafka asks of a controller.
	if v, _ := resource.LookupKafkaVersion(c.KafkaVersion); v.KRaft() {
		info.ControllerNodeInfo = &gen.ControllerNodeInfo{Endpoints: b.Endpoints}
	}
	return info
}

// rebootBroker restarts one broker. It needs no current version, as on MSK, and can be queued.
func (a *api) rebootBroker(ctx context.Context, in *gen.RebootBrokerInput) (*gen.RebootBrokerOutput, error) {
	c, op, err := a.start(ctx, in.ClusterArn, resource.ActionReboot, func(c *resource.Cluster) (resource.Operation, error) {
		if c.Kind() == metadata.Serverless {
			return resource.Operation{}, notOfServerless("brokers")
		}
		id, err := oneBroker(c, in.BrokerIds)
		if err != nil {
			return resource.Operation{}, err
		}
		op := resource.NewOperation(resource.OpReboot, c.UUID, awsapi.ScopeFrom(ctx).RequestID, a.now().UTC())
		op.Reboot = &resource.Reboot{Broker: id}
		return op, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.RebootBrokerOutput{ClusterArn: new(c.ARN()), ClusterOperationArn: new(c.OperationARN(op.ID))}, nil
}

func oneBroker(c *resource.Cluster, ids []string) (metadata.BrokerID, error) {
	if len(ids) != 1 {
		return 0, badRequest("brokerIds", "Specify exactly one broker: brokers are rebooted one at a time.")
	}
	n, err := strconv.ParseInt(ids[0], 10, 32)
	if _, ok := c.BrokerNode(metadata.BrokerID(n)); err != nil || !ok {
		return 0, badRequest("brokerIds", "The broker ID [%s] doesn't exist in the cluster.", ids[0])
	}
	return metadata.BrokerID(n), nil
}
