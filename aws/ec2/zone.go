package ec2

import (
	"context"
	"slices"

	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
)

func (a *api) describeAvailabilityZones(ctx context.Context, in *gen.DescribeAvailabilityZonesInput) (
	*gen.DescribeAvailabilityZonesOutput, error,
) {
	const zoneType, opted = "availability-zone", string(gen.AvailabilityZoneOptInStatusOptInNotRequired)
	region := scopeOf(ctx).Region
	var all []item[gen.AvailabilityZone]
	ids := slices.Clone(in.ZoneNames)
	for _, z := range resource.Zones(region) {
		if slices.Contains(in.ZoneIds, z.ID) {
			ids = append(ids, z.Name)
		}
		all = append(all, item[gen.AvailabilityZone]{
			id: z.Name,
			shown: gen.AvailabilityZone{
				ZoneName: new(z.Name), ZoneId: new(z.ID), RegionName: new(region), State: gen.AvailabilityZoneStateAvailable,
				OptInStatus: gen.AvailabilityZoneOptInStatusOptInNotRequired, GroupName: new(region), NetworkBorderGroup: new(region),
				ZoneType: new(zoneType),
			},
			values: map[string][]string{
				"group-name": {region}, "opt-in-status": {opted}, "region-name": {region}, "state": {stateAvailable},
				"zone-id": {z.ID}, "zone-name": {z.Name}, "zone-type": {zoneType},
			},
		})
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(all, func(z item[gen.AvailabilityZone]) bool { return z.values["zone-id"][0] == id }) {
			return nil, fault("InvalidParameterValue", "Invalid availability zone-id: [%s]", id)
		}
	}
	zones, _, err := answer(query{
		ids: ids, notFound: "InvalidParameterValue", noun: "Invalid availability zone: [%s]",
		filters: in.Filters, dryRun: in.DryRun,
		known: []string{"group-name", "message", "opt-in-status", "region-name", "state", "zone-id", "zone-name", "zone-type"},
	}, all)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeAvailabilityZonesOutput{AvailabilityZones: zones}, nil
}

// describeRegions shows the one region that is served.
func (a *api) describeRegions(ctx context.Context, in *gen.DescribeRegionsInput) (*gen.DescribeRegionsOutput, error) {
	const opted = "opt-in-not-required"
	region := scopeOf(ctx).Region
	endpoint := "ec2." + region + ".amazonaws.com"
	regions, _, err := answer(query{
		ids: in.RegionNames, notFound: "InvalidParameterValue", noun: "Invalid region name provided: [%s]",
		filters: in.Filters, known: []string{"endpoint", "opt-in-status", "region-name"}, dryRun: in.DryRun,
	}, []item[gen.Region]{{
		id:     region,
		shown:  gen.Region{RegionName: new(region), Endpoint: new(endpoint), OptInStatus: new(opted)},
		values: map[string][]string{"endpoint": {endpoint}, "opt-in-status": {opted}, "region-name": {region}},
	}})
	if err != nil {
		return nil, err
	}
	return &gen.DescribeRegionsOutput{Regions: regions}, nil
}

func (a *api) describeAccountAttributes(ctx context.Context, in *gen.DescribeAccountAttributesInput) (*gen.DescribeAccountAttributesOutput, error) {
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	defaultVPC := "none"
	if v, err := w.vpcOrDefault(nil); err == nil {
		defaultVPC = v.ID
	}
	out := &gen.DescribeAccountAttributesOutput{AccountAttributes: []gen.AccountAttribute{}}
	for _, attribute := range []struct {
		name  gen.AccountAttributeName
		value string
	}{{gen.AccountAttributeNameSupportedPlatforms, "VPC"}, {gen.AccountAttributeNameDefaultVpc, defaultVPC}} {
		if len(in.AttributeNames) > 0 && !slices.Contains(in.AttributeNames, attribute.name) {
			continue
		}
		out.AccountAttributes = append(out.AccountAttributes, gen.AccountAttribute{
			AttributeName: new(string(attribute.name)), AttributeValues: []gen.AccountAttributeValue{{AttributeValue: new(attribute.value)}},
		})
	}
	return out, nil
}

// The three listings below are of what cannot be made here, so that there is none of it.

func (a *api) describePrefixLists(_ context.Context, in *gen.DescribePrefixListsInput) (*gen.DescribePrefixListsOutput, error) {
	lists, next, err := answer(query{
		ids: in.PrefixListIds, notFound: "InvalidPrefixListId.NotFound", noun: "The prefix list ID '%s' does not exist",
		filters: in.Filters, known: []string{"prefix-list-id", "prefix-list-name"}, maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
	}, []item[gen.PrefixList]{})
	if err != nil {
		return nil, err
	}
	return &gen.DescribePrefixListsOutput{PrefixLists: lists, NextToken: next}, nil
}

func (a *api) describeManagedPrefixLists(_ context.Context, in *gen.DescribeManagedPrefixListsInput) (*gen.DescribeManagedPrefixListsOutput, error) {
	lists, next, err := answer(query{
		ids: in.PrefixListIds, notFound: "InvalidPrefixListID.NotFound", noun: "The prefix list ID '%s' does not exist",
		filters: in.Filters, known: []string{"owner-id", "prefix-list-id", "prefix-list-name"},
		maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
	}, []item[gen.ManagedPrefixList]{})
	if err != nil {
		return nil, err
	}
	return &gen.DescribeManagedPrefixListsOutput{PrefixLists: lists, NextToken: next}, nil
}

func (a *api) describeVpcEndpoints(_ context.Context, in *gen.DescribeVpcEndpointsInput) (*gen.DescribeVpcEndpointsOutput, error) {
	endpoints, next, err := answer(query{
		ids: in.VpcEndpointIds, notFound: "InvalidVpcEndpointId.NotFound", noun: "The Vpc Endpoint Id '%s' does not exist",
		filters: in.Filters, known: []string{
			"ip-address-type", "service-name", "service-region", "vpc-endpoint-id", "vpc-endpoint-state", "vpc-endpoint-type", "vpc-id",
		},
		maxResults: in.MaxResults, token: in.NextToken, dryRun: in.DryRun,
	}, []item[gen.VpcEndpoint]{})
	if err != nil {
		return nil, err
	}
	return &gen.DescribeVpcEndpointsOutput{VpcEndpoints: endpoints, NextToken: next}, nil
}
