package kafka

import (
	"context"
	"fmt"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// numbered is a version with its place in the list, oldest first.
type numbered struct {
	resource.KafkaVersion
	place int
}

func (a *api) listKafkaVersions(_ context.Context, in *gen.ListKafkaVersionsInput) (*gen.ListKafkaVersionsOutput, error) {
	var all []numbered
	for i, v := range resource.KafkaVersions() {
		all = append(all, numbered{v, i})
	}
	versions, next, err := page("ListKafkaVersions", all, func(v *numbered) string { return fmt.Sprintf("%03d", v.place) },
		in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListKafkaVersionsOutput{KafkaVersions: []gen.KafkaVersion{}, NextToken: next}
	for _, v := range versions {
		status := gen.KafkaVersionStatusActive
		if v.Deprecated {
			status = gen.KafkaVersionStatusDeprecated
		}
		out.KafkaVersions = append(out.KafkaVersions, gen.KafkaVersion{Version: new(v.Name), Status: status})
	}
	return out, nil
}

// getCompatibleKafkaVersions answers for one cluster, or for every version when no cluster is named.
func (a *api) getCompatibleKafkaVersions(ctx context.Context, in *gen.GetCompatibleKafkaVersionsInput) (
	*gen.GetCompatibleKafkaVersionsOutput, error,
) {
	sources := resource.KafkaVersions()
	if in.ClusterArn != nil {
		c, _, err := a.cluster(ctx, in.ClusterArn)
		if err != nil {
			return nil, err
		}
		v, _ := resource.LookupKafkaVersion(c.KafkaVersion)
		sources = []resource.KafkaVersion{v}
	}
	out := &gen.GetCompatibleKafkaVersionsOutput{CompatibleKafkaVersions: []gen.CompatibleKafkaVersion{}}
	for _, v := range sources {
		targets := []string{}
		for _, t := range v.Compatible() {
			targets = append(targets, t.Name)
		}
		out.CompatibleKafkaVersions = append(out.CompatibleKafkaVersions,
			gen.CompatibleKafkaVersion{SourceVersion: new(v.Name), TargetVersions: targets})
	}
	return out, nil
}
