package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/kms"
	"weir/control/resource"
	"weir/metadata"
)

// grantsMax is how many grants a key may have; AWS has 50,000.
const grantsMax = 1000

// grant is the record of a grant. Nobody looks at what it allows yet.
type grant struct {
	ID         string                `json:"id"`
	Key        string                `json:"key"`
	Token      string                `json:"token"`
	Created    time.Time             `json:"created"`
	Name       string                `json:"name,omitempty"`
	Grantee    string                `json:"grantee,omitempty"`
	Retiring   string                `json:"retiring,omitempty"`
	GranteeBy  string                `json:"granteeService,omitempty"`
	RetiringBy string                `json:"retiringService,omitempty"`
	Issuer     string                `json:"issuer"`
	Operations []gen.GrantOperation  `json:"operations"`
	Limits     *gen.GrantConstraints `json:"limits,omitempty"`
}

func grantsPrefix(s resource.Scope, key string) string { return s.Prefix() + "kms-grant/" + key + "/" }

// grants reads the grants of a key.
func (a *api) grants(ctx context.Context, key string) ([]grant, error) {
	kvs, _, err := a.store.List(ctx, grantsPrefix(scopeOf(ctx), key))
	if err != nil {
		return nil, storeError(err)
	}
	var out []grant
	for _, kv := range kvs {
		g, err := metadata.Decode[grant](kv)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// same tells whether two grants were asked for alike.
func (g grant) same(o grant) bool {
	g.ID, g.Token, g.Created = o.ID, o.Token, o.Created
	return reflect.DeepEqual(g, o)
}

func dryRun(asked *bool) error {
	if deref(asked) {
		return &gen.DryRunOperationException{Message: "The request would have succeeded, but the DryRun option is set."}
	}
	return nil
}

func (a *api) createGrant(ctx context.Context, in *gen.CreateGrantInput) (*gen.CreateGrantOutput, error) {
	if (in.GranteePrincipal == nil) == (in.GranteeServicePrincipal == nil) {
		return nil, invalid("Specify either GranteePrincipal or GranteeServicePrincipal.")
	}
	s := scopeOf(ctx)
	var b [32]byte
	var token [48]byte
	_, _ = rand.Read(b[:]) // never fails
	_, _ = rand.Read(token[:])
	g := grant{
		ID: hex.EncodeToString(b[:]), Token: hex.EncodeToString(token[:]), Created: a.now().UTC(), Name: deref(in.Name),
		Grantee: deref(in.GranteePrincipal), Retiring: deref(in.RetiringPrincipal), GranteeBy: deref(in.GranteeServicePrincipal),
		RetiringBy: deref(in.RetiringServicePrincipal), Issuer: awsapi.ScopeFrom(ctx).Principal.ARN, Operations: in.Operations, Limits: in.Constraints,
	}
	for {
		k, at, err := a.lookup(ctx, *in.KeyId, false)
		if err != nil {
			return nil, err
		}
		switch {
		case !k.DeleteAt.IsZero():
			return nil, pending(ctx, &k)
		case k.Disabled:
			return nil, &gen.DisabledException{Message: s.KeyARN(k.ID) + " is disabled."}
		}
		g.Key = k.ID
		all, err := a.grants(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		for _, o := range all { // a name makes the call idempotent
			if g.Name != "" && g.same(o) {
				return &gen.CreateGrantOutput{GrantId: &o.ID, GrantToken: &o.Token}, nil
			}
		}
		if len(all) >= grantsMax {
			return nil, &gen.LimitExceededException{Message: "The key has the maximum number of grants."}
		}
		if err := dryRun(in.DryRun); err != nil {
			return nil, err
		}
		// The key is written as it is, so that it takes turns with other grants and with its removal.
		key := s.KeysPrefix() + k.ID
		_, err = a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: key, Modified: at}},
			Then: []metadata.Op{metadata.Put(key, metadata.Encode(k)), metadata.Put(grantsPrefix(s, k.ID)+g.ID, metadata.Encode(g))},
		})
		if err == nil {
			return &gen.CreateGrantOutput{GrantId: &g.ID, GrantToken: &g.Token}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

func (a *api) listGrants(ctx context.Context, in *gen.ListGrantsInput) (*gen.ListGrantsOutput, error) {
	k, _, err := a.lookup(ctx, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	all, err := a.grants(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(g grant) bool {
		return in.GrantId != nil && g.ID != *in.GrantId || in.GranteePrincipal != nil && g.Grantee != *in.GranteePrincipal ||
			in.GranteeServicePrincipal != nil && g.GranteeBy != *in.GranteeServicePrincipal
	})
	grants, next, truncated, err := page(all, func(g *grant) string { return g.ID }, in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &gen.ListGrantsOutput{Grants: []gen.GrantListEntry{}, NextMarker: next, Truncated: truncated}
	for _, g := range grants {
		out.Grants = append(out.Grants, gen.GrantListEntry{
			KeyId: new(scopeOf(ctx).KeyARN(k.ID)), GrantId: new(g.ID), Name: text(g.Name), CreationDate: new(g.Created), GranteePrincipal: text(g.Grantee),
			RetiringPrincipal: text(g.Retiring), GranteeServicePrincipal: text(g.GranteeBy), RetiringServicePrincipal: text(g.RetiringBy),
			IssuingAccount: new(g.Issuer), Operations: g.Operations, Constraints: g.Limits,
		})
	}
	return out, nil
}

// text is nil for an empty one, which is not shown.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// end removes a grant.
func (a *api) end(ctx context.Context, key, id string, dry *bool) error {
	at := grantsPrefix(scopeOf(ctx), key) + id
	kv, ok, err := a.store.Get(ctx, at)
	if err != nil {
		return storeError(err)
	}
	if !ok {
		return &gen.NotFoundException{Message: "Grant ID " + id + " not found"}
	}
	if err := dryRun(dry); err != nil {
		return err
	}
	_, err = a.store.Commit(ctx, metadata.Txn{If: []metadata.Cond{{Key: at, Modified: kv.Modified}}, Then: []metadata.Op{metadata.Delete(at)}})
	if errors.Is(err, metadata.ErrConflict) { // somebody else was first
		return &gen.NotFoundException{Message: "Grant ID " + id + " not found"}
	}
	return storeError(err)
}

func (a *api) revokeGrant(ctx context.Context, in *gen.RevokeGrantInput) (*gen.RevokeGrantOutput, error) {
	k, _, err := a.lookup(ctx, *in.KeyId, false)
	if err == nil {
		err = a.end(ctx, k.ID, *in.GrantId, in.DryRun)
	}
	if err != nil {
		return nil, err
	}
	return &gen.RevokeGrantOutput{}, nil
}

func (a *api) retireGrant(ctx context.Context, in *gen.RetireGrantInput) (*gen.RetireGrantOutput, error) {
	var key, id string
	switch {
	case in.GrantToken != nil && in.KeyId == nil && in.GrantId == nil:
		keys, err := a.keys(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			all, err := a.grants(ctx, k.ID)
			if err != nil {
				return nil, err
			}
			if i := slices.IndexFunc(all, func(g grant) bool { return g.Token == *in.GrantToken }); i >= 0 {
				key, id = k.ID, all[i].ID
			}
		}
		if id == "" {
			return nil, &gen.InvalidGrantTokenException{Message: "The grant token is not one of a grant that exists."}
		}
	case in.GrantToken == nil && in.KeyId != nil && in.GrantId != nil:
		k, _, err := a.lookup(ctx, *in.KeyId, false)
		if err != nil {
			return nil, err
		}
		key, id = k.ID, *in.GrantId
	default:
		return nil, invalid("Specify either a grant token, or a key ID and a grant ID.")
	}
	if err := a.end(ctx, key, id, in.DryRun); err != nil {
		return nil, err
	}
	return &gen.RetireGrantOutput{}, nil
}
