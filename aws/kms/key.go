package kms

import (
	"context"
	"errors"
	"time"

	gen "weir/awsapi/gen/kms"
	"weir/control/resource"
	"weir/metadata"
)

// How much of everything there may be, and the days of the service.
const (
	keysMax         = 10_000 // per account and region; AWS has 100,000
	windowMin       = 7
	windowMax       = 30
	rotationDefault = 365
)

const day = 24 * time.Hour

func (a *api) createKey(ctx context.Context, in *gen.CreateKeyInput) (*gen.CreateKeyOutput, error) {
	spec := in.KeySpec
	switch {
	case spec != "" && in.CustomerMasterKeySpec != "" && string(spec) != string(in.CustomerMasterKeySpec):
		return nil, invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	case spec == "" && in.CustomerMasterKeySpec != "":
		spec = gen.KeySpec(in.CustomerMasterKeySpec)
	case spec == "":
		spec = gen.KeySpecSymmetricDefault
	}
	switch {
	case spec != gen.KeySpecSymmetricDefault:
		return nil, unsupported("KeySpec %s: keys other than SYMMETRIC_DEFAULT are", spec)
	case in.KeyUsage != "" && in.KeyUsage != gen.KeyUsageTypeEncryptDecrypt:
		return nil, invalid("KeyUsage %s is not compatible with KeySpec %s", in.KeyUsage, spec)
	case in.Origin != "" && in.Origin != gen.OriginTypeAwsKms, in.CustomKeyStoreId != nil, in.XksKeyId != nil:
		return nil, unsupported("Origin: key material from elsewhere and custom key stores are")
	case deref(in.MultiRegion):
		return nil, unsupported("MultiRegion: multi-Region keys are")
	}
	s, now := scopeOf(ctx), a.now().UTC()
	k := resource.Key{
		ID: resource.NewUUID(), Description: deref(in.Description), Created: now, Usage: string(gen.KeyUsageTypeEncryptDecrypt), Spec: string(spec),
		Policy: deref(in.Policy),
	}
	var err error
	if k.Tags, err = withTags(nil, in.Tags); err != nil {
		return nil, err
	}
	if k.Policy != "" {
		if err := checkPolicy(k.Policy); err != nil {
			return nil, err
		}
	}
	all, err := a.keys(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) >= keysMax {
		return nil, &gen.LimitExceededException{Message: "The maximum number of keys has been reached."}
	}
	key := s.KeysPrefix() + k.ID
	if _, err := a.store.Commit(ctx, metadata.Txn{
		If: []metadata.Cond{{Key: key}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(k))},
	}); err != nil {
		return nil, storeError(err)
	}
	return &gen.CreateKeyOutput{KeyMetadata: a.shown(s, k)}, nil
}

// keys reads all keys of the scope, and removes those whose deletion has come, with their aliases and grants.
func (a *api) keys(ctx context.Context) ([]resource.Key, error) {
	s, now := scopeOf(ctx), a.now()
	kvs, _, err := a.store.List(ctx, s.KeysPrefix())
	if err != nil {
		return nil, storeError(err)
	}
	var out []resource.Key
	for _, kv := range kvs {
		k, err := metadata.Decode[resource.Key](kv)
		if err != nil {
			return nil, err
		}
		if !k.Gone(now) {
			out = append(out, k)
			continue
		}
		aliases, err := a.aliases(ctx)
		if err != nil {
			return nil, err
		}
		t := metadata.Txn{
			If:   []metadata.Cond{{Key: kv.Key, Modified: kv.Modified}},
			Then: []metadata.Op{metadata.Delete(kv.Key), metadata.DeletePrefix(grantsPrefix(s, k.ID))},
		}
		for _, al := range aliases {
			if al.Key == k.ID {
				t.Then = append(t.Then, metadata.Delete(s.AliasesPrefix()+al.Name))
			}
		}
		if _, err := a.store.Commit(ctx, t); err != nil && !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
	return out, nil
}

func (a *api) shown(s resource.Scope, k resource.Key) *gen.KeyMetadata {
	state, manager := gen.KeyStateEnabled, gen.KeyManagerTypeCustomer
	if k.AWSManaged {
		manager = gen.KeyManagerTypeAws
	}
	out := &gen.KeyMetadata{
		AWSAccountId: new(s.Account), KeyId: new(k.ID), Arn: new(s.KeyARN(k.ID)), CreationDate: new(k.Created), Description: new(k.Description),
		KeyUsage: gen.KeyUsageType(k.Usage), Origin: gen.OriginTypeAwsKms, KeyManager: manager, KeySpec: gen.KeySpec(k.Spec),
		CustomerMasterKeySpec: gen.CustomerMasterKeySpec(k.Spec), MultiRegion: new(false),
		EncryptionAlgorithms: []gen.EncryptionAlgorithmSpec{gen.EncryptionAlgorithmSpecSymmetricDefault},
	}
	switch {
	case !k.DeleteAt.IsZero():
		state, out.DeletionDate = gen.KeyStatePendingDeletion, new(k.DeleteAt)
	case k.Disabled:
		state = gen.KeyStateDisabled
	}
	out.KeyState, out.Enabled = state, new(state == gen.KeyStateEnabled)
	return out
}

func (a *api) describeKey(ctx context.Context, in *gen.DescribeKeyInput) (*gen.DescribeKeyOutput, error) {
	k, _, err := a.lookup(ctx, *in.KeyId, true)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeKeyOutput{KeyMetadata: a.shown(scopeOf(ctx), k)}, nil
}

func (a *api) listKeys(ctx context.Context, in *gen.ListKeysInput) (*gen.ListKeysOutput, error) {
	all, err := a.keys(ctx)
	if err != nil {
		return nil, err
	}
	keys, next, truncated, err := page(all, func(k *resource.Key) string { return k.ID }, in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &gen.ListKeysOutput{Keys: []gen.KeyListEntry{}, NextMarker: next, Truncated: truncated}
	for _, k := range keys {
		out.Keys = append(out.Keys, gen.KeyListEntry{KeyId: new(k.ID), KeyArn: new(scopeOf(ctx).KeyARN(k.ID))})
	}
	return out, nil
}

func (a *api) updateKeyDescription(ctx context.Context, in *gen.UpdateKeyDescriptionInput) (*gen.UpdateKeyDescriptionOutput, error) {
	err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error { k.Description = *in.Description; return nil })
	if err != nil {
		return nil, err
	}
	return &gen.UpdateKeyDescriptionOutput{}, nil
}

func (a *api) enableKey(ctx context.Context, in *gen.EnableKeyInput) (*gen.EnableKeyOutput, error) {
	if err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error { k.Disabled = false; return nil }); err != nil {
		return nil, err
	}
	return &gen.EnableKeyOutput{}, nil
}

