package logs

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/logs"
	"weir/control/resource"
	"weir/metadata"
)

var scope = resource.Scope{Account: "000000000000", Region: "eu-west-1"}

func open(t *testing.T) (context.Context, *gen.Service, metadata.Store) {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := resource.SeedKeys(t.Context(), store, scope); err != nil {
		t.Fatal(err)
	}
	return awsapi.WithScope(t.Context(), awsapi.Scope{Account: scope.Account, Region: scope.Region}), New(store), store
}

func code(err error) string {
	if f := awsapi.AsFault(err); f != nil {
		return f.Code
	}
	return ""
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestTerraformLogGroup makes the calls of aws_cloudwatch_log_group: create, retention, look by prefix, tags, key, delete.
func TestTerraformLogGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s, store := open(t)
		name := new("/msk/orders")
		_, err := s.CreateLogGroup(ctx, &gen.CreateLogGroupInput{LogGroupName: name, Tags: map[string]string{"team": "data"}})
		must(t, "", err)
		_, err = s.PutRetentionPolicy(ctx, &gen.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: new(int32(14))})
		must(t, "", err)
		_, err = s.AssociateKmsKey(ctx, &gen.AssociateKmsKeyInput{LogGroupName: name, KmsKeyId: new(resource.KafkaAlias)})
		must(t, "", err)
		out, err := s.DescribeLogGroups(ctx, &gen.DescribeLogGroupsInput{LogGroupNamePrefix: name})
		g := must(t, out, err).LogGroups[0]
		arn := "arn:aws:logs:eu-west-1:000000000000:log-group:/msk/orders"
		if *g.Arn != arn+":*" || *g.LogGroupArn != arn || *g.RetentionInDays != 14 || g.LogGroupClass != "STANDARD" || !strings.Contains(*g.KmsKeyId, ":key/") {
			t.Errorf("group: %+v", g)
		}
		if d := time.Since(time.UnixMilli(*g.CreationTime)); d < 0 || d > time.Minute {
			t.Errorf("made %v ago", d)
		}
		for _, id := range []string{arn, arn + ":*"} {
			_, err = s.TagResource(ctx, &gen.TagResourceInput{ResourceArn: &id, Tags: map[string]string{"stage": "test"}})
			must(t, "", err)
		}
		_, err = s.UntagResource(ctx, &gen.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"team"}})
		must(t, "", err)
		tags, err := s.ListTagsForResource(ctx, &gen.ListTagsForResourceInput{ResourceArn: &arn})
		if diff := cmp.Diff(map[string]string{"stage": "test"}, must(t, tags, err).Tags); diff != "" {
			t.Errorf("tags (-want +got):\n%s", diff)
		}
		for text, want := range map[string]bool{
			*name: true, arn: true, arn + ":*": true, "/msk/other": false, strings.Replace(arn, "000000000000", "111111111111", 1): false,
		} {
			if ok, err := resource.LogGroupExists(t.Context(), store, scope, text); err != nil || ok != want {
				t.Errorf("%s exists: %v, %v", text, ok, err)
			}
		}
		_, err = s.DisassociateKmsKey(ctx, &gen.DisassociateKmsKeyInput{ResourceIdentifier: &arn})
		must(t, "", err)
		_, err = s.DeleteRetentionPolicy(ctx, &gen.DeleteRetentionPolicyInput{LogGroupName: name})
		must(t, "", err)
		out, err = s.DescribeLogGroups(ctx, &gen.DescribeLogGroupsInput{})
		if g := must(t, out, err).LogGroups[0]; g.RetentionInDays != nil || g.KmsKeyId != nil {
			t.Errorf("group: %+v", g)
		}
		_, err = s.DeleteLogGroup(ctx, &gen.DeleteLogGroupInput{LogGroupName: name})
		must(t, "", err)
		out, err = s.DescribeLogGroups(ctx, &gen.DescribeLogGroupsInput{LogGroupNamePrefix: name})
		if len(must(t, out, err).LogGroups) != 0 {
			t.Errorf("deleted group: %+v", out)
		}
	})
}

