package kms

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/awsapi"
	gen "weir/awsapi/gen/kms"
	"weir/control/resource"
)

const (
	policyName     = "default" // the only one that there is
	policyBytesMax = 32 << 10
	tagsMax        = 50
)

// checkPolicy checks the form of a policy. What it allows is looked at by nobody yet.
func checkPolicy(text string) error {
	var p struct {
		Statement json.RawMessage `json:"Statement"`
	}
	switch err := json.Unmarshal([]byte(text), &p); {
	case len(text) > policyBytesMax:
		return &gen.LimitExceededException{Message: fmt.Sprintf("Policy document is longer than %d bytes.", policyBytesMax)}
	case err != nil:
		return &gen.MalformedPolicyDocumentException{Message: "The policy is not a JSON object: " + err.Error()}
	case len(p.Statement) == 0:
		return &gen.MalformedPolicyDocumentException{Message: "The policy has no Statement."}
	}
	return nil
}

// defaultPolicy lets the account do everything, as that of a key which was made without a policy.
func defaultPolicy(s resource.Scope) string {
	root := awsapi.ARN{Partition: awsapi.Partition, Service: "iam", Account: s.Account, Resource: "root"}.String()
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : %q
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`, root)
}

func checkPolicyName(name *string) error {
	if name != nil && *name != policyName {
		return &gen.NotFoundException{Message: "No such policy exists: the only policy of a key is named default"}
	}
	return nil
}

func (a *api) getKeyPolicy(ctx context.Context, in *gen.GetKeyPolicyInput) (*gen.GetKeyPolicyOutput, error) {
	k, _, err := a.lookup(ctx, *in.KeyId, false)
	if err == nil {
		err = checkPolicyName(in.PolicyName)
	}
	if err != nil {
		return nil, err
	}
	policy := k.Policy
	if policy == "" {
		policy = defaultPolicy(scopeOf(ctx))
	}
	return &gen.GetKeyPolicyOutput{Policy: &policy, PolicyName: new(policyName)}, nil
}

func (a *api) putKeyPolicy(ctx context.Context, in *gen.PutKeyPolicyInput) (*gen.PutKeyPolicyOutput, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	if err := checkPolicy(*in.Policy); err != nil {
		return nil, err
	}
	if err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error { k.Policy = *in.Policy; return nil }); err != nil {
		return nil, err
	}
	return &gen.PutKeyPolicyOutput{}, nil
}

func (a *api) listKeyPolicies(ctx context.Context, in *gen.ListKeyPoliciesInput) (*gen.ListKeyPoliciesOutput, error) {
	if _, _, err := a.lookup(ctx, *in.KeyId, false); err != nil {
		return nil, err
	}
	return &gen.ListKeyPoliciesOutput{PolicyNames: []string{policyName}, Truncated: new(false)}, nil
}

// withTags returns tags with the given ones set.
func withTags(tags map[string]string, set []gen.Tag) (map[string]string, error) {
	out := maps.Clone(tags)
	if out == nil {
		out = make(map[string]string)
	}
	seen := make(map[string]bool)
	for _, t := range set {
		k := *t.TagKey
		switch {
		case seen[k]:
			return nil, &gen.TagException{Message: "Duplicate tag keys: " + k}
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return nil, &gen.TagException{Message: "Tag keys that start with aws: are reserved: " + k}
		}
		seen[k] = true
		out[k] = *t.TagValue
	}
	if len(out) > tagsMax {
		return nil, &gen.TagException{Message: "Too many tags: a key can have at most 50"}
	}
	return out, nil
}

func (a *api) tagResource(ctx context.Context, in *gen.TagResourceInput) (*gen.TagResourceOutput, error) {
	err := a.edit(ctx, *in.KeyId, func(k *resource.Key) (err error) { k.Tags, err = withTags(k.Tags, in.Tags); return err })
	if err != nil {
		return nil, err
	}
	return &gen.TagResourceOutput{}, nil
}

func (a *api) untagResource(ctx context.Context, in *gen.UntagResourceInput) (*gen.UntagResourceOutput, error) {
	err := a.edit(ctx, *in.KeyId, func(k *resource.Key) error {
		k.Tags = maps.Clone(k.Tags)
		maps.DeleteFunc(k.Tags, func(key, _ string) bool { return slices.Contains(in.TagKeys, key) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UntagResourceOutput{}, nil
}

func (a *api) listResourceTags(ctx context.Context, in *gen.ListResourceTagsInput) (*gen.ListResourceTagsOutput, error) {
	k, _, err := a.lookup(ctx, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	all := []gen.Tag{}
	for key, v := range k.Tags {
		all = append(all, gen.Tag{TagKey: new(key), TagValue: new(v)})
	}
	tags, next, truncated, err := page(all, func(t *gen.Tag) string { return *t.TagKey }, in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	return &gen.ListResourceTagsOutput{Tags: tags, NextMarker: next, Truncated: truncated}, nil
}
