package kms

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/kms"
	"weir/control/resource"
	"weir/metadata"
)

var scope = resource.Scope{Account: "000000000000", Region: "eu-west-1"}

type fixture struct {
	*gen.Service
	store metadata.Store
}

func open(t *testing.T) (context.Context, *fixture) {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	for range 2 { // the second time changes nothing
		if err := resource.SeedKeys(t.Context(), store, scope); err != nil {
			t.Fatal(err)
		}
	}
	ctx := awsapi.WithScope(t.Context(), awsapi.Scope{
		Account: scope.Account, Region: scope.Region, Principal: awsapi.Principal{ARN: "arn:aws:iam::000000000000:root"},
	})
	return ctx, &fixture{New(store), store}
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

func (f *fixture) key(ctx context.Context, t *testing.T) *string {
	t.Helper()
	out, err := f.CreateKey(ctx, &gen.CreateKeyInput{})
	return must(t, out, err).KeyMetadata.KeyId
}

// TestTerraformKey makes the calls of aws_kms_key and aws_kms_alias.
func TestTerraformKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, f := open(t)
		const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"kms:*","Resource":"*"}]}`
		created, err := f.CreateKey(ctx, &gen.CreateKeyInput{
			BypassPolicyLockoutSafetyCheck: new(false), CustomerMasterKeySpec: "SYMMETRIC_DEFAULT", KeyUsage: gen.KeyUsageTypeEncryptDecrypt,
			Description: new("msk"), MultiRegion: new(false), Policy: new(policy), Tags: []gen.Tag{{TagKey: new("team"), TagValue: new("data")}},
		})
		id := must(t, created, err).KeyMetadata.KeyId
		_, err = f.EnableKeyRotation(ctx, &gen.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: new(int32(90))})
		must(t, "", err)
		d, err := f.DescribeKey(ctx, &gen.DescribeKeyInput{KeyId: id})
		m := must(t, d, err).KeyMetadata
		if *m.Arn != "arn:aws:kms:eu-west-1:000000000000:key/"+*id || !*m.Enabled || m.KeyState != "Enabled" || m.KeyManager != "CUSTOMER" || *m.Description != "msk" {
			t.Errorf("key: %+v", m)
		}
		p, err := f.GetKeyPolicy(ctx, &gen.GetKeyPolicyInput{KeyId: id, PolicyName: new("default")})
		if *must(t, p, err).Policy != policy {
			t.Errorf("policy: %s", *p.Policy)
		}
		r, err := f.GetKeyRotationStatus(ctx, &gen.GetKeyRotationStatusInput{KeyId: id})
		if next := must(t, r, err).NextRotationDate; !*r.KeyRotationEnabled || *r.RotationPeriodInDays != 90 || time.Until(*next) > 90*day {
			t.Errorf("rotation: %+v", r)
		}
		tags, err := f.ListResourceTags(ctx, &gen.ListResourceTagsInput{KeyId: id})
		if len(must(t, tags, err).Tags) != 1 || *tags.Truncated {
			t.Errorf("tags: %+v", tags)
		}
		_, err = f.CreateAlias(ctx, &gen.CreateAliasInput{AliasName: new("alias/msk"), TargetKeyId: id})
		must(t, "", err)
		aliases, err := f.ListAliases(ctx, &gen.ListAliasesInput{})
		if a := must(t, aliases, err).Aliases; len(a) != 2 || *a[0].AliasName != "alias/aws/kafka" || *a[1].TargetKeyId != *id {
			t.Errorf("aliases: %+v", a)
		}
		for _, text := range []string{*id, *m.Arn, "alias/msk", "arn:aws:kms:eu-west-1:000000000000:alias/msk", "alias/aws/kafka"} {
			if ok, err := resource.KeyExists(t.Context(), f.store, scope, text); err != nil || !ok {
				t.Errorf("%s exists: %v, %v", text, ok, err)
			}
		}
		other := f.key(ctx, t)
		_, err = f.UpdateAlias(ctx, &gen.UpdateAliasInput{AliasName: new("alias/msk"), TargetKeyId: other})
		must(t, "", err)
		d, err = f.DescribeKey(ctx, &gen.DescribeKeyInput{KeyId: new("alias/msk")})
		if *must(t, d, err).KeyMetadata.KeyId != *other {
			t.Errorf("alias names %s", *d.KeyMetadata.KeyId)
		}
		_, err = f.DeleteAlias(ctx, &gen.DeleteAliasInput{AliasName: new("alias/msk")})
		must(t, "", err)
		s, err := f.ScheduleKeyDeletion(ctx, &gen.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: new(int32(7))})
		if d := time.Until(*must(t, s, err).DeletionDate); d > 7*day || d < 6*day || s.KeyState != "PendingDeletion" {
			t.Errorf("deletion: %+v", s)
		}
		if ok, err := resource.KeyExists(t.Context(), f.store, scope, *id); err != nil || ok {
			t.Errorf("a key that is about to be deleted exists: %v, %v", ok, err)
		}
	})
}

func TestKeysGoWhenTheirWindowEnds(t *testing.T) {
	ctx, f := open(t)
	id := f.key(ctx, t)
	_, err := f.CreateAlias(ctx, &gen.CreateAliasInput{AliasName: new("alias/x"), TargetKeyId: id})
	must(t, "", err)
	_, err = f.CreateGrant(ctx, &gen.CreateGrantInput{KeyId: id, GranteePrincipal: new("p"), Operations: []gen.GrantOperation{"Decrypt"}})
	must(t, "", err)
	_, err = f.ScheduleKeyDeletion(ctx, &gen.ScheduleKeyDeletionInput{KeyId: id})
	must(t, "", err)
	c, err := f.CancelKeyDeletion(ctx, &gen.CancelKeyDeletionInput{KeyId: id})
	if *must(t, c, err).KeyId != scope.KeyARN(*id) {
		t.Errorf("cancelled: %s", *c.KeyId)
	}
	d, err := f.DescribeKey(ctx, &gen.DescribeKeyInput{KeyId: id})
	if must(t, d, err).KeyMetadata.KeyState != "Disabled" {
		t.Errorf("after cancelling: %s", d.KeyMetadata.KeyState)
	}
	_, err = f.ScheduleKeyDeletion(ctx, &gen.ScheduleKeyDeletionInput{KeyId: id})
	must(t, "", err)
	a := &api{store: f.store, now: func() time.Time { return time.Now().Add(31 * day) }}
	keys, err := a.listKeys(ctx, &gen.ListKeysInput{})
	if len(must(t, keys, err).Keys) != 1 { // AWS's own
		t.Errorf("keys: %+v", keys)
	}
	kvs, _, err := f.store.List(t.Context(), scope.Prefix())
	if err != nil || len(kvs) != 2 {
		t.Errorf("left: %v, %v", kvs, err)
	}
}

func TestGrants(t *testing.T) {
	ctx, f := open(t)
	id := f.key(ctx, t)
	in := &gen.CreateGrantInput{KeyId: id, GranteePrincipal: new("arn:aws:iam::000000000000:role/msk"), Name: new("msk"), Operations: []gen.GrantOperation{"Decrypt"}}
	var ids, tokens []string
	for range 2 {
		out, err := f.CreateGrant(ctx, in)
		ids, tokens = append(ids, *must(t, out, err).GrantId), append(tokens, *out.GrantToken)
	}
	if ids[0] != ids[1] || tokens[0] != tokens[1] {
		t.Error("a request that was sent twice made two grants")
	}
	in.Name = nil
	second, err := f.CreateGrant(ctx, in)
	must(t, second, err)
	list := func() []string {
		out, err := f.ListGrants(ctx, &gen.ListGrantsInput{KeyId: id})
		var got []string
		for _, g := range must(t, out, err).Grants {
			got = append(got, *g.GrantId)
		}
		return got
	}
	if got := list(); len(got) != 2 || !slices.Contains(got, ids[0]) {
		t.Errorf("grants: %v", got)
	}
	_, err = f.RetireGrant(ctx, &gen.RetireGrantInput{GrantToken: &tokens[0]})
	must(t, "", err)
	_, err = f.RevokeGrant(ctx, &gen.RevokeGrantInput{KeyId: id, GrantId: second.GrantId, DryRun: new(true)})
	if code(err) != "DryRunOperationException" {
		t.Errorf("dry run: %v", err)
	}
	_, err = f.RevokeGrant(ctx, &gen.RevokeGrantInput{KeyId: id, GrantId: second.GrantId})
	must(t, "", err)
	if got := list(); len(got) != 0 {
		t.Errorf("grants: %v", got)
	}
}

func TestPages(t *testing.T) {
	ctx, f := open(t)
	for range 4 {
		f.key(ctx, t)
	}
	seen := make(map[string]bool)
	in := &gen.ListKeysInput{Limit: new(int32(2))}
	for {
		out, err := f.ListKeys(ctx, in)
		must(t, out, err)
		for _, k := range out.Keys {
			seen[*k.KeyId] = true
		}
		if in.Marker = out.NextMarker; in.Marker == nil {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("keys: %v", seen)
	}
}

func TestRefused(t *testing.T) {
	ctx, f := open(t)
	id, gone := f.key(ctx, t), f.key(ctx, t)
	_, err := f.ScheduleKeyDeletion(ctx, &gen.ScheduleKeyDeletionInput{KeyId: gone})
	must(t, "", err)
	_, err = f.CreateAlias(ctx, &gen.CreateAliasInput{AliasName: new("alias/taken"), TargetKeyId: id})
	must(t, "", err)
	managed, err := f.DescribeKey(ctx, &gen.DescribeKeyInput{KeyId: new("alias/aws/kafka")})
	aws := must(t, managed, err).KeyMetadata.KeyId
	create := func(in gen.CreateKeyInput) error { _, err := f.CreateKey(ctx, &in); return err }
	describe := func(id string) error { _, err := f.DescribeKey(ctx, &gen.DescribeKeyInput{KeyId: &id}); return err }
	alias := func(name string, key *string) error {
		_, err := f.CreateAlias(ctx, &gen.CreateAliasInput{AliasName: &name, TargetKeyId: key})
		return err
	}
	enable := func(id *string) error { _, err := f.EnableKey(ctx, &gen.EnableKeyInput{KeyId: id}); return err }
	schedule := func(id *string, days int32) error {
		_, err := f.ScheduleKeyDeletion(ctx, &gen.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: &days})
		return err
	}
	policy := func(name, text string) error {
		_, err := f.PutKeyPolicy(ctx, &gen.PutKeyPolicyInput{KeyId: id, PolicyName: &name, Policy: &text})
		return err
	}
	grant := func(in gen.CreateGrantInput) error { in.KeyId = id; _, err := f.CreateGrant(ctx, &in); return err }
	retire := func(in gen.RetireGrantInput) error { _, err := f.RetireGrant(ctx, &in); return err }
	tag := func(tags ...gen.Tag) error {
		_, err := f.TagResource(ctx, &gen.TagResourceInput{KeyId: id, Tags: tags})
		return err
	}
	_, marker := f.ListKeys(ctx, &gen.ListKeysInput{Marker: new("?")})
	_, notPending := f.CancelKeyDeletion(ctx, &gen.CancelKeyDeletionInput{KeyId: id})
	_, noAlias := f.DeleteAlias(ctx, &gen.DeleteAliasInput{AliasName: new("alias/none")})
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"asymmetric key", create(gen.CreateKeyInput{KeySpec: gen.KeySpecRsa2048}), "UnsupportedOperationException"},
		{"key to sign with", create(gen.CreateKeyInput{KeyUsage: gen.KeyUsageTypeSignVerify}), "ValidationException"},
		{"multi-region key", create(gen.CreateKeyInput{MultiRegion: new(true)}), "UnsupportedOperationException"},
		{"imported key", create(gen.CreateKeyInput{Origin: gen.OriginTypeExternal}), "UnsupportedOperationException"},
		{"two specs", create(gen.CreateKeyInput{KeySpec: gen.KeySpecRsa2048, CustomerMasterKeySpec: "RSA_4096"}), "ValidationException"},
		{"policy is no JSON", create(gen.CreateKeyInput{Policy: new("x")}), "MalformedPolicyDocumentException"},
		{"no such key", describe(resource.NewUUID()), "NotFoundException"},
		{"no such alias", describe("alias/none"), "NotFoundException"},
		{"another account's", describe(strings.Replace(scope.KeyARN(*id), "000000000000", "111111111111", 1)), "NotFoundException"},
		{"another region's", describe(strings.Replace(scope.KeyARN(*id), "eu-west-1", "eu-west-2", 1)), "NotFoundException"},
		{"another service's ARN", describe("arn:aws:s3:::bucket"), "InvalidArnException"},
		{"a key's id with a slash", describe("../" + *id), "NotFoundException"},
		{"alias where a key is wanted", enable(new("alias/taken")), "InvalidArnException"},
		{"pending key", enable(gone), "KMSInvalidStateException"},
		{"AWS's key", enable(aws), "AccessDeniedException"},
		{"delete AWS's key", schedule(aws, 7), "AccessDeniedException"},
		{"window too short", schedule(id, 6), "ValidationException"},
		{"window too long", schedule(id, 31), "ValidationException"},
		{"delete twice", schedule(gone, 7), "KMSInvalidStateException"},
		{"cancel nothing", notPending, "KMSInvalidStateException"},
		{"alias without its prefix", alias("x", id), "ValidationException"},
		{"alias without a name", alias("alias/", id), "InvalidAliasNameException"},
		{"AWS's alias", alias("alias/aws/x", id), "NotAuthorizedException"},
		{"alias taken", alias("alias/taken", id), "AlreadyExistsException"},
		{"alias of a pending key", alias("alias/x", gone), "KMSInvalidStateException"},
		{"delete no alias", noAlias, "NotFoundException"},
		{"policy of another name", policy("other", `{"Statement":[]}`), "NotFoundException"},
		{"policy without statements", policy("default", `{}`), "MalformedPolicyDocumentException"},
		{"grant to nobody", grant(gen.CreateGrantInput{}), "ValidationException"},
		{"retire without saying what", retire(gen.RetireGrantInput{}), "ValidationException"},
		{"retire by no token", retire(gen.RetireGrantInput{GrantToken: new("x")}), "InvalidGrantTokenException"},
		{"retire no grant", retire(gen.RetireGrantInput{KeyId: id, GrantId: new("x")}), "NotFoundException"},
		{"reserved tag", tag(gen.Tag{TagKey: new("aws:x"), TagValue: new("")}), "TagException"},
		{"tag twice", tag(gen.Tag{TagKey: new("x"), TagValue: new("")}, gen.Tag{TagKey: new("x"), TagValue: new("")}), "TagException"},
		{"bad marker", marker, "InvalidMarkerException"},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want || tt.err == nil {
			t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.want)
		}
	}
}