func TestPages(t *testing.T) {
	ctx, s, _ := open(t)
	want := []string{"/a", "/a/b", "/c", "a"}
	for _, name := range want {
		_, err := s.CreateLogGroup(ctx, &gen.CreateLogGroupInput{LogGroupName: &name})
		must(t, "", err)
	}
	var got []string
	in := &gen.DescribeLogGroupsInput{Limit: new(int32(1))}
	for {
		out, err := s.DescribeLogGroups(ctx, in)
		must(t, out, err)
		got = append(got, *out.LogGroups[0].LogGroupName)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages: %v", got)
	}
}

func TestRefused(t *testing.T) {
	ctx, s, _ := open(t)
	_, err := s.CreateLogGroup(ctx, &gen.CreateLogGroupInput{LogGroupName: new("g"), DeletionProtectionEnabled: new(true)})
	must(t, "", err)
	create := func(in gen.CreateLogGroupInput) error {
		if in.LogGroupName == nil {
			in.LogGroupName = new("new")
		}
		_, err := s.CreateLogGroup(ctx, &in)
		return err
	}
	retain := func(name string, days int32) error {
		_, err := s.PutRetentionPolicy(ctx, &gen.PutRetentionPolicyInput{LogGroupName: &name, RetentionInDays: &days})
		return err
	}
	describe := func(in gen.DescribeLogGroupsInput) error { _, err := s.DescribeLogGroups(ctx, &in); return err }
	tags := func(arn string) error {
		_, err := s.ListTagsForResource(ctx, &gen.ListTagsForResourceInput{ResourceArn: &arn})
		return err
	}
	_, protected := s.DeleteLogGroup(ctx, &gen.DeleteLogGroupInput{LogGroupName: new("g")})
	_, absent := s.DeleteLogGroup(ctx, &gen.DeleteLogGroupInput{LogGroupName: new("none")})
	_, both := s.AssociateKmsKey(ctx, &gen.AssociateKmsKeyInput{
		LogGroupName: new("g"), ResourceIdentifier: new("g"), KmsKeyId: new(resource.KafkaAlias),
	})
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"name taken", create(gen.CreateLogGroupInput{LogGroupName: new("g")}), "ResourceAlreadyExistsException"},
		{"reserved name", create(gen.CreateLogGroupInput{LogGroupName: new("aws/g")}), "InvalidParameterException"},
		{"no such key", create(gen.CreateLogGroupInput{KmsKeyId: new("alias/none")}), "InvalidParameterException"},
		{"reserved tag", create(gen.CreateLogGroupInput{Tags: map[string]string{"aws:x": ""}}), "InvalidParameterException"},
		{"odd retention", retain("g", 2), "InvalidParameterException"},
		{"retention of none", retain("none", 1), "ResourceNotFoundException"},
		{"protected", protected, "ValidationException"},
		{"delete none", absent, "ResourceNotFoundException"},
		{"name and identifier", both, "InvalidParameterException"},
		{"prefix and pattern", describe(gen.DescribeLogGroupsInput{LogGroupNamePrefix: new("g"), LogGroupNamePattern: new("g")}), "InvalidParameterException"},
		{"another account", describe(gen.DescribeLogGroupsInput{AccountIdentifiers: []string{"111111111111"}}), "InvalidParameterException"},
		{"bad token", describe(gen.DescribeLogGroupsInput{NextToken: new("?")}), "InvalidParameterException"},
		{"tags of no ARN", tags("g"), "InvalidParameterException"},
		{"tags of another account's", tags("arn:aws:logs:eu-west-1:111111111111:log-group:g"), "ResourceNotFoundException"},
		{"tags of another region's", tags("arn:aws:logs:eu-west-2:000000000000:log-group:g"), "ResourceNotFoundException"},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want || tt.err == nil {
			t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.want)
		}
	}
}
