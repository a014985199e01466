package kafka

import (
	"cmp"
	"context"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Updates of brokers: how many, how large, and their volumes.

func (a *api) updateBrokerCount(ctx context.Context, in *gen.UpdateBrokerCountInput) (*gen.UpdateBrokerCountOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateCount, func(c *resource.Cluster) (wanted, error) {
		const parameter = "targetNumberOfBrokerNodes"
		n := int(*in.TargetNumberOfBrokerNodes)
		w := wanted{operation: resource.OpIncreaseBrokers, target: resource.Change{Brokers: &n}}
		switch {
		case c.Kind() == metadata.Serverless:
			return w, notOfServerless("brokers")
		case n%len(c.Subnets) != 0:
			return w, badRequest(parameter, "%s", textBrokerCount)
		case n == c.Brokers:
			return w, unchanged(parameter, "the number of broker nodes")
		case n < c.Brokers:
			w.operation = resource.OpDecreaseBrokers
			return w, nil
		}
		version, _ := resource.LookupKafkaVersion(c.KafkaVersion)
		room, err := a.brokerPlaces(ctx, parameter, version, c.UUID, n)
		w.given, w.then = []metadata.Cond{room.given}, []metadata.Op{room.then}
		return w, err
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateBrokerCountOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

func (a *api) updateBrokerType(ctx context.Context, in *gen.UpdateBrokerTypeInput) (*gen.UpdateBrokerTypeOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateType, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpBrokerType, target: resource.Change{InstanceType: in.TargetInstanceType}}
		return w, a.checkType(ctx, c, *in.TargetInstanceType)
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateBrokerTypeOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// checkType checks that the brokers of the cluster can become ones of the type.
func (a *api) checkType(ctx context.Context, c *resource.Cluster, name string) error {
	const parameter = "targetInstanceType"
	if c.Kind() == metadata.Serverless {
		return notOfServerless("brokers")
	}
	size, err := knownSize(parameter, name)
	if err != nil {
		return err
	}
	version, _ := resource.LookupKafkaVersion(c.KafkaVersion)
	switch {
	case name == c.InstanceType:
		return unchanged(parameter, "the broker type")
	case size.Express() != (c.Kind() == metadata.Express):
		return badRequest(parameter, "A cluster can't change between Standard and Express brokers. Create a cluster of the other kind.")
	}
	if err := checkPair(size, version, parameter, parameter); err != nil {
		return err
	}
	if t := c.Throughput; t != nil && t.Enabled && (throughputMax(name) == 0 || t.MiBps > throughputMax(name)) {
		return badRequest(parameter, "Brokers of the type %s can't have the cluster's provisioned throughput of %d MiB per second. Change that first.", name, t.MiBps)
	}
	if tiered(c) {
		if err := checkTiered(name, version); err != nil {
			return badRequest(parameter, "Brokers of the type %s don't support the storage mode TIERED.", name)
		}
	}
	reports, err := a.reports(ctx, c)
	if err != nil {
		return err
	}
	for id, r := range reports {
		if size.PartitionsMax > 0 && r.Partitions > size.PartitionsMax {
			return badRequest(parameter, "Broker %d has %d partitions. A broker of the type %s can have at most %d.", id, r.Partitions, name, size.PartitionsMax)
		}
	}
	return nil
}

// reports are what the cluster's brokers last said of themselves.
func (a *api) reports(ctx context.Context, c *resource.Cluster) (map[metadata.BrokerID]metadata.BrokerReport, error) {
	out := make(map[metadata.BrokerID]metadata.BrokerReport, len(c.Nodes))
	prefix := metadata.BrokerReportPrefix(c.UUID)
	kvs, _, err := a.store.List(ctx, prefix)
	if err != nil {
		return nil, storeError(err)
	}
	byKey := make(map[string]metadata.KV, len(kvs))
	for _, kv := range kvs {
		byKey[kv.Key] = kv
	}
	for _, n := range c.Nodes {
		kv, ok := byKey[metadata.BrokerReportKey(c.UUID, n.Broker)]
		if !ok {
			continue
		}
		if out[n.Broker], err = metadata.Decode[metadata.BrokerReport](kv); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *api) updateBrokerStorage(ctx context.Context, in *gen.UpdateBrokerStorageInput) (*gen.UpdateBrokerStorageOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateStorage, func(c *resource.Cluster) (wanted, error) {
		const parameter = "targetBrokerEBSVolumeInfo"
		w := wanted{operation: resource.OpBrokerStorage}
		if len(in.TargetBrokerEBSVolumeInfo) != 1 {
			return w, badRequest(parameter, "Specify exactly one volume: the brokers of a cluster have volumes of one size.")
		}
		v := in.TargetBrokerEBSVolumeInfo[0]
		if !strings.EqualFold(*v.KafkaBrokerNodeId, allBrokers) {
			return w, badRequest("kafkaBrokerNodeId", "Unsupported broker [%s]. Volumes are changed for all brokers together. Valid values: [%s]",
				*v.KafkaBrokerNodeId, allBrokers)
		}
		var err error
		w.target, err = a.volumes(ctx, c, parameter, v.VolumeSizeGB, v.ProvisionedThroughput)
		return w, err
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateBrokerStorageOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// allBrokers stands for every broker of a cluster where the model has the id of one.
const allBrokers = "All"

// volumes is the change of the cluster's volumes that a request asks for. Volumes may become smaller, which MSK's cannot, as long as what the brokers
// hold fits.
func (a *api) volumes(ctx context.Context, c *resource.Cluster, parameter string, gib *int32, throughput *gen.ProvisionedThroughput) (resource.Change, error) {
	var ch resource.Change
	switch c.Kind() {
	case metadata.Serverless:
		return ch, notOfServerless("volumes")
	case metadata.Express:
		return ch, badRequest(parameter, "%s", textExpressVolumes)
	case metadata.Standard:
	}
	t, err := throughputAsked(throughput)
	if err != nil {
		return ch, err
	}
	if gib != nil && *gib != c.VolumeGiB {
		ch.VolumeGiB = gib
	}
	if t != nil && *t != deref(c.Throughput) {
		ch.Throughput = t
	}
	if ch == (resource.Change{}) {
		return ch, unchanged(parameter, "the EBS volumes")
	}
	after := c.Apply(ch)
	if err := checkVolume(after.InstanceType, after.VolumeGiB, after.Throughput); err != nil {
		return ch, err
	}
	if after.VolumeGiB >= c.VolumeGiB {
		return ch, nil
	}
	reports, err := a.reports(ctx, c)
	if err != nil {
		return ch, err
	}
	for id, r := range reports {
		if r.UsedBytes > int64(after.VolumeGiB)<<30 {
			return ch, badRequest("volumeSizeGB", "Broker %d holds %d GiB, which doesn't fit into a volume of %d GiB.",
				id, (r.UsedBytes+1<<30-1)>>30, after.VolumeGiB)
		}
	}
	return ch, nil
}

// updateStorage changes the storage mode, or the volumes as UpdateBrokerStorage does.
func (a *api) updateStorage(ctx context.Context, in *gen.UpdateStorageInput) (*gen.UpdateStorageOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateStorage, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpStorage}
		var err error
		switch volumes := in.VolumeSizeGB != nil || in.ProvisionedThroughput != nil; {
		case in.StorageMode != "" && volumes:
			return w, badRequest("storageMode", "%s", textSeveralKinds)
		case volumes:
			w.target, err = a.volumes(ctx, c, "volumeSizeGB", in.VolumeSizeGB, in.ProvisionedThroughput)
			return w, err
		case in.StorageMode == "":
			return w, badRequest("storageMode", "Specify storageMode, or volumeSizeGB and provisionedThroughput.")
		}
		w.target.StorageMode = new(string(in.StorageMode))
		return w, checkStorageMode(c, string(in.StorageMode))
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateStorageOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// checkStorageMode allows the way back from TIERED, which MSK does not.
func checkStorageMode(c *resource.Cluster, mode string) error {
	switch {
	case c.Kind() == metadata.Serverless:
		return notOfServerless("storage mode")
	case c.Kind() == metadata.Express:
		return badRequest("storageMode", "%s", textExpressVolumes)
	case mode == cmp.Or(c.StorageMode, resource.StorageLocal):
		return unchanged("storageMode", "the storage mode")
	case mode != resource.StorageTiered:
		return nil
	}
	version, _ := resource.LookupKafkaVersion(c.KafkaVersion)
	return checkTiered(c.InstanceType, version)
}
