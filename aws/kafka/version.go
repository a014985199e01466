package kafka

import (
	"context"
	"fmt"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
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
		if c.Kind() == metadata.Serverless {
			return nil, notOfServerless("Kafka version")
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

// knownVersion looks a version up by the name that a request gives.
func knownVersion(parameter, name string) (resource.KafkaVersion, error) {
	v, ok := resource.LookupKafkaVersion(name)
	if !ok {
		return v, badRequest(parameter, "Unsupported KafkaVersion [%s]. Valid values: [%s]",
			name, list(resource.KafkaVersions(), func(v resource.KafkaVersion) string { return v.Name }))
	}
	return v, nil
}

// knownSize looks a broker size up by the name that a request gives.
func knownSize(parameter, name string) (resource.InstanceType, error) {
	t, ok := resource.LookupInstanceType(name)
	if !ok {
		return t, badRequest(parameter, "Unsupported InstanceType [%s]. Valid values: [%s]",
			name, list(resource.InstanceTypes(), func(t resource.InstanceType) string { return t.Name }))
	}
	return t, nil
}

func list[T any](all []T, name func(T) string) string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = name(v)
	}
	return strings.Join(names, ", ")
}

// graviton tells whether a size is of the family that needs a newer Kafka.
func graviton(size resource.InstanceType) bool { return strings.HasPrefix(size.Name, "kafka.m7g.") }

// checkPair checks that brokers of the size can be of the version. The parameters name what is to blame for the size and for the version.
func checkPair(size resource.InstanceType, version resource.KafkaVersion, sizeParameter, versionParameter string) error {
	switch {
	case size.Express() && !version.Express:
		return badRequest(versionParameter, "Express brokers don't support KafkaVersion [%s].", version.Name)
	case size.NoKRaft() && version.KRaft():
		return badRequest(sizeParameter, "%s doesn't support KRaft mode, which KafkaVersion [%s] uses.", size.Name, version.Name)
	case graviton(size) && (!version.AtLeast("2.8.2") || version.AtLeast("3.0.0") && !version.AtLeast("3.3.2")):
		return badRequest(sizeParameter, "%s doesn't support KafkaVersion [%s]. It needs 2.8.2.tiered, or 3.3.2 or newer.", size.Name, version.Name)
	}
	return nil
}
