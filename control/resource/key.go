package resource

import (
	"context"
	"errors"
	"strings"
	"time"

	"weir/metadata"
)

// Key is a KMS key. It has no key material yet: nothing is encrypted with it.
type Key struct {
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Usage       string            `json:"usage"`
	Spec        string            `json:"spec"`
	Policy      string            `json:"policy,omitempty"`
	Disabled    bool              `json:"disabled,omitempty"`
	AWSManaged  bool              `json:"awsManaged,omitempty"`
	Rotation    *KeyRotation      `json:"rotation,omitempty"`
	DeleteAt    time.Time         `json:"deleteAt,omitzero"` // scheduled deletion
	Tags        map[string]string `json:"tags,omitempty"`
}

// KeyRotation says that the key is to be rotated, and how often.
type KeyRotation struct {
	Days  int32     `json:"days"`
	Since time.Time `json:"since"`
}

// Gone tells whether the key's deletion has come.
func (k *Key) Gone(now time.Time) bool { return !k.DeleteAt.IsZero() && !now.Before(k.DeleteAt) }

// Alias is another name of a key: "alias/orders".
type Alias struct {
	Name    string    `json:"name"`
	Key     string    `json:"key"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// AliasPrefix begins the name of every alias, and AWSAliasPrefix that of the aliases that only AWS makes.
const (
	AliasPrefix    = "alias/"
	AWSAliasPrefix = AliasPrefix + "aws/"
	// KafkaAlias is the alias of the key that MSK encrypts with when it is given none.
	KafkaAlias = AWSAliasPrefix + "kafka"
)

// KeysPrefix is the prefix of the scope's Key records.
func (s Scope) KeysPrefix() string { return s.Prefix() + "kms-key/" }

// AliasesPrefix is the prefix of the Alias records; the alias's whole name follows.
func (s Scope) AliasesPrefix() string { return s.Prefix() + "kms-alias/" }

// KeyARN is the ARN of the key of that id.
func (s Scope) KeyARN(id string) string { return s.arn("kms", "key/"+id) }

// FindKey returns the key that text names: a key's id or ARN, or an alias's name or ARN. ok is false if there is none, also when its deletion
// has come.
func FindKey(ctx context.Context, store metadata.Store, s Scope, text string) (k Key, at metadata.Revision, ok bool, err error) {
	name, ok := s.own("kms", text)
	if !ok {
		return Key{}, 0, false, nil
	}
	if strings.HasPrefix(name, AliasPrefix) {
		a, _, ok, err := read[Alias](ctx, store, s.AliasesPrefix()+name)
		if err != nil || !ok {
			return Key{}, 0, false, err
		}
		name = a.Key
	} else if name != text {
		if name, ok = strings.CutPrefix(name, "key/"); !ok {
			return Key{}, 0, false, nil
		}
	}
	if !plainSegment(name) {
		return Key{}, 0, false, nil
	}
	k, at, ok, err = read[Key](ctx, store, s.KeysPrefix()+name)
	if ok && k.Gone(time.Now()) {
		return Key{}, 0, false, err
	}
	return k, at, ok, err
}

// KeyExists tells whether text names a key (see FindKey) that is enabled and not about to be deleted.
func KeyExists(ctx context.Context, store metadata.Store, s Scope, text string) (bool, error) {
	k, _, ok, err := FindKey(ctx, store, s, text)
	return ok && !k.Disabled && k.DeleteAt.IsZero(), err
}

// SeedKeys gives the scope the AWS managed key of MSK with its alias. Calling it again changes nothing.
func SeedKeys(ctx context.Context, store metadata.Store, s Scope) error {
	alias := s.AliasesPrefix() + KafkaAlias
	if _, ok, err := store.Get(ctx, alias); err != nil || ok {
		return wrapf(err, "seed the keys of %s in %s", s.Account, s.Region)
	}
	now := time.Now().UTC()
	k := Key{
		ID: NewUUID(), Created: now, Usage: "ENCRYPT_DECRYPT", Spec: "SYMMETRIC_DEFAULT", AWSManaged: true,
		Description: "Default key that protects my Amazon MSK data when no other key is defined",
		Rotation:    &KeyRotation{Days: 365, Since: now},
	}
	_, err := store.Commit(ctx, metadata.Txn{
		If: []metadata.Cond{{Key: alias}},
		Then: []metadata.Op{
			metadata.Put(alias, metadata.Encode(Alias{Name: KafkaAlias, Key: k.ID, Created: now, Updated: now})),
			metadata.Put(s.KeysPrefix()+k.ID, metadata.Encode(k)),
		},
	})
	if errors.Is(err, metadata.ErrConflict) {
		return nil // somebody else was first
	}
	return wrapf(err, "seed the keys of %s in %s", s.Account, s.Region)
}
