// Package autoscaling is what `aws application-autoscaling` does for the volumes of MSK clusters: scalable targets and policies as records, which package
// control follows. Of the service's many namespaces only kafka is known.
//
// Non-obvious:
//   - A cluster's target, its policy and the activities are one record that belongs to the cluster and goes with it. Describing what was of a cluster that is gone
//     finds nothing, and so does deleting it: Terraform takes that for done.
//   - Volumes never shrink by themselves, whatever DisableScaleIn says, as on MSK. MinCapacity is kept and shown, and has no effect.
package autoscaling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/applicationautoscaling"
	"weir/control/resource"
	"weir/metadata"
)

type api struct {
	store metadata.Store
	now   func() time.Time
}

// New returns the service's operations. Every call's context must carry an awsapi.Scope.
func New(store metadata.Store) *gen.Service {
	a := &api{store: store, now: time.Now}
	return &gen.Service{
		RegisterScalableTarget:    a.registerScalableTarget,
		DeregisterScalableTarget:  a.deregisterScalableTarget,
		DescribeScalableTargets:   a.describeScalableTargets,
		PutScalingPolicy:          a.putScalingPolicy,
		DeleteScalingPolicy:       a.deleteScalingPolicy,
		DescribeScalingPolicies:   a.describeScalingPolicies,
		DescribeScalingActivities: a.describeScalingActivities,
		TagResource:               a.tagResource,
		UntagResource:             a.untagResource,
		ListTagsForResource:       a.listTagsForResource,
	}
}

const (
	namespace = gen.ServiceNamespaceKafka
	dimension = gen.ScalableDimensionKafkaBrokerStorageVolumeSize
	metric    = gen.MetricTypeKafkaBrokerStorageUtilization
)

func invalid(format string, args ...any) error {
	return &gen.ValidationException{Message: fmt.Sprintf(format, args...)}
}

func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// storeError turns an error of the metadata store into what a caller is told: to try again, when the store was away.
func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}

// checkNamespace refuses what is not about volumes of MSK.
func checkNamespace(ns gen.ServiceNamespace, d gen.ScalableDimension) error {
	if ns != namespace {
		return invalid("The service namespace %s is not supported by this version of Weir. Supported: [%s]", ns, namespace)
	}
	if d != "" && d != dimension {
		return invalid("Unsupported service namespace, resource type or scalable dimension: the service namespace %s has the scalable dimension %s, not %s.",
			ns, dimension, d)
	}
	return nil
}

// clusterID is the uuid of the cluster of this account and region that the resource id names, which is its ARN.
func clusterID(s resource.Scope, id string) (string, error) {
	ref, ok := resource.ParseClusterARN(id)
	switch {
	case !ok:
		return "", invalid("The resource ID of the service namespace %s is the ARN of an MSK cluster, not: %s", namespace, id)
	case ref.Scope != s:
		return "", invalid("The MSK cluster belongs to another account or region: %s", id)
	}
	return ref.UUID, nil
}

// found is a cluster and its scaling. Without a target, at is zero.
type found struct {
	cluster   resource.Cluster
	clusterAt metadata.Revision
	scaling   resource.VolumeScaling
	at        metadata.Revision
}

// read finds the cluster with that ARN; ok is false if there is none.
func (a *api) read(ctx context.Context, arn string) (f found, ok bool, err error) {
	s := scopeOf(ctx)
	id, err := clusterID(s, arn)
	if err != nil {
		return f, false, err
	}
	if f.cluster, f.clusterAt, ok, err = resource.ReadCluster(ctx, a.store, s.ClusterKey(id)); err != nil {
		return f, false, storeError(err)
	}
	if !ok || f.cluster.ARN() != arn {
		return f, false, nil
	}
	f.scaling, f.at, _, err = resource.ReadVolumeScaling(ctx, a.store, s, id)
	return f, true, storeError(err)
}

// target finds the cluster with that ARN and its target, which must both be there.
func (a *api) target(ctx context.Context, arn string) (found, error) {
	f, ok, err := a.read(ctx, arn)
	if err != nil {
		return f, err
	}
	if !ok || f.at == 0 {
		return f, noTarget(arn)
	}
	return f, nil
}

func noTarget(arn string) error {
	return &gen.ObjectNotFoundException{Message: fmt.Sprintf(
		"No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s", namespace, arn, dimension)}
}

// change writes the scaling as it was made of f, unless that or the cluster changed meanwhile: then again is true. nil deletes it.
func (a *api) change(ctx context.Context, f found, v *resource.VolumeScaling) (again bool, err error) {
	key := f.cluster.Scope().VolumeScalingKey(f.cluster.UUID)
	op := metadata.Delete(key)
	if v != nil {
		op = metadata.Put(key, metadata.Encode(*v))
	}
	_, err = a.store.Commit(ctx, metadata.Txn{
		If:   []metadata.Cond{{Key: f.cluster.Key(), Modified: f.clusterAt}, {Key: key, Modified: f.at}},
		Then: []metadata.Op{op},
	})
	if errors.Is(err, metadata.ErrConflict) {
		return true, nil
	}
	return false, storeError(err)
}

// all are the clusters of the scope that have a target, those of ids if it names any. What ids name and is not there is left out.
func (a *api) all(ctx context.Context, ids []string) ([]found, error) {
	var out []found
	if len(ids) > 0 {
		seen := make(map[string]bool)
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			f, ok, err := a.read(ctx, id)
			if err != nil {
				return nil, err
			}
			if ok && f.at != 0 {
				out = append(out, f)
			}
		}
		return out, nil
	}
	s := scopeOf(ctx)
	clusters, err := resource.ListClusters(ctx, a.store, s)
	if err != nil {
		return nil, storeError(err)
	}
	for i := range clusters {
		f := found{cluster: clusters[i]}
		var ok bool
		f.scaling, f.at, ok, err = resource.ReadVolumeScaling(ctx, a.store, s, f.cluster.UUID)
		if err != nil {
			return nil, storeError(err)
		}
		if ok {
			out = append(out, f)
		}
	}
	return out, nil
}
