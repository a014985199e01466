package kafka

import (
	"cmp"
	"context"
	"reflect"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Updates of settings: monitoring, security, connectivity, rebalancing.

func (a *api) updateMonitoring(ctx context.Context, in *gen.UpdateMonitoringInput) (*gen.UpdateMonitoringOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateMonitoring, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpMonitoring}
		switch {
		case c.Kind() == metadata.Serverless:
			return w, notOfServerless("monitoring")
		case in.EnhancedMonitoring == "" && in.OpenMonitoring == nil && in.LoggingInfo == nil:
			return w, badRequest("enhancedMonitoring", "Specify at least one of enhancedMonitoring, openMonitoring and loggingInfo.")
		}
		logs, err := a.withLogs(ctx, c.Logging, in.LoggingInfo)
		if err != nil {
			return w, err
		}
		if level := in.EnhancedMonitoring; level != "" && level != monitoringLevel(c) {
			w.target.Monitoring = new(string(level))
		}
		if on := withExporters(c.OpenMonitoring, in.OpenMonitoring); on != nil && *on != deref(c.OpenMonitoring) {
			w.target.OpenMonitoring = on
		}
		if !reflect.DeepEqual(logs, c.Logging) {
			w.target.Logging = &logs
		}
		if w.target == (resource.Change{}) {
			return w, unchanged("enhancedMonitoring", "the monitoring")
		}
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateMonitoringOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// updateSecurity may be repeated: a request for what is so already starts an operation that changes nothing, as on MSK.
func (a *api) updateSecurity(ctx context.Context, in *gen.UpdateSecurityInput) (*gen.UpdateSecurityOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateSecurity, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpSecurity}
		if c.Kind() == metadata.Serverless {
			return w, notOfServerless("security settings")
		}
		if in.ClientAuthentication == nil && in.EncryptionInfo == nil {
			return w, badRequest("clientAuthentication", "Specify at least one of clientAuthentication and encryptionInfo.")
		}
		security := c.Security
		if e := in.EncryptionInfo; e != nil {
			if e.EncryptionAtRest != nil {
				return w, badRequest("encryptionInfo.encryptionAtRest", "%s", textAtRest)
			}
			if t := e.EncryptionInTransit; t != nil {
				if t.InCluster != nil {
					return w, badRequest("encryptionInfo.encryptionInTransit.inCluster", "%s", textInCluster)
				}
				security.ClientBroker = cmp.Or(string(t.ClientBroker), security.ClientBroker)
			}
		}
		security, err := withAuthentication(security, in.ClientAuthentication)
		if err != nil {
			return w, err
		}
		if err := checkSecurity(&security, c.InCluster); err != nil {
			return w, err
		}
		if err := keepsConnectivity(c, waysOf(security.ClientAuthentication)); err != nil {
			return w, err
		}
		if !reflect.DeepEqual(security, c.Security) {
			w.target.Security = &security
		}
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateSecurityOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// keepsConnectivity checks that a way of authentication is not switched off under those who come from outside.
func keepsConnectivity(c *resource.Cluster, w ways) error {
	v := vpcWays(&c.Connectivity)
	switch {
	case v.scram && !w.scram || v.iam && !w.iam || v.tls && !w.tls:
		return badRequest("clientAuthentication", "Multi-VPC connectivity is on for [%s]. Turn it off before the way of authentication.", v.names())
	case publicAccess(&c.Connectivity) != publicAccessOff && (w.open || !w.secured()):
		return badRequest("clientAuthentication", "Public access is on, which unauthenticated clients must not have. Turn it off first.")
	}
	return nil
}

// updateConnectivity changes one kind of connectivity at a time, as on MSK. To switch off again what is off for other VPCs starts an operation that
// changes nothing: Terraform asks for it after each create whose configuration says so, and takes a refusal for a failed create.
func (a *api) updateConnectivity(ctx context.Context, in *gen.UpdateConnectivityInput) (*gen.UpdateConnectivityOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateConnect, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpConnectivity}
		if c.Kind() == metadata.Serverless {
			return w, notOfServerless("connectivity")
		}
		after, err := withConnectivity(c.Connectivity, in.ConnectivityInfo)
		if err != nil {
			return w, err
		}
		if z := in.ZookeeperAccess; z != nil && z.Enabled != nil {
			after.ZooKeeper = z.Enabled
		}
		changes := connectivityChanges(&c.Connectivity, &after)
		switch {
		case len(changes) == 0 && in.ConnectivityInfo != nil && in.ConnectivityInfo.VpcConnectivity != nil:
			return w, nil
		case len(changes) == 0:
			return w, unchanged("connectivityInfo", "the connectivity")
		case len(changes) > 1:
			return w, badRequest(changes[1], "%s", textSeveralKinds)
		}
		w.target.Connectivity = &after
		return w, a.checkConnectivity(ctx, c, &after, changes[0])
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateConnectivityOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// What a change of connectivity may be of.
const (
	changesPublicAccess = "publicAccess"
	changesVPC          = "vpcConnectivity"
	changesNetworkType  = "networkType"
	changesZooKeeper    = "zookeeperAccess"
)

// connectivityChanges names the kinds of connectivity in which before and after differ.
func connectivityChanges(before, after *resource.Connectivity) []string {
	var kinds []string
	if publicAccess(before) != publicAccess(after) {
		kinds = append(kinds, changesPublicAccess)
	}
	if vpcWays(before) != vpcWays(after) {
		kinds = append(kinds, changesVPC)
	}
	if networkType(before) != networkType(after) {
		kinds = append(kinds, changesNetworkType)
	}
	if !reflect.DeepEqual(before.ZooKeeper, after.ZooKeeper) {
		kinds = append(kinds, changesZooKeeper)
	}
	return kinds
}

// checkConnectivity checks what the service asks for before it opens a cluster to others.
func (a *api) checkConnectivity(ctx context.Context, c *resource.Cluster, after *resource.Connectivity, kind string) error {
	version, _ := resource.LookupKafkaVersion(c.KafkaVersion)
	on, opened := waysOf(c.Security.ClientAuthentication), vpcWays(after)
	switch kind {
	case changesPublicAccess:
		if publicAccess(after) == publicAccessOff {
			return nil
		}
		return a.checkPublic(ctx, c, version, on)
	case changesVPC:
		switch {
		case !opened.secured():
			return nil
		case !version.AtLeast("2.7.1"):
			return badRequest(kind, "Multi-VPC connectivity needs Apache Kafka 2.7.1 or newer. The cluster has KafkaVersion [%s].", version.Name)
		case c.InstanceType == "kafka.t3.small":
			return badRequest(kind, "Brokers of the type %s don't support multi-VPC connectivity.", c.InstanceType)
		case opened.scram && !on.scram || opened.iam && !on.iam || opened.tls && !on.tls:
			return badRequest(kind, "Multi-VPC connectivity can be turned on only for ways of client authentication that the cluster has. It has [%s].", on.names())
		case opened.scram || opened.tls:
			return a.checkACLs(ctx, c, kind)
		}
	case changesZooKeeper:
		if version.KRaft() {
			return badRequest(kind, "A cluster with KafkaVersion [%s] has no ZooKeeper.", version.Name)
		}
	}
	return nil
}

func (a *api) checkPublic(ctx context.Context, c *resource.Cluster, version resource.KafkaVersion, on ways) error {
	const kind = changesPublicAccess
	switch {
	case !version.AtLeast("2.6.0"):
		return badRequest(kind, "Public access needs Apache Kafka 2.6.0 or newer. The cluster has KafkaVersion [%s].", version.Name)
	case on.open || !on.secured():
		return badRequest(kind, "Public access needs unauthenticated access to be off, and SASL/IAM, SASL/SCRAM or mutual TLS to be on.")
	case !c.InCluster:
		return badRequest(kind, "Public access needs encryption between brokers, which the cluster doesn't have.")
	case clientBroker(&c.Security) != gen.ClientBrokerTls:
		return badRequest(kind, "Public access needs plaintext connections to be off: clientBroker must be TLS, not %s.", clientBroker(&c.Security))
	case on.scram || on.tls:
		return a.checkACLs(ctx, c, kind)
	}
	return nil
}

// checkACLs checks that nobody has access to what no ACL speaks of, which would be everybody outside with SCRAM or mutual TLS.
func (a *api) checkACLs(ctx context.Context, c *resource.Cluster, kind string) error {
	properties, err := resource.ReadProperties(ctx, a.store, c)
	if err != nil {
		return storeError(err)
	}
	if properties["allow.everyone.if.no.acl.found"] != "false" {
		return badRequest(kind, "With SASL/SCRAM or mutual TLS, set allow.everyone.if.no.acl.found to false in the cluster's configuration first.")
	}
	return nil
}

// updateRebalancing is for Standard clusters as well, which MSK's is not.
func (a *api) updateRebalancing(ctx context.Context, in *gen.UpdateRebalancingInput) (*gen.UpdateRebalancingOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateRebalance, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpRebalancing}
		status := resource.RebalancingStatus(in.Rebalancing.Status)
		switch {
		case c.Kind() == metadata.Serverless:
			return w, notOfServerless("rebalancing")
		case status == "":
			return w, badRequest("rebalancing.status", "Specify rebalancing.status: ACTIVE or PAUSED.")
		case status == cmp.Or(c.Rebalancing, resource.RebalancingPaused):
			return w, unchanged("rebalancing", "the rebalancing")
		}
		w.target.Rebalancing = &status
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateRebalancingOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}
