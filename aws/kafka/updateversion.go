package kafka

import (
	"context"
	"slices"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Updates of the Kafka version and of the configuration.

// configurationUse is a revision of a configuration that a cluster is to use, with what the transaction must hold that lets it.
type configurationUse struct {
	ref   resource.ConfigurationRef
	given metadata.Cond
	then  metadata.Op
}

// useConfiguration checks that the cluster, as it will be, can use the revision that a request names.
func (a *api) useConfiguration(ctx context.Context, c *resource.Cluster, in *gen.ConfigurationInfo) (configurationUse, error) {
	const parameter = "configurationInfo"
	var u configurationUse
	id, ok := resource.ParseConfigurationARN(*in.Arn)
	if !ok {
		return u, badRequest(parameter, "%s", textConfigurationARN)
	}
	if id.Scope != c.Scope() {
		return u, badRequest(parameter, "%s", textConfiguration)
	}
	k, at, ok, err := resource.ReadConfiguration(ctx, a.store, id)
	if err != nil {
		return u, storeError(err)
	}
	if !ok {
		return u, badRequest(parameter, "%s", textConfiguration)
	}
	r, ok, err := resource.ReadRevision(ctx, a.store, &k, *in.Revision)
	if err != nil {
		return u, storeError(err)
	}
	switch {
	case !ok && *in.Revision >= 1 && *in.Revision <= k.Latest.Number: // it was deleted after its head was read
		return u, badRequest(parameter, "%s", textConfiguration)
	case !ok:
		return u, badRequest(parameter, "The configuration has no revision %d. Its latest is %d.", *in.Revision, k.Latest.Number)
	}
	if len(k.Versions) > 0 && !slices.Contains(k.Versions, c.KafkaVersion) {
		return u, badRequest(parameter, "The configuration is for the Kafka versions [%s], not for KafkaVersion [%s].",
			strings.Join(k.Versions, ", "), c.KafkaVersion)
	}
	if findings := resource.CheckConfiguration(c, &r); len(findings) > 0 {
		return u, badRequest(parameter, "The cluster can't use revision %d of the configuration:\n%s", r.Number, resource.Findings(findings))
	}
	u.ref = resource.ConfigurationRef{ARN: *in.Arn, Revision: *in.Revision}
	u.given, u.then = k.Use(at)
	return u, nil
}

func (w *wanted) use(u configurationUse) {
	w.target.Configuration = &u.ref
	w.given, w.then = append(w.given, u.given), append(w.then, u.then)
}

func (a *api) updateClusterConfiguration(ctx context.Context, in *gen.UpdateClusterConfigurationInput) (*gen.UpdateClusterConfigurationOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateConfig, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpConfiguration}
		if c.Kind() == metadata.Serverless {
			return w, notOfServerless("configuration")
		}
		u, err := a.useConfiguration(ctx, c, in.ConfigurationInfo)
		if err != nil {
			return w, err
		}
		if u.ref == c.Configuration {
			return w, unchanged("configurationInfo", "the configuration")
		}
		w.use(u)
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateClusterConfigurationOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

// updateClusterKafkaVersion takes every version that the brokers can have, older ones and those of the other metadata mode as well. MSK's clusters go
// forward only, and GetCompatibleKafkaVersions shows what it would allow.
func (a *api) updateClusterKafkaVersion(ctx context.Context, in *gen.UpdateClusterKafkaVersionInput) (*gen.UpdateClusterKafkaVersionOutput, error) {
	s, err := a.update(ctx, in.ClusterArn, in.CurrentVersion, resource.ActionUpdateVersion, func(c *resource.Cluster) (wanted, error) {
		w := wanted{operation: resource.OpKafkaVersion, target: resource.Change{KafkaVersion: in.TargetKafkaVersion}}
		if err := a.checkVersion(c, *in.TargetKafkaVersion); err != nil {
			return w, err
		}
		after := c.Apply(w.target)
		info := in.ConfigurationInfo
		if info == nil && c.Configuration.ARN != "" { // what the cluster has must go with the new version as well
			info = &gen.ConfigurationInfo{Arn: new(c.Configuration.ARN), Revision: new(c.Configuration.Revision)}
		}
		if info == nil {
			return w, nil
		}
		u, err := a.useConfiguration(ctx, &after, info)
		if err != nil {
			return w, err
		}
		if u.ref != c.Configuration {
			w.use(u)
		}
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateClusterKafkaVersionOutput{ClusterArn: s.cluster, ClusterOperationArn: s.operation}, nil
}

func (a *api) checkVersion(c *resource.Cluster, name string) error {
	const parameter = "targetKafkaVersion"
	if c.Kind() == metadata.Serverless {
		return notOfServerless("Kafka version")
	}
	version, err := knownVersion(parameter, name)
	if err != nil {
		return err
	}
	if name == c.KafkaVersion {
		return unchanged(parameter, "the Kafka version")
	}
	size, _ := resource.LookupInstanceType(c.InstanceType)
	if err := checkPair(size, version, parameter, parameter); err != nil {
		return err
	}
	if tiered(c) && checkTiered(c.InstanceType, version) != nil {
		return badRequest(parameter, "KafkaVersion [%s] doesn't support the storage mode TIERED, which the cluster has.", name)
	}
	if most := a.quotas.ClusterBrokers(version); c.Brokers > most {
		return badRequest(parameter, "A cluster with KafkaVersion [%s] can have at most %d brokers. This one has %d.", name, most, c.Brokers)
	}
	return nil
}
