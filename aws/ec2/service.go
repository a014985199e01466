// Package ec2 is what `aws ec2` does: the network that clusters are placed in, as far as configurations of MSK clusters make and read it. An account
// starts with a default VPC, a default subnet in each of three zones, an internet gateway and a default security group (resource.SeedNetwork).
// Everything is a record: no packet is routed, translated or filtered by it.
//
// Non-obvious:
//   - Every change of a scope's network goes through api.change, which excludes all others by one key; a new cluster writes that key too. So what
//     is deleted is really unused, and blocks of subnets really do not overlap, whoever comes in between.
//   - Brokers' interfaces are shown, not kept: they are the nodes of the clusters' records. Their addresses are those that the brokers serve at, not
//     of their subnets; one address of the subnet counts as taken all the same.
package ec2

import (
	"context"
	"errors"
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
		AllocateAddress:                            a.allocateAddress,
		AssociateRouteTable:                        a.associateRouteTable,
		AttachInternetGateway:                      a.attachInternetGateway,
		AuthorizeSecurityGroupEgress:               a.authorizeSecurityGroupEgress,
		AuthorizeSecurityGroupIngress:              a.authorizeSecurityGroupIngress,
		CreateInternetGateway:                      a.createInternetGateway,
		CreateNatGateway:                           a.createNatGateway,
		CreateNetworkAclEntry:                      a.createNetworkAclEntry,
		CreateNetworkInterface:                     a.createNetworkInterface,
		CreateRoute:                                a.createRoute,
		CreateRouteTable:                           a.createRouteTable,
		CreateSecurityGroup:                        a.createSecurityGroup,
		CreateSubnet:                               a.createSubnet,
		CreateTags:                                 a.createTags,
		CreateVpc:                                  a.createVpc,
		DeleteInternetGateway:                      a.deleteInternetGateway,
		DeleteNatGateway:                           a.deleteNatGateway,
		DeleteNetworkAclEntry:                      a.deleteNetworkAclEntry,
		DeleteNetworkInterface:                     a.deleteNetworkInterface,
		DeleteRoute:                                a.deleteRoute,
		DeleteRouteTable:                           a.deleteRouteTable,
		DeleteSecurityGroup:                        a.deleteSecurityGroup,
		DeleteSubnet:                               a.deleteSubnet,
		DeleteTags:                                 a.deleteTags,
		DeleteVpc:                                  a.deleteVpc,
		DescribeAccountAttributes:                  a.describeAccountAttributes,
		DescribeAddresses:                          a.describeAddresses,
		DescribeAddressesAttribute:                 a.describeAddressesAttribute,
		DescribeAvailabilityZones:                  a.describeAvailabilityZones,
		DescribeInternetGateways:                   a.describeInternetGateways,
		DescribeManagedPrefixLists:                 a.describeManagedPrefixLists,
		DescribeNatGateways:                        a.describeNatGateways,
		DescribeNetworkAcls:                        a.describeNetworkAcls,
		DescribeNetworkInterfaceAttribute:          a.describeNetworkInterfaceAttribute,
		DescribeNetworkInterfaces:                  a.describeNetworkInterfaces,
		DescribePrefixLists:                        a.describePrefixLists,
		DescribeRegions:                            a.describeRegions,
		DescribeRouteTables:                        a.describeRouteTables,
		DescribeSecurityGroupRules:                 a.describeSecurityGroupRules,
		DescribeSecurityGroups:                     a.describeSecurityGroups,
		DescribeSubnets:                            a.describeSubnets,
		DescribeTags:                               a.describeTags,
		DescribeVpcAttribute:                       a.describeVpcAttribute,
		DescribeVpcEndpoints:                       a.describeVpcEndpoints,
		DescribeVpcs:                               a.describeVpcs,
		DetachInternetGateway:                      a.detachInternetGateway,
		DetachNetworkInterface:                     a.detachNetworkInterface,
		DisassociateRouteTable:                     a.disassociateRouteTable,
		ModifyNetworkInterfaceAttribute:            a.modifyNetworkInterfaceAttribute,
		ModifySecurityGroupRules:                   a.modifySecurityGroupRules,
		ModifySubnetAttribute:                      a.modifySubnetAttribute,
		ModifyVpcAttribute:                         a.modifyVpcAttribute,
		ReleaseAddress:                             a.releaseAddress,
		ReplaceNetworkAclAssociation:               a.replaceNetworkAclAssociation,
		ReplaceNetworkAclEntry:                     a.replaceNetworkAclEntry,
		ReplaceRoute:                               a.replaceRoute,
		ReplaceRouteTableAssociation:               a.replaceRouteTableAssociation,
		RevokeSecurityGroupEgress:                  a.revokeSecurityGroupEgress,
		RevokeSecurityGroupIngress:                 a.revokeSecurityGroupIngress,
		UpdateSecurityGroupRuleDescriptionsEgress:  a.updateSecurityGroupRuleDescriptionsEgress,
		UpdateSecurityGroupRuleDescriptionsIngress: a.updateSecurityGroupRuleDescriptionsIngress,
	}
}

func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// stateAvailable is the state of everything here.
const stateAvailable = "available"

// unavailable is what a caller is told of an error of the metadata store: to try again, when it was away.
func unavailable(err error) error {
	if !errors.Is(err, metadata.ErrUnavailable) {
		return err
	}
	return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailable",
		"The control plane's metadata store can't be reached. Try again.").Wrap(err)
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
	tags   map[string]string
	values map[string][]string // by name of filter
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
	for i := range named {
		if passes(&named[i], q.filters) {
			passing = append(passing, named[i])
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
