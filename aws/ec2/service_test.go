package ec2

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/ec2"
	"weir/control/resource"
	"weir/metadata"
)

var scope = resource.Scope{Account: "000000000000", Region: "eu-west-1"}

func seeded(t *testing.T) (context.Context, *gen.Service, *resource.Network) {
	t.Helper()
	ctx, s, n, _ := opened(t)
	return ctx, s, n
}

func opened(t *testing.T) (context.Context, *gen.Service, *resource.Network, metadata.Store) {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	for range 2 { // the second time changes nothing
		if err := resource.SeedNetwork(t.Context(), store, scope); err != nil {
			t.Fatal(err)
		}
	}
	n, err := resource.ReadNetwork(t.Context(), store, scope)
	if err != nil {
		t.Fatal(err)
	}
	return awsapi.WithScope(t.Context(), awsapi.Scope{Account: scope.Account, Region: scope.Region}), New(store), n, store
}

func code(err error) string {
	if f := awsapi.AsFault(err); f != nil {
		return f.Code
	}
	return ""
}

func TestAccountStartsWithADefaultNetwork(t *testing.T) {
	ctx, s, _ := seeded(t)
	vpcs, err := s.DescribeVpcs(ctx, &gen.DescribeVpcsInput{Filters: []gen.Filter{{Name: new("is-default"), Values: []string{"true"}}}})
	if err != nil || len(vpcs.Vpcs) != 1 || *vpcs.Vpcs[0].CidrBlock != "172.31.0.0/16" || !*vpcs.Vpcs[0].IsDefault {
		t.Fatalf("default VPC: %+v, %v", vpcs, err)
	}
	vpc := *vpcs.Vpcs[0].VpcId
	subnets, err := s.DescribeSubnets(ctx, &gen.DescribeSubnetsInput{Filters: []gen.Filter{{Name: new("vpc-id"), Values: []string{vpc}}}})
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Zone, ID, CIDR string
		Free           int32
		Default        bool
	}
	var got []seen
	for _, v := range subnets.Subnets {
		got = append(got, seen{*v.AvailabilityZone, *v.AvailabilityZoneId, *v.CidrBlock, *v.AvailableIpAddressCount, *v.DefaultForAz})
	}
	slices.SortFunc(got, func(a, b seen) int { return int(a.Zone[len(a.Zone)-1]) - int(b.Zone[len(b.Zone)-1]) })
	want := []seen{
		{"eu-west-1a", "euw1-az1", "172.31.0.0/20", 4091, true},
		{"eu-west-1b", "euw1-az2", "172.31.16.0/20", 4091, true},
		{"eu-west-1c", "euw1-az3", "172.31.32.0/20", 4091, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
	groups, err := s.DescribeSecurityGroups(ctx, &gen.DescribeSecurityGroupsInput{GroupNames: []string{"default"}})
	if err != nil || len(groups.SecurityGroups) != 1 || *groups.SecurityGroups[0].VpcId != vpc {
		t.Errorf("default group: %+v, %v", groups, err)
	}
	zones, err := s.DescribeAvailabilityZones(ctx, &gen.DescribeAvailabilityZonesInput{ZoneIds: []string{"euw1-az2"}})
	if err != nil || len(zones.AvailabilityZones) != 1 || *zones.AvailabilityZones[0].ZoneName != "eu-west-1b" {
		t.Errorf("zone: %+v, %v", zones, err)
	}
}

func TestErrors(t *testing.T) {
	ctx, s, n := seeded(t)
	filter := func(name string, values ...string) []gen.Filter { return []gen.Filter{{Name: &name, Values: values}} }
	vpcs := func(in gen.DescribeVpcsInput) error { _, err := s.DescribeVpcs(ctx, &in); return err }
	subnets := func(in gen.DescribeSubnetsInput) error { _, err := s.DescribeSubnets(ctx, &in); return err }
	groups := func(in gen.DescribeSecurityGroupsInput) error {
		_, err := s.DescribeSecurityGroups(ctx, &in)
		return err
	}
	zones := func(in gen.DescribeAvailabilityZonesInput) error {
		_, err := s.DescribeAvailabilityZones(ctx, &in)
		return err
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"unknown VPC", vpcs(gen.DescribeVpcsInput{VpcIds: []string{"vpc-0"}}), "InvalidVpcID.NotFound"},
		{"unknown subnet", subnets(gen.DescribeSubnetsInput{SubnetIds: []string{n.Subnets[0].ID, "subnet-0"}}), "InvalidSubnetID.NotFound"},
		{"unknown group", groups(gen.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0"}}), "InvalidGroup.NotFound"},
		{"unknown group name", groups(gen.DescribeSecurityGroupsInput{GroupNames: []string{"web"}}), "InvalidGroup.NotFound"},
		{"unknown zone", zones(gen.DescribeAvailabilityZonesInput{ZoneNames: []string{"eu-west-1d"}}), "InvalidParameterValue"},
		{"unknown zone id", zones(gen.DescribeAvailabilityZonesInput{ZoneIds: []string{"euw1-az4"}}), "InvalidParameterValue"},
		{"unknown filter", vpcs(gen.DescribeVpcsInput{Filters: filter("colour", "blue")}), "InvalidParameterValue"},
		{"filter without values", vpcs(gen.DescribeVpcsInput{Filters: filter("vpc-id")}), "InvalidParameterValue"},
		{"filter without a name", vpcs(gen.DescribeVpcsInput{Filters: []gen.Filter{{Values: []string{"x"}}}}), "MissingParameter"},
		{"bad token", subnets(gen.DescribeSubnetsInput{NextToken: new("?")}), "InvalidPaginationToken"},
		{"foreign token", subnets(gen.DescribeSubnetsInput{NextToken: new("Zm9v")}), "InvalidPaginationToken"},
		{
			"ids and a page size", subnets(gen.DescribeSubnetsInput{SubnetIds: []string{n.Subnets[0].ID}, MaxResults: new(int32(5))}),
			"InvalidParameterCombination",
		},
		{"dry run", groups(gen.DescribeSecurityGroupsInput{DryRun: new(true)}), "DryRunOperation"},
		{"filter on tags", vpcs(gen.DescribeVpcsInput{Filters: filter("tag:Name", "x")}), ""},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want || (tt.want == "") != (tt.err == nil) {
			t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.want)
		}
	}
}

func TestFiltersAndPages(t *testing.T) {
	ctx, s, n := seeded(t)
	out, err := s.DescribeSubnets(ctx, &gen.DescribeSubnetsInput{Filters: []gen.Filter{
		{Name: new("availability-zone"), Values: []string{"*a", "eu-west-1?"}},
		{Name: new("cidr-block"), Values: []string{"172.31.16.0/20", "172.31.32.0/20"}},
	}})
	if err != nil || len(out.Subnets) != 2 {
		t.Errorf("filtered: %+v, %v", out, err)
	}
	var got []string
	in := &gen.DescribeSubnetsInput{MaxResults: new(int32(1))}
	for {
		out, err := s.DescribeSubnets(ctx, in)
		if err != nil || len(out.Subnets) != 1 {
			t.Fatalf("page: %+v, %v", out, err)
		}
		got = append(got, *out.Subnets[0].SubnetId)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	var want []string
	for _, v := range n.Subnets {
		want = append(want, v.ID)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	none, err := s.DescribeVpcs(ctx, &gen.DescribeVpcsInput{Filters: []gen.Filter{{Name: new("state"), Values: []string{"pending"}}}})
	if err != nil || none.Vpcs == nil || len(none.Vpcs) != 0 {
		t.Errorf("nothing found is an empty list: %+v, %v", none, err)
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"a*c", "abbbc", true},
		{"a*c", "abbbd", false},
		{"*", "", true},
		{"**", "x", true},
		{"*b*", "abc", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{`a\*c`, "a*c", true},
		{`a\*c`, "abc", false},
		{`a\`, `a\`, false},
		{"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	}
	for _, tt := range tests {
		if got := matches(tt.pattern, tt.text); got != tt.want {
			t.Errorf("matches(%q, %q) = %v", tt.pattern, tt.text, got)
		}
	}
}
