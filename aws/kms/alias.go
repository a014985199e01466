package kms

import (
	"context"
	"errors"
	"strings"

	"weir/awsapi"
	gen "weir/awsapi/gen/kms"
	"weir/control/resource"
	"weir/metadata"
)

// aliasesMax is how many aliases a key may have, as on AWS.
const aliasesMax = 50

func aliasARN(s resource.Scope, name string) string {
	return awsapi.ARN{Partition: awsapi.Partition, Service: "kms", Region: s.Region, Account: s.Account, Resource: name}.String()
}

func checkAlias(name string) error {
	switch rest, ok := strings.CutPrefix(name, resource.AliasPrefix); {
	case !ok:
		return invalid("Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")
	case rest == "" || strings.ContainsRune(rest, ':'):
		return &gen.InvalidAliasNameException{Message: "The alias name is not valid: " + name}
	case strings.HasPrefix(name, resource.AWSAliasPrefix):
		return awsapi.NewFault(400, "NotAuthorizedException", "Aliases that start with %s are reserved for AWS.", resource.AWSAliasPrefix)
	}
	return nil
}

// aliases reads all aliases of the scope.
func (a *api) aliases(ctx context.Context) ([]resource.Alias, error) {
	kvs, _, err := a.store.List(ctx, scopeOf(ctx).AliasesPrefix())
	if err != nil {
		return nil, storeError(err)
	}
	var out []resource.Alias
	for _, kv := range kvs {
		v, err := metadata.Decode[resource.Alias](kv)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// target is the customer's key that an alias is to name, with the condition that it stays as it is.
func (a *api) target(ctx context.Context, text string) (resource.Key, metadata.Cond, error) {
	k, at, err := a.lookup(ctx, text, false)
	if err == nil && k.AWSManaged {
		err = denied("The key %s is managed by AWS and can't get other aliases.", scopeOf(ctx).KeyARN(k.ID))
	}
	if err == nil && !k.DeleteAt.IsZero() {
		err = pending(ctx, &k)
	}
	return k, metadata.Cond{Key: scopeOf(ctx).KeysPrefix() + k.ID, Modified: at}, err
}

func (a *api) createAlias(ctx context.Context, in *gen.CreateAliasInput) (*gen.CreateAliasOutput, error) {
	if err := checkAlias(*in.AliasName); err != nil {
		return nil, err
	}
	s, now := scopeOf(ctx), a.now().UTC()
	key := s.AliasesPrefix() + *in.AliasName
	for {
		k, given, err := a.target(ctx, *in.TargetKeyId)
		if err != nil {
			return nil, err
		}
		all, err := a.aliases(ctx)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, v := range all {
			if v.Name == *in.AliasName {
				return nil, &gen.AlreadyExistsException{Message: "An alias with the name " + aliasARN(s, v.Name) + " already exists"}
			}
			if v.Key == k.ID {
				n++
			}
		}
		if n >= aliasesMax {
			return nil, &gen.LimitExceededException{Message: "The key has the maximum number of aliases."}
		}
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: []metadata.Cond{{Key: key}, given},
			Then: []metadata.Op{
				metadata.Put(key, metadata.Encode(resource.Alias{Name: *in.AliasName, Key: k.ID, Created: now, Updated: now})),
			},
		})
		if err == nil {
			return &gen.CreateAliasOutput{}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

// changeAlias replaces the alias by what f returns, or removes it for nil; it starts over when the alias changes meanwhile.
func (a *api) changeAlias(ctx context.Context, name string, f func(resource.Alias) (*resource.Alias, []metadata.Cond, error)) error {
	if err := checkAlias(name); err != nil {
		return err
	}
	s := scopeOf(ctx)
	key := s.AliasesPrefix() + name
	for {
		kv, ok, err := a.store.Get(ctx, key)
		if err != nil {
			return storeError(err)
		}
		if !ok {
			return &gen.NotFoundException{Message: "Alias " + aliasARN(s, name) + " is not found."}
		}
		old, err := metadata.Decode[resource.Alias](kv)
		if err != nil {
			return err
		}
		v, given, err := f(old)
		if err != nil {
			return err
		}
		op := metadata.Delete(key)
		if v != nil {
			op = metadata.Put(key, metadata.Encode(v))
		}
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: append(given, metadata.Cond{Key: key, Modified: kv.Modified}), Then: []metadata.Op{op},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			return storeError(err)
		}
	}
}

func (a *api) updateAlias(ctx context.Context, in *gen.UpdateAliasInput) (*gen.UpdateAliasOutput, error) {
	err := a.changeAlias(ctx, *in.AliasName, func(v resource.Alias) (*resource.Alias, []metadata.Cond, error) {
		k, given, err := a.target(ctx, *in.TargetKeyId)
		v.Key, v.Updated = k.ID, a.now().UTC()
		return &v, []metadata.Cond{given}, err
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateAliasOutput{}, nil
}

func (a *api) deleteAlias(ctx context.Context, in *gen.DeleteAliasInput) (*gen.DeleteAliasOutput, error) {
	err := a.changeAlias(ctx, *in.AliasName, func(resource.Alias) (*resource.Alias, []metadata.Cond, error) { return nil, nil, nil })
	if err != nil {
		return nil, err
	}
	return &gen.DeleteAliasOutput{}, nil
}

func (a *api) listAliases(ctx context.Context, in *gen.ListAliasesInput) (*gen.ListAliasesOutput, error) {
	var only string
	if in.KeyId != nil {
		k, _, err := a.lookup(ctx, *in.KeyId, false)
		if err != nil {
			return nil, err
		}
		only = k.ID
	}
	all, err := a.aliases(ctx)
	if err != nil {
		return nil, err
	}
	s := scopeOf(ctx)
	var shown []gen.AliasListEntry
	for _, v := range all {
		if only == "" || v.Key == only {
			shown = append(shown, gen.AliasListEntry{
				AliasName: new(v.Name), AliasArn: new(aliasARN(s, v.Name)), TargetKeyId: new(v.Key),
				CreationDate: new(v.Created), LastUpdatedDate: new(v.Updated),
			})
		}
	}
	aliases, next, truncated, err := page(shown, func(v *gen.AliasListEntry) string { return *v.AliasName }, in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	return &gen.ListAliasesOutput{Aliases: aliases, NextMarker: next, Truncated: truncated}, nil
}
