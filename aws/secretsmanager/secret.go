package secretsmanager

import (
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/secretsmanager"
	"weir/control/resource"
	"weir/metadata"
)

// How many secrets there may be (AWS has 500,000), and the days of recovery windows.
const (
	secretsMax = 10_000
	windowMin  = 7
	windowMax  = 30
)

// nameForm is what names of secrets may consist of.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)

func (a *api) createSecret(ctx context.Context, in *gen.CreateSecretInput) (*gen.CreateSecretOutput, error) {
	switch {
	case !nameForm.MatchString(*in.Name):
		return nil, awsapi.NewFault(400, "ValidationException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	case len(in.AddReplicaRegions) > 0:
		return nil, invalidParameter("AddReplicaRegions: replicas in other Regions are not supported by this version of Weir.")
	case in.CrossAccountPrimaryARN != nil:
		return nil, invalidParameter("CrossAccountPrimaryARN: replicas of other accounts are not supported by this version of Weir.")
	}
	val, ok, err := given(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := a.checkKey(ctx, in.KmsKeyId); err != nil {
		return nil, err
	}
	n, err := resource.EraseSecrets(ctx, a.store, scopeOf(ctx), a.now())
	if err != nil {
		return nil, storeError(err)
	}
	if n >= secretsMax {
		return nil, &gen.LimitExceededException{Message: "The maximum number of secrets has been reached."}
	}
	now := a.now().UTC()
	v := resource.Secret{
		Name: *in.Name, Suffix: newSuffix(), Description: deref(in.Description), Kind: deref(in.Type), Key: deref(in.KmsKeyId),
		Created: now, Changed: now, Tags: tags,
	}
	id := token(in.ClientRequestToken)
	v, err = a.commit(ctx, v, 0, func(v *resource.Secret) ([]metadata.Op, error) {
		if !ok {
			return nil, nil
		}
		return a.add(ctx, v, id, val, []string{stageCurrent})
	})
	if errors.Is(err, metadata.ErrConflict) {
		return a.created(ctx, in, id, val, ok)
	}
	if err != nil {
		return nil, storeError(err)
	}
	out := &gen.CreateSecretOutput{ARN: arn(ctx, v), Name: new(v.Name)}
	if ok {
		out.VersionId = &id
	}
	return out, nil
}

// created answers a create call for a secret that is there: with what there is, when the same request made it, and with an error otherwise.
func (a *api) created(ctx context.Context, in *gen.CreateSecretInput, id string, val value, hasValue bool) (*gen.CreateSecretOutput, error) {
	v, _, ok, err := resource.FindSecret(ctx, a.store, scopeOf(ctx), *in.Name)
	if err != nil {
		return nil, storeError(err)
	}
	if ok && !v.PurgeAt.IsZero() {
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if ok && hasValue && len(v.Versions) > 0 && v.Versions[0].ID == id {
		if _, err := a.add(ctx, &v, id, val, nil); err == nil {
			return &gen.CreateSecretOutput{ARN: arn(ctx, v), Name: new(v.Name), VersionId: &id}, nil
		}
	}
	return nil, &gen.ResourceExistsException{Message: "The operation failed because the secret " + *in.Name + " already exists."}
}

// newSuffix returns the six random letters at the end of an ARN.
func newSuffix() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:])
}

// checkKey checks that a secret's KMS key can be used.
func (a *api) checkKey(ctx context.Context, key *string) error {
	if deref(key) == "" {
		return nil
	}
	ok, err := resource.KeyExists(ctx, a.store, scopeOf(ctx), *key)
	if err != nil {
		return storeError(err)
	}
	if !ok {
		return &gen.EncryptionFailure{
			Message: "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key " + *key +
				" is available, enabled, and not in an invalid state.",
		}
	}
	return nil
}

func arn(ctx context.Context, v resource.Secret) *string {
	return new(scopeOf(ctx).SecretARN(v.Name, v.Suffix))
}

