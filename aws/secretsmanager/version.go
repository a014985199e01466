package secretsmanager

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"

	gen "weir/awsapi/gen/secretsmanager"
	"weir/control/resource"
	"weir/metadata"
	"weir/secret"
)

// Staging labels, and how many versions and labels there may be: as on AWS.
const (
	stageCurrent  = resource.Current
	stagePrevious = "AWSPREVIOUS"
	versionsMax   = 100
	stagesMax     = 20
)

// value is what a caller wants kept.
type value struct {
	secret.Value
	binary bool
}

// given is the value of a request; ok is false without one.
func given(text *string, binary []byte) (v value, ok bool, err error) {
	switch {
	case text != nil && binary != nil:
		return v, false, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text != nil:
		return value{Value: secret.NewValue([]byte(*text))}, true, nil
	case binary != nil:
		return value{Value: secret.NewValue(binary), binary: true}, true, nil
	}
	return v, false, nil
}

// add makes a version of v, which gets the stages, and returns what is to be written with it. A version that is there already with the same value is
// left as it is: then the request is one that was carried out before.
func (a *api) add(ctx context.Context, v *resource.Secret, id string, val value, stages []string) ([]metadata.Op, error) {
	s := scopeOf(ctx)
	if i := slices.IndexFunc(v.Versions, func(o resource.SecretVersion) bool { return o.ID == id }); i >= 0 {
		old, ok, err := resource.OpenSecret(ctx, a.store, a.master, s, *v, id)
		if err != nil {
			return nil, err
		}
		if !ok || v.Versions[i].Binary != val.binary || !bytes.Equal(old.Reveal(), val.Reveal()) {
			return nil, &gen.ResourceExistsException{
				Message: "You can't use ClientRequestToken " + id + " because that value is already in use for a version of secret " +
					s.SecretARN(v.Name, v.Suffix) + ".",
			}
		}
		return nil, nil
	}
	if len(v.Versions) == 0 && !slices.Contains(stages, stageCurrent) {
		stages = append(slices.Clone(stages), stageCurrent)
	}
	now := a.now().UTC()
	v.Versions = append(slices.Clone(v.Versions), resource.SecretVersion{ID: id, Created: now, Binary: val.binary, Key: v.Key})
	for _, stage := range stages {
		if err := move(v, stage, id); err != nil {
			return nil, err
		}
	}
	ops, err := trim(s, v)
	if err != nil {
		return nil, err
	}
	sealed, err := a.master.Seal(resource.SecretContext(s, *v, id), val.Value)
	if err != nil {
		return nil, err
	}
	v.Changed = now
	return append(ops, metadata.Put(s.SecretValueKey(v.Name, v.Suffix, id), metadata.Encode(sealed))), nil
}

// move gives the stage to the version, and takes it from the one that has it. The version that was current becomes the previous one.
func move(v *resource.Secret, stage, to string) error {
	from := ""
	for i := range v.Versions {
		o := &v.Versions[i]
		if o.ID == to {
			continue
		}
		if slices.Contains(o.Stages, stage) {
			from = o.ID
			o.Stages = without(o.Stages, stage)
		}
	}
	i := slices.IndexFunc(v.Versions, func(o resource.SecretVersion) bool { return o.ID == to })
	if i < 0 {
		return &gen.ResourceNotFoundException{Message: "Secrets Manager can't find the specified secret value for VersionId: " + to}
	}
	o := &v.Versions[i]
	if !slices.Contains(o.Stages, stage) {
		if len(o.Stages) >= stagesMax {
			return &gen.LimitExceededException{Message: "A version can have at most 20 staging labels."}
		}
		o.Stages = append(slices.Clone(o.Stages), stage)
	}
	if stage == stageCurrent && from != "" {
		o.Stages = without(o.Stages, stagePrevious)
		return move(v, stagePrevious, from)
	}
	return nil
}

func without(stages []string, stage string) []string {
	return slices.DeleteFunc(slices.Clone(stages), func(s string) bool { return s == stage })
}

// trim removes the oldest versions without stages when there are too many.
func trim(s resource.Scope, v *resource.Secret) ([]metadata.Op, error) {
	var ops []metadata.Op
	for len(v.Versions) > versionsMax {
		i := slices.IndexFunc(v.Versions, func(o resource.SecretVersion) bool { return len(o.Stages) == 0 })
		if i < 0 {
			return nil, &gen.LimitExceededException{Message: "The secret has the maximum number of versions with staging labels."}
		}
		ops = append(ops, metadata.Delete(s.SecretValueKey(v.Name, v.Suffix, v.Versions[i].ID)))
		v.Versions = slices.Delete(v.Versions, i, i+1)
	}
	return ops, nil
}

func (a *api) putSecretValue(ctx context.Context, in *gen.PutSecretValueInput) (*gen.PutSecretValueOutput, error) {
	val, ok, err := given(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	switch {
	case !ok:
		return nil, invalidParameter("You must provide either SecretString or SecretBinary.")
	case in.RotationToken != nil:
		return nil, invalidParameter("RotationToken: rotation is not supported by this version of Weir.")
	}
	id, stages := token(in.ClientRequestToken), in.VersionStages
	if len(stages) == 0 {
		stages = []string{stageCurrent}
	}
	v, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) ([]metadata.Op, error) { return a.add(ctx, v, id, val, stages) })
	if err != nil {
		return nil, err
	}
	out := &gen.PutSecretValueOutput{ARN: arn(ctx, v), Name: new(v.Name), VersionId: &id}
	for _, o := range v.Versions {
		if o.ID == id {
			out.VersionStages = o.Stages
		}
	}
	return out, nil
}

