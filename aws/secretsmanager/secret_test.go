package secretsmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/secretsmanager"
	"weir/control/resource"
	"weir/metadata"
	"weir/secret"
)

var scope = resource.Scope{Account: "000000000000", Region: "eu-west-1"}

type fixture struct {
	*gen.Service
	store  metadata.Store
	master *secret.Master
}

func open(t *testing.T) (context.Context, *fixture) {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := secret.NewMaster("test", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return awsapi.WithScope(t.Context(), awsapi.Scope{Account: scope.Account, Region: scope.Region}), &fixture{New(store, m), store, m}
}

// later replaces the service by one whose clock is ahead.
func (f *fixture) later(d time.Duration) *fixture {
	a := &api{store: f.store, master: f.master, now: func() time.Time { return time.Now().Add(d) }}
	return &fixture{&gen.Service{ListSecrets: a.listSecrets, CreateSecret: a.createSecret, DeleteSecret: a.deleteSecret}, f.store, f.master}
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

// versionID returns a token that a version can have for its id.
func versionID(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func (f *fixture) put(ctx context.Context, t *testing.T, id, value string, n int, stages ...string) {
	t.Helper()
	_, err := f.PutSecretValue(ctx, &gen.PutSecretValueInput{
		SecretId: &id, SecretString: &value, ClientRequestToken: new(versionID(n)), VersionStages: stages,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stagesOf are the stages of each version by its number.
func (f *fixture) stagesOf(ctx context.Context, t *testing.T, id string) map[string]string {
	t.Helper()
	out, err := f.DescribeSecret(ctx, &gen.DescribeSecretInput{SecretId: &id})
	got := make(map[string]string)
	for v, s := range must(t, out, err).VersionIdsToStages {
		slices.Sort(s)
		got[v[len(v)-1:]] = strings.Join(s, " ")
	}
	return got
}

func (f *fixture) read(ctx context.Context, t *testing.T, in gen.GetSecretValueInput) string {
	t.Helper()
	out, err := f.GetSecretValue(ctx, &in)
	return *must(t, out, err).SecretString
}

func TestStagesMoveWithEachVersion(t *testing.T) {
	ctx, f := open(t)
	id := new("AmazonMSK_orders")
	if _, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id, SecretString: new("v1"), ClientRequestToken: new(versionID(1))}); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		do   func()
		want map[string]string
	}{
		{func() {}, map[string]string{"1": "AWSCURRENT"}},
		{func() { f.put(ctx, t, *id, "v2", 2) }, map[string]string{"1": "AWSPREVIOUS", "2": "AWSCURRENT"}},
		{func() { f.put(ctx, t, *id, "v3", 3) }, map[string]string{"2": "AWSPREVIOUS", "3": "AWSCURRENT"}},
		{func() { f.put(ctx, t, *id, "v3", 3) }, map[string]string{"2": "AWSPREVIOUS", "3": "AWSCURRENT"}}, // sent again
		{func() { f.put(ctx, t, *id, "v4", 4, "NEXT") }, map[string]string{"2": "AWSPREVIOUS", "3": "AWSCURRENT", "4": "NEXT"}},
		{func() {
			_, err := f.UpdateSecretVersionStage(ctx, &gen.UpdateSecretVersionStageInput{
				SecretId: id, VersionStage: new("AWSCURRENT"), RemoveFromVersionId: new(versionID(3)), MoveToVersionId: new(versionID(2)),
			})
			must(t, "", err)
		}, map[string]string{"2": "AWSCURRENT", "3": "AWSPREVIOUS", "4": "NEXT"}},
		{func() {
			_, err := f.UpdateSecretVersionStage(ctx, &gen.UpdateSecretVersionStageInput{
				SecretId: id, VersionStage: new("NEXT"), RemoveFromVersionId: new(versionID(4)),
			})
			must(t, "", err)
		}, map[string]string{"2": "AWSCURRENT", "3": "AWSPREVIOUS"}},
	}
	for i, step := range steps {
		step.do()
		if diff := cmp.Diff(step.want, f.stagesOf(ctx, t, *id)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	for want, in := range map[string]gen.GetSecretValueInput{
		"v2": {SecretId: id}, "v3": {SecretId: id, VersionStage: new("AWSPREVIOUS")}, "v1": {SecretId: id, VersionId: new(versionID(1))},
	} {
		if got := f.read(ctx, t, in); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	shown, err := f.ListSecretVersionIds(ctx, &gen.ListSecretVersionIdsInput{SecretId: id, IncludeDeprecated: new(true), MaxResults: new(int32(3))})
	if len(must(t, shown, err).Versions) != 3 || shown.NextToken == nil {
		t.Errorf("versions: %+v", shown)
	}
	value, ok, err := resource.ReadSecret(t.Context(), f.store, f.master, scope, *id)
	if err != nil || !ok || string(value.Reveal()) != "v2" {
		t.Errorf("read by another service: %q, %v, %v", value.Reveal(), ok, err)
	}
}

func TestSecretsAreFoundByNameAndARN(t *testing.T) {
	ctx, f := open(t)
	var arns []string
	for _, name := range []string{"a", "a-bcdefg", "a/b"} {
		out, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: &name, SecretString: new("value of " + name)})
		arns = append(arns, *must(t, out, err).ARN)
	}
	for i, name := range []string{"a", "a-bcdefg", "a/b"} {
		for _, id := range []string{name, arns[i], arns[i][:len(arns[i])-7]} {
			if got := f.read(ctx, t, gen.GetSecretValueInput{SecretId: &id}); got != "value of "+name {
				t.Errorf("%s: %q", id, got)
			}
		}
	}
	for _, id := range []string{
		"b", arns[0][:len(arns[0])-1] + "!", strings.Replace(arns[0], "eu-west-1", "eu-west-2", 1), strings.Replace(arns[0], "000000000000", "111111111111", 1),
		"arn:aws:kms:eu-west-1:000000000000:secret:a", "arn:nonsense",
	} {
		_, err := f.DescribeSecret(ctx, &gen.DescribeSecretInput{SecretId: &id})
		if code(err) != "ResourceNotFoundException" {
			t.Errorf("%s: %v", id, err)
		}
	}
	first, err := f.ListSecrets(ctx, &gen.ListSecretsInput{MaxResults: new(int32(2))})
	must(t, first, err)
	rest, err := f.ListSecrets(ctx, &gen.ListSecretsInput{MaxResults: new(int32(2)), NextToken: first.NextToken})
	if len(must(t, rest, err).SecretList) != 1 || rest.NextToken != nil {
		t.Errorf("pages: %+v, %+v", first, rest)
	}
	// The values of one secret go, and only those.
	if _, err := f.DeleteSecret(ctx, &gen.DeleteSecretInput{SecretId: new("a"), ForceDeleteWithoutRecovery: new(true)}); err != nil {
		t.Fatal(err)
	}
	f.read(ctx, t, gen.GetSecretValueInput{SecretId: new("a-bcdefg")})
	f.read(ctx, t, gen.GetSecretValueInput{SecretId: new("a/b")})
}

func TestDeletedSecretsComeBackUntilTheirWindowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, f := open(t)
		id := new("s")
		if _, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id, SecretString: new("canary")}); err != nil {
			t.Fatal(err)
		}
		remove := &gen.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: new(int64(7))}
		deleted, err := f.DeleteSecret(ctx, remove)
		if d := time.Until(*must(t, deleted, err).DeletionDate); d < 6*24*time.Hour || d > 7*24*time.Hour {
			t.Errorf("deletion in %v", d)
		}
		_, err = f.GetSecretValue(ctx, &gen.GetSecretValueInput{SecretId: id})
		if code(err) != "InvalidRequestException" || !strings.Contains(err.Error(), "marked for deletion") {
			t.Errorf("value of a deleted secret: %v", err)
		}
		_, err = f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id})
		if code(err) != "InvalidRequestException" || !strings.Contains(err.Error(), "scheduled for deletion") {
			t.Errorf("create over a deleted secret: %v", err)
		}
		if _, ok, err := resource.ReadSecret(t.Context(), f.store, f.master, scope, *id); ok || err != nil {
			t.Errorf("read by another service: %v, %v", ok, err)
		}
		if _, err := f.RestoreSecret(ctx, &gen.RestoreSecretInput{SecretId: id}); err != nil {
			t.Fatal(err)
		}
		if got := f.read(ctx, t, gen.GetSecretValueInput{SecretId: id}); got != "canary" {
			t.Errorf("restored: %q", got)
		}
		_, err = f.DeleteSecret(ctx, remove)
		must(t, "", err)
		left, err := f.later(8*24*time.Hour).ListSecrets(ctx, &gen.ListSecretsInput{IncludePlannedDeletion: new(true)})
		if len(must(t, left, err).SecretList) != 0 {
			t.Errorf("listed after the window: %+v", left)
		}
		kvs, _, err := f.store.List(t.Context(), scope.Prefix())
		if err != nil || len(kvs) != 0 {
			t.Errorf("left after the window: %v, %v", kvs, err)
		}
	})
}

