package resource

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"weir/metadata"
)

// Properties is the server.properties of a cluster: the default configuration of clusters like it, and over it what its own configuration sets.
func Properties(c *Cluster, custom map[string]string) map[string]string {
	p := DefaultProperties(c)
	maps.Copy(p, custom)
	return p
}

// ReadProperties returns the server.properties of a cluster, with the revision of the configuration that its record names.
func ReadProperties(ctx context.Context, store metadata.Store, c *Cluster) (map[string]string, error) {
	ref := c.Configuration
	if ref.ARN == "" {
		return Properties(c, nil), nil
	}
	id, ok := ParseConfigurationARN(ref.ARN)
	if !ok {
		return nil, fmt.Errorf("cluster %s names the configuration %q, which is no ARN of one", c.UUID, ref.ARN)
	}
	k := Configuration{UUID: id.UUID, Account: id.Account, Region: id.Region}
	r, ok, err := ReadRevision(ctx, store, &k, ref.Revision)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("cluster %s uses revision %d of configuration %s, which does not exist", c.UUID, ref.Revision, ref.ARN)
	}
	return Properties(c, r.Properties), nil
}

// DefaultProperties is the server.properties of a cluster without a configuration of its own: the service's default configuration for the
// cluster's number of zones, and the replication of internal topics that fits it. What only concerns ZooKeeper is left out.
func DefaultProperties(c *Cluster) map[string]string {
	replication, minISR := 3, 2
	switch len(c.Subnets) {
	case 1: // only a demo cluster of its own size has one zone
		replication, minISR = 1, 1
	case 2:
		replication, minISR = 2, 1
	}
	t, _ := LookupInstanceType(c.InstanceType)
	p := map[string]string{
		"allow.everyone.if.no.acl.found":           "true",
		"auto.create.topics.enable":                "false",
		"auto.leader.rebalance.enable":             "true",
		"default.replication.factor":               strconv.Itoa(replication),
		"min.insync.replicas":                      strconv.Itoa(minISR),
		"num.io.threads":                           "8",
		"num.network.threads":                      "5",
		"num.partitions":                           "1",
		"num.replica.fetchers":                     "2",
		"replica.lag.time.max.ms":                  "30000",
		"log.segment.bytes":                        "1073741824",
		"socket.receive.buffer.bytes":              "102400",
		"socket.request.max.bytes":                 "104857600",
		"socket.send.buffer.bytes":                 "102400",
		"unclean.leader.election.enable":           "true",
		"offsets.topic.replication.factor":         strconv.Itoa(replication),
		"transaction.state.log.replication.factor": strconv.Itoa(replication),
		"transaction.state.log.min.isr":            strconv.Itoa(minISR),
	}
	if t.Express() {
		const day = "86400000"
		p["unclean.leader.election.enable"] = "false"
		p["log.message.timestamp.before.max.ms"] = day
		p["log.message.timestamp.after.max.ms"] = day
		p["num.io.threads"] = strconv.Itoa(max(8, 2*t.VCPU))
		p["num.network.threads"] = strconv.Itoa(max(8, t.VCPU))
	}
	return p
}