func (a *api) describeSecret(ctx context.Context, in *gen.DescribeSecretInput) (*gen.DescribeSecretOutput, error) {
	v, _, err := a.lookup(ctx, *in.SecretId)
	if err != nil {
		return nil, err
	}
	return &gen.DescribeSecretOutput{
		ARN: arn(ctx, v), Name: new(v.Name), Type: text(v.Kind), Description: text(v.Description), KmsKeyId: text(v.Key),
		LastChangedDate: new(v.Changed), CreatedDate: new(v.Created), DeletedDate: timeOf(v.DeletedAt), Tags: tagList(v.Tags),
		VersionIdsToStages: stages(v),
	}, nil
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// stages are the versions that have staging labels; the others count as deprecated.
func stages(v resource.Secret) map[string][]string {
	out := make(map[string][]string)
	for _, o := range v.Versions {
		if len(o.Stages) > 0 {
			out[o.ID] = o.Stages
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (a *api) listSecrets(ctx context.Context, in *gen.ListSecretsInput) (*gen.ListSecretsOutput, error) {
	s := scopeOf(ctx)
	if in.SortBy != "" && in.SortBy != gen.SortByTypeName {
		return nil, invalidParameter("SortBy: lists are sorted by name; %s is not supported by this version of Weir.", in.SortBy)
	}
	after := ""
	if in.NextToken != nil {
		var err error
		if after, err = parseToken(*in.NextToken); err != nil {
			return nil, err
		}
	}
	if _, err := resource.EraseSecrets(ctx, a.store, s, a.now()); err != nil {
		return nil, storeError(err)
	}
	kvs, _, err := a.store.List(ctx, s.SecretsPrefix())
	if err != nil {
		return nil, storeError(err)
	}
	descending := in.SortOrder == gen.SortOrderTypeDesc
	if descending {
		slices.Reverse(kvs)
	}
	out := &gen.ListSecretsOutput{SecretList: []gen.SecretListEntry{}}
	for _, kv := range kvs {
		v, err := metadata.Decode[resource.Secret](kv)
		if err != nil {
			return nil, err
		}
		switch {
		case after != "" && (!descending && v.Name <= after || descending && v.Name >= after),
			!v.PurgeAt.IsZero() && !deref(in.IncludePlannedDeletion):
			continue
		}
		if ok, err := passes(s, v, in.Filters); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		if len(out.SecretList) == pageSize(in.MaxResults) {
			out.NextToken = nextToken(*out.SecretList[len(out.SecretList)-1].Name)
			break
		}
		out.SecretList = append(out.SecretList, gen.SecretListEntry{
			ARN: arn(ctx, v), Name: new(v.Name), Type: text(v.Kind), Description: text(v.Description), KmsKeyId: text(v.Key),
			LastChangedDate: new(v.Changed), CreatedDate: new(v.Created), DeletedDate: timeOf(v.DeletedAt), Tags: tagList(v.Tags),
			SecretVersionsToStages: stages(v),
		})
	}
	return out, nil
}

// passes applies filters: an item passes if it has for each of them a value that begins with one of those given; with "!" before it, none may.
func passes(s resource.Scope, v resource.Secret, filters []gen.Filter) (bool, error) {
	for _, f := range filters {
		var has []string
		switch f.Key {
		case gen.FilterNameStringTypeName:
			has = []string{v.Name}
		case gen.FilterNameStringTypeDescription:
			has = []string{v.Description}
		case gen.FilterNameStringTypeTagKey:
			for k := range v.Tags {
				has = append(has, k)
			}
		case gen.FilterNameStringTypeTagValue:
			for _, value := range v.Tags {
				has = append(has, value)
			}
		case gen.FilterNameStringTypePrimaryRegion:
			has = []string{s.Region}
		case gen.FilterNameStringTypeAll:
			has = []string{v.Name, v.Description}
			for k, value := range v.Tags {
				has = append(has, k, value)
			}
		case gen.FilterNameStringTypeOwningService:
		default:
			return false, invalidParameter("The filter %s is not supported by this version of Weir.", f.Key)
		}
		if !slices.ContainsFunc(f.Values, func(want string) bool {
			want, not := strings.CutPrefix(want, "!")
			return slices.ContainsFunc(has, func(h string) bool { return strings.HasPrefix(h, want) }) != not
		}) {
			return false, nil
		}
	}
	return true, nil
}

func (a *api) updateSecret(ctx context.Context, in *gen.UpdateSecretInput) (*gen.UpdateSecretOutput, error) {
	val, ok, err := given(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if err := a.checkKey(ctx, in.KmsKeyId); err != nil {
		return nil, err
	}
	id := token(in.ClientRequestToken)
	v, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) ([]metadata.Op, error) {
		if in.Description != nil {
			v.Description = *in.Description
		}
		if in.KmsKeyId != nil {
			v.Key = *in.KmsKeyId
		}
		if in.Type != nil {
			v.Kind = *in.Type
		}
		v.Changed = a.now().UTC()
		if !ok {
			return nil, nil
		}
		return a.add(ctx, v, id, val, []string{stageCurrent})
	})
	if err != nil {
		return nil, err
	}
	out := &gen.UpdateSecretOutput{ARN: arn(ctx, v), Name: new(v.Name)}
	if ok {
		out.VersionId = &id
	}
	return out, nil
}

func (a *api) deleteSecret(ctx context.Context, in *gen.DeleteSecretInput) (*gen.DeleteSecretOutput, error) {
	window, force := int64(windowMax), deref(in.ForceDeleteWithoutRecovery)
	if in.RecoveryWindowInDays != nil {
		window = *in.RecoveryWindowInDays
	}
	switch {
	case force && in.RecoveryWindowInDays != nil:
		return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case window < windowMin || window > windowMax:
		return nil, invalidParameter("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", windowMin, windowMax)
	}
	for {
		now := a.now().UTC()
		v, at, err := a.lookup(ctx, *in.SecretId)
		if _, gone := errors.AsType[*gen.ResourceNotFoundException](err); gone && force { // as the service has it
			return &gen.DeleteSecretOutput{Name: in.SecretId, DeletionDate: &now}, nil
		}
		if err != nil {
			return nil, err
		}
		out := &gen.DeleteSecretOutput{ARN: arn(ctx, v), Name: new(v.Name), DeletionDate: &now}
		switch {
		case force:
			_, err = a.store.Commit(ctx, scopeOf(ctx).RemoveSecret(&v, at))
		case !v.PurgeAt.IsZero():
			return nil, invalidRequest(textDeleted)
		default:
			_, err = a.commit(ctx, v, at, func(v *resource.Secret) ([]metadata.Op, error) {
				v.DeletedAt, v.PurgeAt = now, now.Add(time.Duration(window)*24*time.Hour)
				out.DeletionDate = new(v.PurgeAt)
				return nil, nil
			})
		}
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

func (a *api) restoreSecret(ctx context.Context, in *gen.RestoreSecretInput) (*gen.RestoreSecretOutput, error) {
	for {
		v, at, err := a.lookup(ctx, *in.SecretId)
		if err != nil {
			return nil, err
		}
		_, err = a.commit(ctx, v, at, func(v *resource.Secret) ([]metadata.Op, error) {
			v.DeletedAt, v.PurgeAt = time.Time{}, time.Time{}
			return nil, nil
		})
		if err == nil {
			return &gen.RestoreSecretOutput{ARN: arn(ctx, v), Name: new(v.Name)}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}
