// Package secretsmanager is what `aws secretsmanager` does: secrets with versions and staging labels. SCRAM users of clusters are kept in them.
// One file per resource.
//
// Non-obvious:
//   - Values are sealed (package secret) before they reach the metadata, each under its secret's ARN and its version, in records of their own: what
//     lists and describes secrets never holds a value. No error and no log line of this package has a value in it.
//   - The KMS key of a secret is checked and shown; the sealing is done with the master key of the installation all the same, until KMS keys have material.
//   - A secret whose recovery window has passed is gone for every call from that moment. Its records, values and all, are removed by package control
//     then, or by a call that lists or makes secrets and comes before it (resource.EraseSecrets).
package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/secretsmanager"
	"weir/control/resource"
	"weir/metadata"
	"weir/secret"
)

type api struct {
	store  metadata.Store
	master *secret.Master
	now    func() time.Time
}

// New returns the operations that are built, which seal values with master. All others stay nil, which the front answers as not implemented. Every
// call's context must carry an awsapi.Scope.
func New(store metadata.Store, master *secret.Master) *gen.Service {
	a := &api{store: store, master: master, now: time.Now}
	return &gen.Service{
		CreateSecret:             a.createSecret,
		DescribeSecret:           a.describeSecret,
		ListSecrets:              a.listSecrets,
		UpdateSecret:             a.updateSecret,
		DeleteSecret:             a.deleteSecret,
		RestoreSecret:            a.restoreSecret,
		GetSecretValue:           a.getSecretValue,
		PutSecretValue:           a.putSecretValue,
		ListSecretVersionIds:     a.listSecretVersionIds,
		UpdateSecretVersionStage: a.updateSecretVersionStage,
		GetResourcePolicy:        a.getResourcePolicy,
		PutResourcePolicy:        a.putResourcePolicy,
		DeleteResourcePolicy:     a.deleteResourcePolicy,
		TagResource:              a.tagResource,
		UntagResource:            a.untagResource,
	}
}

func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// storeError turns an error of the metadata store into what a caller is told: to try again, when the store was away.
func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}

func invalidParameter(format string, args ...any) error {
	return &gen.InvalidParameterException{Message: fmt.Sprintf(format, args...)}
}

func invalidRequest(format string, args ...any) error {
	return &gen.InvalidRequestException{Message: fmt.Sprintf(format, args...)}
}

// textDeleted is word for word what clients look for.
const textDeleted = "You can't perform this operation on the secret because it was marked for deletion."

// lookup finds the secret of a call, also one that is marked for deletion.
func (a *api) lookup(ctx context.Context, id string) (resource.Secret, metadata.Revision, error) {
	v, at, ok, err := resource.FindSecret(ctx, a.store, scopeOf(ctx), id)
	if err != nil {
		return v, 0, storeError(err)
	}
	if !ok {
		return v, 0, &gen.ResourceNotFoundException{Message: "Secrets Manager can't find the specified secret."}
	}
	return v, at, nil
}

// live finds a secret that is not marked for deletion.
func (a *api) live(ctx context.Context, id string) (resource.Secret, metadata.Revision, error) {
	v, at, err := a.lookup(ctx, id)
	if err == nil && !v.PurgeAt.IsZero() {
		err = invalidRequest(textDeleted)
	}
	return v, at, err
}

// edit changes a secret that is not marked for deletion; f may return further writes. It starts over when the secret changes meanwhile.
func (a *api) edit(ctx context.Context, id string, f func(*resource.Secret) ([]metadata.Op, error)) (resource.Secret, error) {
	for {
		v, at, err := a.live(ctx, id)
		if err != nil {
			return v, err
		}
		done, err := a.commit(ctx, v, at, f)
		if !errors.Is(err, metadata.ErrConflict) {
			return done, storeError(err)
		}
	}
}

func (a *api) commit(
	ctx context.Context, v resource.Secret, at metadata.Revision, f func(*resource.Secret) ([]metadata.Op, error),
) (resource.Secret, error) {
	ops, err := f(&v)
	if err != nil {
		return v, err
	}
	key := scopeOf(ctx).SecretsPrefix() + v.Name
	_, err = a.store.Commit(ctx, metadata.Txn{
		If: []metadata.Cond{{Key: key, Modified: at}}, Then: append(ops, metadata.Put(key, metadata.Encode(v))),
	})
	return v, err
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// text is nil for an empty one, which is not shown.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
