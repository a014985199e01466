package protocol

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	"weir/awsapi/gen/cloudwatch"
	"weir/awsapi/gen/ec2"
	"weir/awsapi/gen/iam"
	"weir/awsapi/gen/sts"
)

func params(t testing.TB, s string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestQueryListsMapsAndStructures(t *testing.T) {
	var c Codec
	var role sts.AssumeRoleInput
	err := c.DecodeQuery(params(t, "Action=AssumeRole&Version=2011-06-15&RoleArn=r&DurationSeconds=900&Tags.member.2.Key=k2&Tags.member.2.Value=&"+
		"Tags.member.1.Key=k1&Tags.member.1.Value=v1&Tags.member.10.Key=k10&Tags.member.10.Value=v&TransitiveTagKeys=&PolicyArns.member.1.arn=a&Unknown=1"), false, &role)
	want := sts.AssumeRoleInput{
		RoleArn: new("r"), DurationSeconds: new(int32(900)), TransitiveTagKeys: []string{},
		Tags:       []sts.Tag{{Key: new("k1"), Value: new("v1")}, {Key: new("k2"), Value: new("")}, {Key: new("k10"), Value: new("v")}},
		PolicyArns: []sts.PolicyDescriptorType{{Arn: new("a")}},
	}
	if d := cmp.Diff(want, role); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	var m cloudwatch.PutMetricDataInput
	err = c.DecodeQuery(params(t, "Namespace=n&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1.5&MetricData.member.1.Timestamp=2026-01-02T03:04:05Z&"+
		"MetricData.member.1.Dimensions.member.1.Name=d&MetricData.member.1.Unit=Count"), false, &m)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	wantM := cloudwatch.PutMetricDataInput{Namespace: new("n"), MetricData: []cloudwatch.MetricDatum{{
		MetricName: new("m"), Value: new(1.5),
		Timestamp: &at, Unit: cloudwatch.StandardUnitCount, Dimensions: []cloudwatch.Dimension{{Name: new("d")}},
	}}}
	if d := cmp.Diff(wantM, m); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestEC2Parameters(t *testing.T) {
	var c Codec
	var in ec2.DescribeSubnetsInput
	err := c.DecodeQuery(params(t, "Action=DescribeSubnets&Version=2016-11-15&DryRun=false&Filter.1.Name=vpc-id&Filter.1.Value.1=a&Filter.1.Value.2=b&SubnetId.1=s"), true, &in)
	want := ec2.DescribeSubnetsInput{DryRun: new(false), Filters: []ec2.Filter{{Name: new("vpc-id"), Values: []string{"a", "b"}}}, SubnetIds: []string{"s"}}
	if d := cmp.Diff(want, in); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	err = c.DecodeQuery(params(t, "Action=DescribeSubnets&SubnetIds.1=s"), true, &in)
	if u, ok := errors.AsType[*UnknownParameter](err); !ok || u.Name != "SubnetIds.1" {
		t.Errorf("unknown parameter: %v", err)
	}
}

func TestQueryIsStrict(t *testing.T) {
	tests := []struct{ form, path, reason string }{
		{"DurationSeconds=x", "DurationSeconds", `"x" is not an integer in range`},
		{"DurationSeconds=99999999999", "DurationSeconds", "not an integer in range"},
		{"DurationSeconds=1&DurationSeconds=2", "DurationSeconds", "given 2 times"},
		{"DurationSeconds.member.1=1", "DurationSeconds", "a value is expected"},
		{"Tags.1.Key=k", "Tags", "list elements are expected as .member.1"},
		{"Tags.member.x.Key=k", "Tags", `"x" is not the number of a list element`},
		{"Tags.member.01.Key=k", "Tags", `"01" is not the number`},
		{"Tags.member.-1.Key=k", "Tags", `"-1" is not the number`},
		{"Tags.member.99999999999999999999.Key=k", "Tags", "is not the number"},
		{"Tags.member.1=k", "Tags.1", "a structure is expected"},
		{strings.Repeat("a.", 40) + "b=1", strings.Repeat("a.", 32) + "...", "more than 32 parts"},
	}
	var c Codec
	for _, tt := range tests {
		var in sts.AssumeRoleInput
		err := c.DecodeQuery(params(t, tt.form), false, &in)
		e, ok := err.(*Error) //nolint:errorlint // the contract
		if !ok || e.Path != tt.path || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%.60s: %v, want %q at %q", tt.form, err, tt.reason, tt.path)
		}
	}
}

func TestXMLAnswers(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	tests := []struct {
		name    string
		service awsapi.Service
		op      string
		out     any
		want    string
	}{
		{
			"ec2 list", new(ec2.Service), "DescribeVpcs", &ec2.DescribeVpcsOutput{Vpcs: []ec2.Vpc{{
				VpcId: new("vpc-1"), IsDefault: new(true),
				State: ec2.VpcStateAvailable, Tags: []ec2.Tag{{Key: new("a<b"), Value: new("")}},
			}, {}}},
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15"><requestId>ID</requestId>` +
				`<vpcSet><item><isDefault>true</isDefault><tagSet><item><key>a&lt;b</key><value></value></item></tagSet><vpcId>vpc-1</vpcId>` +
				`<state>available</state></item><item></item></vpcSet></DescribeVpcsResponse>`,
		},
		{
			"ec2 empty list", new(ec2.Service), "DescribeVpcs", &ec2.DescribeVpcsOutput{Vpcs: []ec2.Vpc{}},
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15"><requestId>ID</requestId>` +
				`<vpcSet></vpcSet></DescribeVpcsResponse>`,
		},
		{
			"ec2 without output", new(ec2.Service), "CreateTags", &ec2.CreateTagsOutput{},
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<CreateTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15"><requestId>ID</requestId>` +
				`<return>true</return></CreateTagsResponse>`,
		},
		{
			"query without output", new(iam.Service), "DeleteRole", &iam.DeleteRoleOutput{},
			`<DeleteRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></DeleteRoleResponse>`,
		},
		{
			"query list and time", new(iam.Service), "ListRoles", &iam.ListRolesOutput{Roles: []iam.Role{{RoleName: new("r"), CreateDate: &at}}, IsTruncated: new(false)},
			`<ListRolesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListRolesResult><Roles><member><RoleName>r</RoleName>` +
				`<CreateDate>2026-01-02T03:04:05.678Z</CreateDate></member></Roles><IsTruncated>false</IsTruncated></ListRolesResult>` +
				`<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></ListRolesResponse>`,
		},
		{
			"query map", new(iam.Service), "GetAccountSummary", &iam.GetAccountSummaryOutput{SummaryMap: map[iam.SummaryKeyType]int32{"Users": 2, "Groups": 1}},
			`<GetAccountSummaryResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetAccountSummaryResult><SummaryMap>` +
				`<entry><key>Groups</key><value>1</value></entry><entry><key>Users</key><value>2</value></entry></SummaryMap></GetAccountSummaryResult>` +
				`<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetAccountSummaryResponse>`,
		},
		{
			"characters XML cannot hold", new(sts.Service), "GetCallerIdentity", &sts.GetCallerIdentityOutput{Arn: new("a\x00\x1b]]>\r\n")},
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>a` + "\uFFFD\uFFFD" +
				`]]&gt;&#xD;&#xA;</Arn></GetCallerIdentityResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
		},
	}
	var c Codec
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tt.service.Model()
			var op *awsapi.OperationModel
			for i := range m.Operations {
				if m.Operations[i].Name == tt.op {
					op = &m.Operations[i]
				}
			}
			r := c.Output(m.Protocols[0], m, op, "ID", tt.out)
			if d := cmp.Diff(tt.want, string(r.Body)); d != "" || r.Status != 200 {
				t.Errorf("status %d\n%s", r.Status, d)
			}
			d := xml.NewDecoder(bytes.NewReader(r.Body))
			for {
				if _, err := d.Token(); err != nil {
					if err.Error() != "EOF" {
						t.Error(err)
					}
					break
				}
			}
		})
	}
}