// TestValuesAreSealed looks for a value in all that is kept and said.
func TestValuesAreSealed(t *testing.T) {
	ctx, f := open(t)
	const canary = "canary-4711"
	id := new("s")
	var said []string
	hear := func(v any, err error) { said = append(said, fmt.Sprintf("%+v %v", v, err)) }
	v, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id, SecretString: new(canary), ClientRequestToken: new(versionID(1))})
	hear(*v, err)
	d, err := f.DescribeSecret(ctx, &gen.DescribeSecretInput{SecretId: id})
	hear(*d, err)
	_, err = f.PutSecretValue(ctx, &gen.PutSecretValueInput{SecretId: id, SecretString: new(canary + "!"), ClientRequestToken: new(versionID(1))})
	hear("", err)
	_, err = f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id, SecretString: new(canary)})
	hear("", err)
	kvs, _, err := f.store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range kvs {
		said = append(said, kv.Key+string(kv.Value))
	}
	for _, text := range said {
		if strings.Contains(text, canary) || strings.Contains(text, "Y2FuYXJ5LTQ3MT") { // also as base64
			t.Errorf("the value is in: %s", text)
		}
	}
	// A value that was moved to another secret does not open there.
	if _, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: new("thief"), SecretString: new("x"), ClientRequestToken: new(versionID(1))}); err != nil {
		t.Fatal(err)
	}
	thief, _, _, err := resource.FindSecret(t.Context(), f.store, scope, "thief")
	if err != nil {
		t.Fatal(err)
	}
	owner, _, _, err := resource.FindSecret(t.Context(), f.store, scope, "s")
	if err != nil {
		t.Fatal(err)
	}
	sealed, _, err := f.store.Get(t.Context(), scope.SecretValueKey("s", owner.Suffix, versionID(1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(scope.SecretValueKey("thief", thief.Suffix, versionID(1)), sealed.Value),
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.GetSecretValue(ctx, &gen.GetSecretValueInput{SecretId: new("thief")}); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("a moved value: %v", err)
	}
}

func TestVersionsAreBounded(t *testing.T) {
	ctx, f := open(t)
	id := new("s")
	if _, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id, SecretString: new("v0"), ClientRequestToken: new(versionID(0))}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= versionsMax+5; n++ {
		f.put(ctx, t, *id, fmt.Sprint("v", n), n)
	}
	kvs, _, err := f.store.List(t.Context(), scope.Prefix())
	if err != nil || len(kvs) != versionsMax+1 {
		t.Errorf("%d records, %v", len(kvs), err)
	}
	_, err = f.GetSecretValue(ctx, &gen.GetSecretValueInput{SecretId: id, VersionId: new(versionID(1))})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("the oldest version: %v", err)
	}
}