func (a *api) disableKey(ctx context.Context, in *gen.DisableKeyInput) (*gen.DisableKeyOutput, error) {
	if err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error { k.Disabled = true; return nil }); err != nil {
		return nil, err
	}
	return &gen.DisableKeyOutput{}, nil
}

func (a *api) scheduleKeyDeletion(ctx context.Context, in *gen.ScheduleKeyDeletionInput) (*gen.ScheduleKeyDeletionOutput, error) {
	window := int32(windowMax)
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	if window < windowMin || window > windowMax {
		return nil, invalid("PendingWindowInDays must be between %d and %d days (inclusive)", windowMin, windowMax)
	}
	out := &gen.ScheduleKeyDeletionOutput{KeyState: gen.KeyStatePendingDeletion, PendingWindowInDays: &window}
	err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error {
		k.DeleteAt = a.now().UTC().Add(time.Duration(window) * day)
		out.DeletionDate, out.KeyId = new(k.DeleteAt), new(scopeOf(ctx).KeyARN(k.ID))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// cancelKeyDeletion leaves the key disabled, as the service does.
func (a *api) cancelKeyDeletion(ctx context.Context, in *gen.CancelKeyDeletionInput) (*gen.CancelKeyDeletionOutput, error) {
	var id string
	err := a.editAny(ctx, *in.KeyId, func(k *resource.Key) error {
		if k.DeleteAt.IsZero() {
			return &gen.KMSInvalidStateException{Message: scopeOf(ctx).KeyARN(k.ID) + " is not pending deletion."}
		}
		k.DeleteAt, k.Disabled = time.Time{}, true
		id = scopeOf(ctx).KeyARN(k.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.CancelKeyDeletionOutput{KeyId: &id}, nil
}

// getKeyRotationStatus shows what was asked for; without key material nothing is rotated.
func (a *api) getKeyRotationStatus(ctx context.Context, in *gen.GetKeyRotationStatusInput) (*gen.GetKeyRotationStatusOutput, error) {
	k, _, err := a.lookup(ctx, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	out := &gen.GetKeyRotationStatusOutput{KeyId: new(scopeOf(ctx).KeyARN(k.ID)), KeyRotationEnabled: new(k.Rotation != nil && k.DeleteAt.IsZero())}
	if *out.KeyRotationEnabled {
		period := time.Duration(k.Rotation.Days) * day
		passed := max(0, a.now().Sub(k.Rotation.Since))
		next := k.Rotation.Since.Add(passed - passed%period + period)
		out.RotationPeriodInDays, out.NextRotationDate = new(k.Rotation.Days), new(next)
	}
	return out, nil
}

func (a *api) enableKeyRotation(ctx context.Context, in *gen.EnableKeyRotationInput) (*gen.EnableKeyRotationOutput, error) {
	days := int32(rotationDefault)
	if in.RotationPeriodInDays != nil {
		days = *in.RotationPeriodInDays
	}
	err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error {
		if k.Disabled {
			return &gen.DisabledException{Message: scopeOf(ctx).KeyARN(k.ID) + " is disabled."}
		}
		if k.Rotation == nil || k.Rotation.Days != days {
			k.Rotation = &resource.KeyRotation{Days: days, Since: a.now().UTC()}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.EnableKeyRotationOutput{}, nil
}

func (a *api) disableKeyRotation(ctx context.Context, in *gen.DisableKeyRotationInput) (*gen.DisableKeyRotationOutput, error) {
	err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error {
		if k.Disabled {
			return &gen.DisabledException{Message: scopeOf(ctx).KeyARN(k.ID) + " is disabled."}
		}
		k.Rotation = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DisableKeyRotationOutput{}, nil
}
