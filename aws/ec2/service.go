// Package ec2 is what `aws ec2` does: it shows the network that clusters are placed in. An account starts with a default VPC, a
// default subnet in each of three zones and a default security group (resource.SeedNetwork); nothing of it can be changed yet, and
// no packet is routed or filtered by it.
package ec2

import (
	"context"
	"fmt"
	"net/http"

	"weir/awsapi"
	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
	"weir/metadata"
)

type api struct{ store metadata.Store }

// New returns the operations that are built. All others stay nil, which the front answers as not implemented. Every call's context
// must carry an awsapi.Scope.
func New(store metadata.Store) *gen.Service {
	a := &api{store: store}
	return &gen.Service{
		DescribeVpcs:              a.describeVpcs,
		DescribeSubnets:           a.describeSubnets,
		DescribeSecurityGroups:    a.describeSecurityGroups,
		DescribeAvailabilityZones: a.describeAvailabilityZones,
	}
}

func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// network reads the caller's network.
func (a *api) network(ctx context.Context) (*resource.Network, error) {
	n, err := resource.ReadNetwork(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return nil, awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailable",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return n, nil
}

func fault(code, format string, args ...any) error {
	return awsapi.NewFault(http.StatusBadRequest, code, format, args...)
}

// dryRun is the error with which EC2 says that a call without DryRun would have been carried out.
func dryRun(asked *bool) error {
	if asked == nil || !*asked {
		return nil
	}
	return awsapi.NewFault(http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

func arn(s resource.Scope, rest string) *string {
	a := awsapi.ARN{Partition: awsapi.Partition, Service: "ec2", Region: s.Region, Account: s.Account, Resource: rest}
	return new(a.String())
}

// item is one thing to be listed: how it is shown, its id, and its value for each filter.
type item[T any] struct {
	id     string
	shown  T
	values map[string]string
}

// query is what all listings of EC2 take.
type query struct {
	ids        []string
	notFound   string // error code for an unknown id
	noun       string // of its text
	filters    []gen.Filter
	known      []string // names of filters
	maxResults *int32
	token      *string
	dryRun     *bool
}

// answer applies a query: named items or all, those that pass the filters, one page of them.
func answer[T any](q query, all []item[T]) ([]T, *string, error) {
	if err := checkFilters(q.filters, q.known); err != nil {
		return nil, nil, err
	}
	if len(q.ids) > 0 && q.maxResults != nil {
		return nil, nil, fault("InvalidParameterCombination", "The parameter MaxResults cannot be used together with a list of ids")
	}
	if err := dryRun(q.dryRun); err != nil {
		return nil, nil, err
	}
	named, err := pick(q, all)
	if err != nil {
		return nil, nil, err
	}
	var passing []item[T]
	for _, it := range named {
		if passes(it.values, q.filters) {
			passing = append(passing, it)
		}
	}
	passing, next, err := page(passing, q.maxResults, q.token)
	if err != nil {
		return nil, nil, err
	}
	out := make([]T, 0, len(passing))
	for _, it := range passing {
		out = append(out, it.shown)
	}
	return out, next, nil
}

// pick returns the items with the given ids, each once, or all.
func pick[T any](q query, all []item[T]) ([]item[T], error) {
	if len(q.ids) == 0 {
		return all, nil
	}
	var out []item[T]
	seen := make(map[string]bool)
	for _, id := range q.ids {
		found := false
		for _, it := range all {
			if it.id != id {
				continue
			}
			found = true
			if !seen[id] {
				out = append(out, it)
			}
			seen[id] = true
		}
		if !found {
			return nil, fault(q.notFound, "%s", fmt.Sprintf(q.noun, id))
		}
	}
	return out, nil
}