func TestRefused(t *testing.T) {
	ctx, f := open(t)
	id := new("s")
	if _, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: id, SecretString: new("v1"), ClientRequestToken: new(versionID(1))}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateSecret(ctx, &gen.CreateSecretInput{Name: new("empty")}); err != nil {
		t.Fatal(err)
	}
	create := func(in gen.CreateSecretInput) error {
		if in.Name == nil {
			in.Name = new("new")
		}
		_, err := f.CreateSecret(ctx, &in)
		return err
	}
	put := func(in gen.PutSecretValueInput) error {
		if in.SecretId == nil {
			in.SecretId = id
		}
		_, err := f.PutSecretValue(ctx, &in)
		return err
	}
	get := func(in gen.GetSecretValueInput) error { _, err := f.GetSecretValue(ctx, &in); return err }
	remove := func(in gen.DeleteSecretInput) error { in.SecretId = id; _, err := f.DeleteSecret(ctx, &in); return err }
	stage := func(in gen.UpdateSecretVersionStageInput) error {
		in.SecretId = id
		_, err := f.UpdateSecretVersionStage(ctx, &in)
		return err
	}
	policy := func(text string) error {
		_, err := f.PutResourcePolicy(ctx, &gen.PutResourcePolicyInput{SecretId: id, ResourcePolicy: &text, BlockPublicPolicy: new(true)})
		return err
	}
	_, token := f.ListSecrets(ctx, &gen.ListSecretsInput{NextToken: new("?")})
	_, sort := f.ListSecrets(ctx, &gen.ListSecretsInput{SortBy: gen.SortByTypeLastChangedDate})
	_, tag := f.TagResource(ctx, &gen.TagResourceInput{SecretId: id, Tags: []gen.Tag{{Key: new("aws:x")}}})
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"bad name", create(gen.CreateSecretInput{Name: new("a b")}), "ValidationException"},
		{"name taken", create(gen.CreateSecretInput{Name: id, SecretString: new("v2")}), "ResourceExistsException"},
		{"two values", create(gen.CreateSecretInput{SecretString: new("x"), SecretBinary: []byte("x")}), "InvalidParameterException"},
		{"no such key", create(gen.CreateSecretInput{KmsKeyId: new("alias/none")}), "EncryptionFailure"},
		{"replicas", create(gen.CreateSecretInput{AddReplicaRegions: []gen.ReplicaRegionType{{}}}), "InvalidParameterException"},
		{"no value", put(gen.PutSecretValueInput{}), "InvalidParameterException"},
		{"version taken", put(gen.PutSecretValueInput{SecretString: new("other"), ClientRequestToken: new(versionID(1))}), "ResourceExistsException"},
		{"version taken by text", put(gen.PutSecretValueInput{SecretBinary: []byte("v1"), ClientRequestToken: new(versionID(1))}), "ResourceExistsException"},
		{"no such secret", put(gen.PutSecretValueInput{SecretId: new("none"), SecretString: new("x")}), "ResourceNotFoundException"},
		{"secret without a value", get(gen.GetSecretValueInput{SecretId: new("empty")}), "ResourceNotFoundException"},
		{"no such version", get(gen.GetSecretValueInput{SecretId: id, VersionId: new(versionID(9))}), "ResourceNotFoundException"},
		{"no such stage", get(gen.GetSecretValueInput{SecretId: id, VersionStage: new("NEXT")}), "ResourceNotFoundException"},
		{"version without the stage", get(gen.GetSecretValueInput{SecretId: id, VersionId: new(versionID(1)), VersionStage: new("NEXT")}), "InvalidRequestException"},
		{"window too short", remove(gen.DeleteSecretInput{RecoveryWindowInDays: new(int64(6))}), "InvalidParameterException"},
		{"window too long", remove(gen.DeleteSecretInput{RecoveryWindowInDays: new(int64(31))}), "InvalidParameterException"},
		{"window and force", remove(gen.DeleteSecretInput{RecoveryWindowInDays: new(int64(7)), ForceDeleteWithoutRecovery: new(true)}), "InvalidParameterException"},
		{"stage to nowhere", stage(gen.UpdateSecretVersionStageInput{VersionStage: new("NEXT")}), "InvalidParameterException"},
		{"take AWSCURRENT away", stage(gen.UpdateSecretVersionStageInput{VersionStage: new("AWSCURRENT"), RemoveFromVersionId: new(versionID(1))}), "InvalidParameterException"},
		{"stage of another version", stage(gen.UpdateSecretVersionStageInput{VersionStage: new("NEXT"), RemoveFromVersionId: new(versionID(1))}), "InvalidParameterException"},
		{"stage for no version", stage(gen.UpdateSecretVersionStageInput{VersionStage: new("NEXT"), MoveToVersionId: new(versionID(9))}), "ResourceNotFoundException"},
		{"policy is no JSON", policy("x"), "MalformedPolicyDocumentException"},
		{"public policy", policy(`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"}}}`), "PublicPolicyException"},
		{"bad token", token, "InvalidNextTokenException"},
		{"unknown order", sort, "InvalidParameterException"},
		{"reserved tag", tag, "InvalidParameterException"},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want || tt.err == nil {
			t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.want)
		}
	}
	if got := f.stagesOf(ctx, t, *id); !maps.Equal(got, map[string]string{"1": "AWSCURRENT"}) {
		t.Errorf("refused calls changed something: %v", got)
	}
}

