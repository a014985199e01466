package kafka

import (
	"cmp"
	"reflect"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// sourceInfo and targetInfo show what an operation changes, from what and to what: only the fields that differ, as on MSK.

func sourceInfo(op *resource.Operation) *gen.MutableClusterInfo {
	if op.Update == nil {
		return &gen.MutableClusterInfo{}
	}
	return mutableInfo(op.Update.Source, op.Update.Target)
}

func targetInfo(op *resource.Operation) *gen.MutableClusterInfo {
	u := op.Update
	if u == nil {
		return &gen.MutableClusterInfo{}
	}
	info := mutableInfo(u.Target, u.Source)
	if len(u.Created)+len(u.Deleted) > 0 {
		info.BrokerCountUpdateInfo = &gen.BrokerCountUpdateInfo{CreatedBrokerIds: brokerIDs(u.Created), DeletedBrokerIds: brokerIDs(u.Deleted)}
	}
	return info
}

func brokerIDs(ids []metadata.BrokerID) []float64 {
	out := []float64{}
	for _, id := range ids {
		out = append(out, float64(id))
	}
	return out
}

// mutableInfo shows one side of a change. Of the fields that have parts it leaves out the parts that are the same on the other side.
func mutableInfo(ch, other resource.Change) *gen.MutableClusterInfo {
	out := &gen.MutableClusterInfo{
		InstanceType:       ch.InstanceType,
		KafkaVersion:       ch.KafkaVersion,
		EnhancedMonitoring: gen.EnhancedMonitoring(deref(ch.Monitoring)),
	}
	if ch.Brokers != nil {
		out.NumberOfBrokerNodes = new(int32(*ch.Brokers))
	}
	if ch.VolumeGiB != nil || ch.Throughput != nil {
		out.BrokerEBSVolumeInfo = []gen.BrokerEBSVolumeInfo{{
			KafkaBrokerNodeId: new(allBrokers), VolumeSizeGB: ch.VolumeGiB, ProvisionedThroughput: provisionedThroughput(ch.Throughput),
		}}
	}
	if ch.StorageMode != nil {
		out.StorageMode = cmp.Or(gen.StorageMode(*ch.StorageMode), gen.StorageModeLocal)
	}
	if k := ch.Configuration; k != nil && k.ARN != "" { // the default configuration has no ARN to show
		out.ConfigurationInfo = &gen.ConfigurationInfo{Arn: new(k.ARN), Revision: new(k.Revision)}
	}
	if ch.OpenMonitoring != nil {
		out.OpenMonitoring = exporters(ch.OpenMonitoring)
	}
	if ch.Logging != nil {
		out.LoggingInfo = logging(ch.Logging)
	}
	if ch.Rebalancing != nil {
		out.Rebalancing = &gen.Rebalancing{Status: cmp.Or(gen.RebalancingStatus(*ch.Rebalancing), gen.RebalancingStatusPaused)}
	}
	if ch.Security != nil {
		securityInfo(out, ch.Security, cmp.Or(other.Security, &resource.Security{}))
	}
	if ch.Connectivity != nil {
		connectivityInfo(out, ch.Connectivity, cmp.Or(other.Connectivity, &resource.Connectivity{}))
	}
	return out
}

func securityInfo(out *gen.MutableClusterInfo, s, other *resource.Security) {
	if own := clientAuthentication(s); !reflect.DeepEqual(own, clientAuthentication(other)) {
		out.ClientAuthentication = own
	}
	if own := clientBroker(s); own != clientBroker(other) {
		out.EncryptionInfo = &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{ClientBroker: own}}
	}
}

func connectivityInfo(out *gen.MutableClusterInfo, k, other *resource.Connectivity) {
	whole, shown := connectivity(k), &gen.ConnectivityInfo{}
	for _, kind := range connectivityChanges(k, other) {
		switch kind {
		case changesPublicAccess:
			shown.PublicAccess, out.ConnectivityInfo = whole.PublicAccess, shown
		case changesVPC:
			shown.VpcConnectivity, out.ConnectivityInfo = whole.VpcConnectivity, shown
		case changesNetworkType:
			shown.NetworkType, out.ConnectivityInfo = whole.NetworkType, shown
		case changesZooKeeper:
			out.ZookeeperAccess = &gen.ZookeeperAccess{Enabled: k.ZooKeeper}
		}
	}
}