// token is the id of the version that a request makes.
func token(asked *string) string {
	if asked != nil {
		return *asked
	}
	return resource.NewUUID()
}

func (a *api) getSecretValue(ctx context.Context, in *gen.GetSecretValueInput) (*gen.GetSecretValueOutput, error) {
	v, _, err := a.live(ctx, *in.SecretId)
	if err != nil {
		return nil, err
	}
	o, err := version(v, in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	val, ok, err := resource.OpenSecret(ctx, a.store, a.master, scopeOf(ctx), v, o.ID)
	if err != nil {
		return nil, storeError(err)
	}
	if !ok {
		return nil, &gen.ResourceNotFoundException{Message: "Secrets Manager can't find the specified secret value for VersionId: " + o.ID}
	}
	out := &gen.GetSecretValueOutput{
		ARN: arn(ctx, v), Name: new(v.Name), VersionId: new(o.ID), VersionStages: o.Stages, CreatedDate: new(o.Created),
	}
	if o.Binary {
		out.SecretBinary = val.Reveal()
	} else {
		out.SecretString = new(string(val.Reveal()))
	}
	return out, nil
}

// version picks a version by id, by stage, or by both; without either, the current one.
func version(v resource.Secret, id, stage *string) (resource.SecretVersion, error) {
	if id == nil && stage == nil {
		stage = new(stageCurrent)
	}
	for _, o := range v.Versions {
		if id != nil && o.ID != *id || id == nil && !slices.Contains(o.Stages, *stage) {
			continue
		}
		if stage != nil && !slices.Contains(o.Stages, *stage) {
			return o, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
		}
		return o, nil
	}
	if id != nil {
		return resource.SecretVersion{}, &gen.ResourceNotFoundException{
			Message: "Secrets Manager can't find the specified secret value for VersionId: " + *id,
		}
	}
	return resource.SecretVersion{}, &gen.ResourceNotFoundException{
		Message: "Secrets Manager can't find the specified secret value for staging label: " + *stage,
	}
}

func (a *api) listSecretVersionIds(ctx context.Context, in *gen.ListSecretVersionIdsInput) (*gen.ListSecretVersionIdsOutput, error) {
	v, _, err := a.lookup(ctx, *in.SecretId)
	if err != nil {
		return nil, err
	}
	var after string
	if in.NextToken != nil {
		if after, err = parseToken(*in.NextToken); err != nil {
			return nil, err
		}
	}
	out := &gen.ListSecretVersionIdsOutput{ARN: arn(ctx, v), Name: new(v.Name), Versions: []gen.SecretVersionsListEntry{}}
	versions := slices.Clone(v.Versions)
	slices.SortFunc(versions, func(x, y resource.SecretVersion) int { return compare(x.ID, y.ID) })
	for _, o := range versions {
		if o.ID <= after || len(o.Stages) == 0 && !deref(in.IncludeDeprecated) {
			continue
		}
		if len(out.Versions) == pageSize(in.MaxResults) {
			out.NextToken = nextToken(*out.Versions[len(out.Versions)-1].VersionId)
			break
		}
		key := o.Key
		if key == "" {
			key = "DefaultEncryptionKey"
		}
		out.Versions = append(out.Versions, gen.SecretVersionsListEntry{
			VersionId: new(o.ID), VersionStages: o.Stages, CreatedDate: new(o.Created), KmsKeyIds: []string{key},
		})
	}
	return out, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

const pageDefault = 100

func pageSize(asked *int32) int {
	if asked == nil {
		return pageDefault
	}
	return int(*asked)
}

func nextToken(after string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(after)))
}

func parseToken(text string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", &gen.InvalidNextTokenException{Message: "The NextToken value is not one that this operation returned."}
	}
	return string(b), nil
}

func (a *api) updateSecretVersionStage(ctx context.Context, in *gen.UpdateSecretVersionStageInput) (*gen.UpdateSecretVersionStageOutput, error) {
	stage := *in.VersionStage
	v, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) ([]metadata.Op, error) {
		has := ""
		for _, o := range v.Versions {
			if slices.Contains(o.Stages, stage) {
				has = o.ID
			}
		}
		switch {
		case in.MoveToVersionId == nil && in.RemoveFromVersionId == nil:
			return nil, invalidParameter("You must provide MoveToVersionId or RemoveFromVersionId.")
		case in.RemoveFromVersionId != nil && has != *in.RemoveFromVersionId:
			return nil, invalidParameter("The staging label %s is not attached to the version %s.", stage, *in.RemoveFromVersionId)
		case in.MoveToVersionId == nil && stage == stageCurrent:
			return nil, invalidParameter("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
		case in.MoveToVersionId != nil && in.RemoveFromVersionId == nil && has != "" && has != *in.MoveToVersionId:
			return nil, invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, "+
				"so you must explicitly reference that version in RemoveFromVersionId.", stage, has)
		}
		v.Versions = slices.Clone(v.Versions)
		v.Changed = a.now().UTC()
		if in.MoveToVersionId != nil {
			return nil, move(v, stage, *in.MoveToVersionId)
		}
		for i := range v.Versions {
			v.Versions[i].Stages = without(v.Versions[i].Stages, stage)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateSecretVersionStageOutput{ARN: arn(ctx, v), Name: new(v.Name)}, nil
}