// TestTerraformSecret makes the calls of aws_secretsmanager_secret, its policy and its version.
func TestTerraformSecret(t *testing.T) {
	ctx, f := open(t)
	created, err := f.CreateSecret(ctx, &gen.CreateSecretInput{
		Name: new("AmazonMSK_terraform"), Description: new(""), ForceOverwriteReplicaSecret: new(false), ClientRequestToken: new(versionID(1)),
		Tags: []gen.Tag{{Key: new("team"), Value: new("data")}},
	})
	id := must(t, created, err).ARN
	const doc = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"kafka.amazonaws.com"},"Action":"secretsmanager:getSecretValue","Resource":"*"}]}`
	_, err = f.PutResourcePolicy(ctx, &gen.PutResourcePolicyInput{SecretId: id, ResourcePolicy: new(doc), BlockPublicPolicy: new(true)})
	must(t, "", err)
	p, err := f.GetResourcePolicy(ctx, &gen.GetResourcePolicyInput{SecretId: id})
	if *must(t, p, err).ResourcePolicy != doc {
		t.Errorf("policy: %+v", p)
	}
	put, err := f.PutSecretValue(ctx, &gen.PutSecretValueInput{SecretId: id, SecretString: new(`{"username":"u"}`), ClientRequestToken: new(versionID(2))})
	v, err2 := f.GetSecretValue(ctx, &gen.GetSecretValueInput{SecretId: id, VersionId: must(t, put, err).VersionId})
	if *must(t, v, err2).SecretString != `{"username":"u"}` || !slices.Equal(v.VersionStages, []string{"AWSCURRENT"}) {
		t.Errorf("version: %+v", v.VersionStages)
	}
	_, err = f.UpdateSecret(ctx, &gen.UpdateSecretInput{SecretId: id, Description: new("users"), ClientRequestToken: new(versionID(3))})
	must(t, "", err)
	_, err = f.UntagResource(ctx, &gen.UntagResourceInput{SecretId: id, TagKeys: []string{"team"}})
	must(t, "", err)
	d, err := f.DescribeSecret(ctx, &gen.DescribeSecretInput{SecretId: id})
	if *must(t, d, err).Description != "users" || len(d.Tags) != 0 || d.DeletedDate != nil || d.KmsKeyId != nil || len(d.VersionIdsToStages) != 1 {
		t.Errorf("described: %+v", d)
	}
	_, err = f.DeleteSecret(ctx, &gen.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: new(int64(30))})
	must(t, "", err)
	d, err = f.DescribeSecret(ctx, &gen.DescribeSecretInput{SecretId: id})
	if must(t, d, err).DeletedDate == nil {
		t.Error("a deleted secret has no date")
	}
}
