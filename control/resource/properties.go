package resource

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"weir/metadata"
)

// Properties is the server.properties of a cluster: the default configuration of clusters like it, and over it what its own configuration sets.
func Properties(c *Cluster, custom map[string]string) map[string]string {
	p := DefaultProperties(c)
	if _, ok := custom[timestampDifference]; ok { // it stands in for both, and defaults of theirs would hide it
		delete(p, timestampBefore)
		delete(p, timestampAfter)
	}
	maps.Copy(p, custom)
	return p
}

const (
	timestampDifference = "log.message.timestamp.difference.max.ms"
	timestampBefore     = "log.message.timestamp.before.max.ms"
	timestampAfter      = "log.message.timestamp.after.max.ms"
)

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
// cluster's kind, size, number of zones, storage mode and Kafka version, and the replication of internal topics that fits it.
func DefaultProperties(c *Cluster) map[string]string {
	replication, minISR := 3, 2
	switch len(c.Subnets) {
	case 1: // only a demo cluster of its own size has one zone
		replication, minISR = 1, 1
	case 2:
		replication, minISR = 2, 1
	}
	t, _ := LookupInstanceType(c.InstanceType)
	v, known := LookupKafkaVersion(c.KafkaVersion)
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
	if known && !v.KRaft() {
		p["zookeeper.session.timeout.ms"] = "18000"
		p["zookeeper.set.acl"] = "false"
	}
	const day = "86400000"
	switch {
	case c.Kind() == metadata.Serverless:
		serverlessProperties(p)
	case c.Kind() == metadata.Express:
		p["unclean.leader.election.enable"] = "false"
		p[timestampBefore], p[timestampAfter] = day, day
		p["num.io.threads"] = strconv.Itoa(max(8, 2*t.VCPU))
		p["num.network.threads"] = strconv.Itoa(max(8, t.VCPU))
	case c.StorageMode == StorageTiered:
		p["unclean.leader.election.enable"] = "false"
		p["log.segment.bytes"] = "134217728"
		p["num.io.threads"] = strconv.Itoa(max(8, t.VCPU))
		p["num.network.threads"] = strconv.Itoa(max(5, t.VCPU/2))
		p["num.replica.fetchers"] = strconv.Itoa(max(2, t.VCPU/4))
		p["remote.log.reader.threads"] = strconv.Itoa(max(10, t.VCPU*67/100))
		switch {
		case v.Tiered():
			p[timestampDifference] = day
		case strings.HasPrefix(v.Name, "3.7."): // what that property was split into
			p[timestampBefore], p[timestampAfter] = day, day
		}
	}
	return p
}