// FuzzDecodeQuery: no parameters, however named, do more than fail.
func FuzzDecodeQuery(f *testing.F) {
	f.Add("Filter.1.Name=vpc-id&Filter.1.Value.1=a&SubnetId.1=s&DryRun=true")
	f.Add("Tags.member.1.Key=k&Tags.member.1.Value=v&TransitiveTagKeys=&DurationSeconds=1")
	f.Add("a.b.c.d=1&a=2&.=3&..=4&Tags..1=5&Tags.member.=6")
	var c Codec
	f.Fuzz(func(t *testing.T, form string) {
		v, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		for _, in := range []any{new(sts.AssumeRoleInput), new(ec2.DescribeSubnetsInput), new(cloudwatch.PutMetricDataInput)} {
			_, isEC2 := in.(*ec2.DescribeSubnetsInput)
			if c.DecodeQuery(v, isEC2, in) == nil {
				c.Validate(in)
			}
		}
	})
}

func TestConstraintsOfTheModel(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want []Violation
	}{
		{"good", &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::000000000000:role/r"), RoleSessionName: new("ok")}, nil},
		{"missing", &sts.AssumeRoleInput{RoleSessionName: new("ok")}, []Violation{{Path: "RoleArn", Missing: true, Must: "not be null"}}},
		{
			"short, and counted in characters", &sts.AssumeRoleInput{RoleArn: new(strings.Repeat("é", 19)), RoleSessionName: new("ok")},
			[]Violation{{Path: "RoleArn", Value: strings.Repeat("é", 19), Must: "have length greater than or equal to 20"}},
		},
		{
			"pattern means all of it", &sts.AssumeRoleInput{RoleArn: new(strings.Repeat("a", 20)), RoleSessionName: new("ok\nno")},
			[]Violation{{Path: "RoleSessionName", Value: "ok\nno", Must: `satisfy regular expression pattern: [\w+=,.@-]*`}},
		},
		{
			"number", &sts.AssumeRoleInput{RoleArn: new(strings.Repeat("a", 20)), RoleSessionName: new("ok"), DurationSeconds: new(int32(899))},
			[]Violation{{Path: "DurationSeconds", Value: "899", Must: "have value greater than or equal to 900"}},
		},
		{"element and member of element", &sts.AssumeRoleInput{
			RoleArn: new(strings.Repeat("a", 20)), RoleSessionName: new("ok"),
			TransitiveTagKeys: []string{"ok", ""}, Tags: []sts.Tag{{}},
		}, []Violation{
			{Path: "Tags.1.Key", Missing: true, Must: "not be null"},
			{Path: "Tags.1.Value", Missing: true, Must: "not be null"},
			{Path: "TransitiveTagKeys.2", Must: "have length greater than or equal to 1"},
			{Path: "TransitiveTagKeys.2", Must: `satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		}},
		{
			"secret", &sts.AssumeRoleWithSAMLInput{RoleArn: new(strings.Repeat("a", 20)), PrincipalArn: new(strings.Repeat("a", 20)), SAMLAssertion: new("abc")},
			[]Violation{{Path: "SAMLAssertion", Secret: true, Must: "have length greater than or equal to 4"}},
		},
		{
			"enumeration", &ec2.CreateVpcInput{InstanceTenancy: "nowhere"},
			[]Violation{{Path: "instanceTenancy", Enum: true, Value: "nowhere", Must: "satisfy enum value set: [default, dedicated, host]"}},
		},
	}
	var c Codec
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, c.Validate(tt.in)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEveryGeneratedTypeHasAPlan walks all types of all services, so that a tag that the codec does not understand fails here and not in
// front of a client.
func TestEveryGeneratedTypeHasAPlan(t *testing.T) {
	var c Codec
	for _, s := range allServices() {
		st := reflect.TypeOf(s).Elem()
		seen := map[reflect.Type]bool{}
		for field := range st.Fields() {
			f := field.Type
			walk(&c, f.In(1).Elem(), seen)
			walk(&c, f.Out(0).Elem(), seen)
		}
	}
}

func walk(c *Codec, t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	for _, f := range c.plan(t).fields {
		for n := f.node; n != nil; n = n.elem {
			if n.rules.regexp != nil {
				n.rules.regexp()
			}
			if n.kind == kindStruct {
				walk(c, n.typ, seen)
			}
		}
	}
}
