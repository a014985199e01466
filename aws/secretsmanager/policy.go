package secretsmanager

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	gen "weir/awsapi/gen/secretsmanager"
	"weir/control/resource"
	"weir/metadata"
)

const tagsMax = 50

func (a *api) getResourcePolicy(ctx context.Context, in *gen.GetResourcePolicyInput) (*gen.GetResourcePolicyOutput, error) {
	v, _, err := a.live(ctx, *in.SecretId)
	if err != nil {
		return nil, err
	}
	return &gen.GetResourcePolicyOutput{ARN: arn(ctx, v), Name: new(v.Name), ResourcePolicy: text(v.Policy)}, nil
}

// putResourcePolicy keeps the policy. What it allows is looked at by nobody yet; a policy that is open to everybody is refused if the caller wants so.
func (a *api) putResourcePolicy(ctx context.Context, in *gen.PutResourcePolicyInput) (*gen.PutResourcePolicyOutput, error) {
	var p struct {
		Statement json.RawMessage `json:"Statement"`
	}
	if err := json.Unmarshal([]byte(*in.ResourcePolicy), &p); err != nil || len(p.Statement) == 0 {
		return nil, &gen.MalformedPolicyDocumentException{Message: "This resource policy contains invalid Json."}
	}
	if deref(in.BlockPublicPolicy) && public(p.Statement) {
		return nil, &gen.PublicPolicyException{Message: "You can't attach a resource policy that allows broad access to the secret."}
	}
	v, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) ([]metadata.Op, error) { v.Policy = *in.ResourcePolicy; return nil, nil })
	if err != nil {
		return nil, err
	}
	return &gen.PutResourcePolicyOutput{ARN: arn(ctx, v), Name: new(v.Name)}, nil
}

// public tells whether a statement allows something to every principal without a condition.
func public(statements json.RawMessage) bool {
	type statement struct {
		Effect    string          `json:"Effect"`
		Principal any             `json:"Principal"`
		Condition json.RawMessage `json:"Condition"`
	}
	var all []statement
	if json.Unmarshal(statements, &all) != nil {
		var one statement
		if json.Unmarshal(statements, &one) != nil {
			return true // of unknown form: not known to be closed
		}
		all = []statement{one}
	}
	return slices.ContainsFunc(all, func(s statement) bool { return s.Effect == "Allow" && len(s.Condition) == 0 && everybody(s.Principal) })
}

func everybody(principal any) bool {
	switch p := principal.(type) {
	case string:
		return p == "*"
	case []any:
		return slices.ContainsFunc(p, everybody)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(p)), everybody)
	}
	return false
}

func (a *api) deleteResourcePolicy(ctx context.Context, in *gen.DeleteResourcePolicyInput) (*gen.DeleteResourcePolicyOutput, error) {
	v, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) ([]metadata.Op, error) { v.Policy = ""; return nil, nil })
	if err != nil {
		return nil, err
	}
	return &gen.DeleteResourcePolicyOutput{ARN: arn(ctx, v), Name: new(v.Name)}, nil
}

// withTags returns tags with the given ones set.
func withTags(tags map[string]string, set []gen.Tag) (map[string]string, error) {
	out := maps.Clone(tags)
	if out == nil {
		out = make(map[string]string)
	}
	for _, t := range set {
		k := deref(t.Key)
		switch {
		case k == "":
			return nil, invalidParameter("A tag needs a key.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return nil, invalidParameter("Tag keys that start with aws: are reserved: %s", k)
		}
		out[k] = deref(t.Value)
	}
	if len(out) > tagsMax {
		return nil, invalidParameter("A secret can have at most %d tags.", tagsMax)
	}
	return out, nil
}

func tagList(tags map[string]string) []gen.Tag {
	out := []gen.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, gen.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

func (a *api) tagResource(ctx context.Context, in *gen.TagResourceInput) (*gen.TagResourceOutput, error) {
	_, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) (_ []metadata.Op, err error) {
		v.Tags, err = withTags(v.Tags, in.Tags)
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return &gen.TagResourceOutput{}, nil
}

func (a *api) untagResource(ctx context.Context, in *gen.UntagResourceInput) (*gen.UntagResourceOutput, error) {
	_, err := a.edit(ctx, *in.SecretId, func(v *resource.Secret) ([]metadata.Op, error) {
		v.Tags = maps.Clone(v.Tags)
		maps.DeleteFunc(v.Tags, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UntagResourceOutput{}, nil
}
