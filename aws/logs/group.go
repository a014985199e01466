package logs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	gen "weir/awsapi/gen/logs"
	"weir/control/resource"
	"weir/metadata"
)

const (
	groupsMax = 10_000 // per account and region; AWS has 1,000,000
	tagsMax   = 50
	pageSize  = 50
)

func invalid(format string, args ...any) error {
	return &gen.InvalidParameterException{Message: fmt.Sprintf(format, args...)}
}

func notFound() error {
	return &gen.ResourceNotFoundException{Message: "The specified log group does not exist."}
}

// group reads the log group of that name.
func (a *api) group(ctx context.Context, name string) (resource.LogGroup, metadata.Revision, error) {
	g, at, ok, err := resource.FindLogGroup(ctx, a.store, scopeOf(ctx), name)
	if err != nil {
		return g, 0, storeError(err)
	}
	if !ok {
		return g, 0, notFound()
	}
	return g, at, nil
}

// edit changes a log group; it starts over when the group changes meanwhile.
func (a *api) edit(ctx context.Context, name string, f func(*resource.LogGroup) error) error {
	for {
		g, at, err := a.group(ctx, name)
		if err != nil {
			return err
		}
		if err := f(&g); err != nil {
			return err
		}
		key := scopeOf(ctx).LogGroupsPrefix() + g.Name
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: []metadata.Cond{{Key: key, Modified: at}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(g))},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			return storeError(err)
		}
	}
}

func (a *api) createLogGroup(ctx context.Context, in *gen.CreateLogGroupInput) (*gen.CreateLogGroupOutput, error) {
	name, s := *in.LogGroupName, scopeOf(ctx)
	if strings.HasPrefix(name, "aws/") {
		return nil, invalid("Log groups starting with AWS/ are reserved for AWS.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	g := resource.LogGroup{
		Name: name, Created: a.now().UTC(), Class: string(in.LogGroupClass), Protected: in.DeletionProtectionEnabled != nil && *in.DeletionProtectionEnabled,
		Tags: maps.Clone(in.Tags),
	}
	if g.Class == "" {
		g.Class = string(gen.LogGroupClassStandard)
	}
	if in.KmsKeyId != nil {
		var err error
		if g.Key, err = a.key(ctx, *in.KmsKeyId); err != nil {
			return nil, err
		}
	}
	all, _, err := a.store.List(ctx, s.LogGroupsPrefix())
	if err != nil {
		return nil, storeError(err)
	}
	if len(all) >= groupsMax {
		return nil, &gen.LimitExceededException{Message: "Resource limit exceeded."}
	}
	key := s.LogGroupsPrefix() + name
	_, err = a.store.Commit(ctx, metadata.Txn{If: []metadata.Cond{{Key: key}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(g))}})
	if errors.Is(err, metadata.ErrConflict) {
		return nil, &gen.ResourceAlreadyExistsException{Message: "The specified log group already exists"}
	}
	if err != nil {
		return nil, storeError(err)
	}
	return &gen.CreateLogGroupOutput{}, nil
}

// key checks the KMS key of a log group and returns its ARN. Nothing is encrypted with it.
func (a *api) key(ctx context.Context, text string) (string, error) {
	s := scopeOf(ctx)
	k, _, ok, err := resource.FindKey(ctx, a.store, s, text)
	if err != nil {
		return "", storeError(err)
	}
	if !ok || k.Disabled || !k.DeleteAt.IsZero() {
		return "", invalid("The specified KMS key does not exist or is not allowed to be used with the log group: %s", text)
	}
	return s.KeyARN(k.ID), nil
}

func (a *api) deleteLogGroup(ctx context.Context, in *gen.DeleteLogGroupInput) (*gen.DeleteLogGroupOutput, error) {
	for {
		g, at, err := a.group(ctx, *in.LogGroupName)
		if err != nil {
			return nil, err
		}
		if g.Protected {
			return nil, &gen.ValidationException{Message: "The log group " + g.Name + " is protected against deletion. Disable deletion protection first."}
		}
		key := scopeOf(ctx).LogGroupsPrefix() + g.Name
		_, err = a.store.Commit(ctx, metadata.Txn{If: []metadata.Cond{{Key: key, Modified: at}}, Then: []metadata.Op{metadata.Delete(key)}})
		if err == nil {
			return &gen.DeleteLogGroupOutput{}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

func (a *api) describeLogGroups(ctx context.Context, in *gen.DescribeLogGroupsInput) (*gen.DescribeLogGroupsOutput, error) {
	s := scopeOf(ctx)
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	if len(in.LogGroupIdentifiers) > 0 && (in.LogGroupNamePrefix != nil || in.LogGroupNamePattern != nil) {
		return nil, invalid("logGroupIdentifiers can't be combined with a name prefix or pattern.")
	}
	if len(in.AccountIdentifiers) > 0 && !slices.Equal(in.AccountIdentifiers, []string{s.Account}) {
		return nil, invalid("accountIdentifiers: linked accounts are not supported by this version of Weir.")
	}
	after := ""
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil {
			return nil, invalid("The specified nextToken is invalid.")
		}
		after = string(b)
	}
	kvs, _, err := a.store.List(ctx, s.LogGroupsPrefix())
	if err != nil {
		return nil, storeError(err)
	}
	size := pageSize
	if in.Limit != nil {
		size = int(*in.Limit)
	}
	out := &gen.DescribeLogGroupsOutput{LogGroups: []gen.LogGroup{}}
	for _, kv := range kvs { // sorted by name
		g, err := metadata.Decode[resource.LogGroup](kv)
		if err != nil {
			return nil, err
		}
		if g.Name <= after || !wanted(s, g, in) {
			continue
		}
		if len(out.LogGroups) == size {
			out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(*out.LogGroups[size-1].LogGroupName)))
			break
		}
		out.LogGroups = append(out.LogGroups, shown(s, g))
	}
	return out, nil
}

