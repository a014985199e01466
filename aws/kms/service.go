// Package kms is what `aws kms` does: keys, aliases, policies, rotation settings and grants as records, so that configurations which name a
// key can be applied and create calls can check it. Keys have no material yet: whatever encrypts, signs or makes data keys is answered as not
// implemented, and policies and grants allow and deny nothing. One file per resource.
//
// Non-obvious:
//   - A key whose waiting period has passed is gone for every call from that moment; its records are removed by the next call that lists or makes keys.
//   - Calls that change a key take its id or ARN only; those that look take aliases as well, as the service's own do.
package kms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/kms"
	"weir/control/resource"
	"weir/metadata"
)

type api struct {
	store metadata.Store
	now   func() time.Time
}

// New returns the operations that are built. All others stay nil, which the front answers as not implemented. Every call's context
// must carry an awsapi.Scope.
func New(store metadata.Store) *gen.Service {
	a := &api{store: store, now: time.Now}
	return &gen.Service{
		CreateKey:            a.createKey,
		DescribeKey:          a.describeKey,
		ListKeys:             a.listKeys,
		UpdateKeyDescription: a.updateKeyDescription,
		EnableKey:            a.enableKey,
		DisableKey:           a.disableKey,
		ScheduleKeyDeletion:  a.scheduleKeyDeletion,
		CancelKeyDeletion:    a.cancelKeyDeletion,
		GetKeyRotationStatus: a.getKeyRotationStatus,
		EnableKeyRotation:    a.enableKeyRotation,
		DisableKeyRotation:   a.disableKeyRotation,
		GetKeyPolicy:         a.getKeyPolicy,
		PutKeyPolicy:         a.putKeyPolicy,
		ListKeyPolicies:      a.listKeyPolicies,
		TagResource:          a.tagResource,
		UntagResource:        a.untagResource,
		ListResourceTags:     a.listResourceTags,
		CreateAlias:          a.createAlias,
		UpdateAlias:          a.updateAlias,
		DeleteAlias:          a.deleteAlias,
		ListAliases:          a.listAliases,
		CreateGrant:          a.createGrant,
		ListGrants:           a.listGrants,
		RetireGrant:          a.retireGrant,
		RevokeGrant:          a.revokeGrant,
	}
}

func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// storeError turns an error of the metadata store into what a caller is told: to try again, when the store was away.
func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "DependencyTimeoutException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}

func invalid(format string, args ...any) error {
	return awsapi.NewFault(http.StatusBadRequest, "ValidationException", format, args...)
}

func denied(format string, args ...any) error {
	return awsapi.NewFault(http.StatusBadRequest, "AccessDeniedException", format, args...)
}

func unsupported(format string, args ...any) error {
	return &gen.UnsupportedOperationException{Message: fmt.Sprintf(format, args...) + " not supported by this version of Weir."}
}

// lookup finds the key of a call.
func (a *api) lookup(ctx context.Context, text string, aliases bool) (resource.Key, metadata.Revision, error) {
	s := scopeOf(ctx)
	isARN := strings.HasPrefix(text, "arn:")
	name := text
	if isARN {
		parsed, err := awsapi.ParseARN(text)
		if err != nil || parsed.Service != "kms" {
			return resource.Key{}, 0, &gen.InvalidArnException{Message: "Invalid arn " + text}
		}
		name = parsed.Resource
	}
	alias := strings.HasPrefix(name, resource.AliasPrefix)
	if alias && !aliases {
		return resource.Key{}, 0, &gen.InvalidArnException{Message: text + " is an alias: this operation takes a key id or key ARN"}
	}
	k, at, ok, err := resource.FindKey(ctx, a.store, s, text)
	switch {
	case err != nil:
		return k, 0, storeError(err)
	case ok:
		return k, at, nil
	case alias && isARN:
		return k, 0, &gen.NotFoundException{Message: "Alias " + text + " is not found."}
	case alias:
		return k, 0, &gen.NotFoundException{Message: "Alias " + aliasARN(s, name) + " is not found."}
	case isARN:
		return k, 0, &gen.NotFoundException{Message: "Key '" + text + "' does not exist"}
	}
	return k, 0, &gen.NotFoundException{Message: "Key '" + s.KeyARN(text) + "' does not exist"}
}

// edit changes a customer's key that is not about to be deleted; it starts over when the key changes meanwhile.
func (a *api) edit(ctx context.Context, text string, f func(*resource.Key) error) error {
	return a.editAny(ctx, text, func(k *resource.Key) error {
		if !k.DeleteAt.IsZero() {
			return pending(ctx, k)
		}
		return f(k)
	})
}

func (a *api) editAny(ctx context.Context, text string, f func(*resource.Key) error) error {
	for {
		k, at, err := a.lookup(ctx, text, false)
		if err != nil {
			return err
		}
		if k.AWSManaged {
			return denied("The key %s is managed by AWS and can't be changed.", scopeOf(ctx).KeyARN(k.ID))
		}
		if err := f(&k); err != nil {
			return err
		}
		key := scopeOf(ctx).KeysPrefix() + k.ID
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: []metadata.Cond{{Key: key, Modified: at}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(k))},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			return storeError(err)
		}
	}
}

func pending(ctx context.Context, k *resource.Key) error {
	return &gen.KMSInvalidStateException{Message: scopeOf(ctx).KeyARN(k.ID) + " is pending deletion."}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