func wanted(s resource.Scope, g resource.LogGroup, in *gen.DescribeLogGroupsInput) bool {
	arn := s.LogGroupARN(g.Name)
	switch {
	case in.LogGroupNamePrefix != nil && !strings.HasPrefix(g.Name, *in.LogGroupNamePrefix),
		in.LogGroupNamePattern != nil && !strings.Contains(strings.ToLower(g.Name), strings.ToLower(*in.LogGroupNamePattern)),
		in.LogGroupClass != "" && string(in.LogGroupClass) != g.Class,
		len(in.LogGroupIdentifiers) > 0 && !slices.Contains(in.LogGroupIdentifiers, g.Name) && !slices.Contains(in.LogGroupIdentifiers, arn):
		return false
	}
	return true
}

func shown(s resource.Scope, g resource.LogGroup) gen.LogGroup {
	out := gen.LogGroup{
		LogGroupName: new(g.Name), CreationTime: new(g.Created.UnixMilli()), Arn: new(s.LogGroupARN(g.Name) + ":*"),
		LogGroupArn: new(s.LogGroupARN(g.Name)), LogGroupClass: gen.LogGroupClass(g.Class), MetricFilterCount: new(int32(0)), StoredBytes: new(int64(0)),
		DeletionProtectionEnabled: new(g.Protected),
	}
	if g.Retention > 0 {
		out.RetentionInDays = new(g.Retention)
	}
	if g.Key != "" {
		out.KmsKeyId = new(g.Key)
	}
	return out
}

// retentions are the days that the service knows.
func retentions() []int32 {
	return []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
}

func (a *api) putRetentionPolicy(ctx context.Context, in *gen.PutRetentionPolicyInput) (*gen.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentions(), *in.RetentionInDays) {
		return nil, invalid("Invalid retention value. retentionInDays must be one of %v", retentions())
	}
	err := a.edit(ctx, *in.LogGroupName, func(g *resource.LogGroup) error {
		if g.Class == string(gen.LogGroupClassDelivery) {
			return invalid("The retention of log groups of the class DELIVERY can't be set.")
		}
		g.Retention = *in.RetentionInDays
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.PutRetentionPolicyOutput{}, nil
}

func (a *api) deleteRetentionPolicy(ctx context.Context, in *gen.DeleteRetentionPolicyInput) (*gen.DeleteRetentionPolicyOutput, error) {
	err := a.edit(ctx, *in.LogGroupName, func(g *resource.LogGroup) error { g.Retention = 0; return nil })
	if err != nil {
		return nil, err
	}
	return &gen.DeleteRetentionPolicyOutput{}, nil
}

// named is the log group of a call that takes a name or an identifier.
func named(name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier == nil:
		return *name, nil
	case identifier != nil && name == nil:
		return *identifier, nil
	}
	return "", invalid("Specify either logGroupName or resourceIdentifier.")
}

func (a *api) associateKmsKey(ctx context.Context, in *gen.AssociateKmsKeyInput) (*gen.AssociateKmsKeyOutput, error) {
	name, err := named(in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	key, err := a.key(ctx, *in.KmsKeyId)
	if err != nil {
		return nil, err
	}
	if err := a.edit(ctx, name, func(g *resource.LogGroup) error { g.Key = key; return nil }); err != nil {
		return nil, err
	}
	return &gen.AssociateKmsKeyOutput{}, nil
}

func (a *api) disassociateKmsKey(ctx context.Context, in *gen.DisassociateKmsKeyInput) (*gen.DisassociateKmsKeyOutput, error) {
	name, err := named(in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	if err := a.edit(ctx, name, func(g *resource.LogGroup) error { g.Key = ""; return nil }); err != nil {
		return nil, err
	}
	return &gen.DisassociateKmsKeyOutput{}, nil
}

func (a *api) putLogGroupDeletionProtection(ctx context.Context, in *gen.PutLogGroupDeletionProtectionInput) (
	*gen.PutLogGroupDeletionProtectionOutput, error,
) {
	err := a.edit(ctx, *in.LogGroupIdentifier, func(g *resource.LogGroup) error { g.Protected = *in.DeletionProtectionEnabled; return nil })
	if err != nil {
		return nil, err
	}
	return &gen.PutLogGroupDeletionProtectionOutput{}, nil
}
