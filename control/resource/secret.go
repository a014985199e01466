package resource

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/metadata"
	"weir/secret"
)

// Secret is a secret of Secrets Manager. Its values are sealed (package secret).
type Secret struct {
	Name        string            `json:"name"`
	Suffix      string            `json:"suffix"` // random, at the end of the ARN
	Description string            `json:"description,omitempty"`
	Kind        string            `json:"kind,omitempty"` // the model's type
	Key         string            `json:"key,omitempty"`  // KMS key as it was given; empty for the service's own
	Created     time.Time         `json:"created"`
	Changed     time.Time         `json:"changed"`
	DeletedAt   time.Time         `json:"deletedAt,omitzero"` // when deletion was asked for
	PurgeAt     time.Time         `json:"purgeAt,omitzero"`   // when it is carried out
	Policy      string            `json:"policy,omitempty"`
	Versions    []SecretVersion   `json:"versions,omitempty"` // in the order in which they were made
	Tags        map[string]string `json:"tags,omitempty"`
}

// SecretVersion is one value of a secret. Its data are in a record of their own.
type SecretVersion struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Stages  []string  `json:"stages,omitempty"`
	Binary  bool      `json:"binary,omitempty"`
	Key     string    `json:"key,omitempty"`
}

// Current is the stage of the version that is read when none is named.
const Current = "AWSCURRENT"

// SecretsPrefix is the prefix of the scope's Secret records; the name follows.
func (s Scope) SecretsPrefix() string { return s.Prefix() + "secret/" }

// SecretValueKey holds the sealed value of a version.
func (s Scope) SecretValueKey(name, suffix, version string) string {
	return s.SecretValuesPrefix(name, suffix) + version
}

// SecretValuesPrefix is the prefix of the sealed values of one secret.
func (s Scope) SecretValuesPrefix(name, suffix string) string {
	return s.Prefix() + "secret-value/" + url.PathEscape(name) + "-" + suffix + "/"
}

// SecretARN is the ARN of the secret of that name and suffix.
func (s Scope) SecretARN(name, suffix string) string {
	return s.arn("secretsmanager", "secret:"+name+"-"+suffix)
}

// Gone tells whether the secret's deletion has come.
func (v *Secret) Gone(now time.Time) bool { return !v.PurgeAt.IsZero() && !now.Before(v.PurgeAt) }

// secretSuffixLength is how many letters the service puts after the dash at the end of a secret's ARN.
const secretSuffixLength = 6

// FindSecret returns the secret that text names: a name, an ARN, or an ARN without its random suffix. ok is false if there is none, also when
// its deletion has come.
func FindSecret(ctx context.Context, store metadata.Store, s Scope, text string) (v Secret, at metadata.Revision, ok bool, err error) {
	name, ok := s.own("secretsmanager", text)
	if !ok {
		return Secret{}, 0, false, nil
	}
	if name != text {
		if name, ok = strings.CutPrefix(name, "secret:"); !ok {
			return Secret{}, 0, false, nil
		}
		if i := len(name) - secretSuffixLength - 1; i > 0 && name[i] == '-' {
			v, at, ok, err = read[Secret](ctx, store, s.SecretsPrefix()+name[:i])
			if err != nil {
				return Secret{}, 0, false, err
			}
			if ok && v.Suffix == name[i+1:] {
				return v, at, !v.Gone(time.Now()), nil
			}
		}
	}
	v, at, ok, err = read[Secret](ctx, store, s.SecretsPrefix()+name)
	if err != nil || !ok || v.Gone(time.Now()) {
		return Secret{}, 0, false, err
	}
	return v, at, true, nil
}

// SecretExists tells whether text names a secret (see FindSecret) that is not about to be deleted.
func SecretExists(ctx context.Context, store metadata.Store, s Scope, text string) (bool, error) {
	v, _, ok, err := FindSecret(ctx, store, s, text)
	return ok && v.PurgeAt.IsZero(), err
}

// ReadSecret returns the current value of the secret that text names; ok is false if there is none, or if it is about to be deleted.
func ReadSecret(ctx context.Context, store metadata.Store, m *secret.Master, s Scope, text string) (value secret.Value, ok bool, err error) {
	v, _, ok, err := FindSecret(ctx, store, s, text)
	if err != nil || !ok || !v.PurgeAt.IsZero() {
		return secret.Value{}, false, err
	}
	for _, version := range v.Versions {
		if slices.Contains(version.Stages, Current) {
			return OpenSecret(ctx, store, m, s, v, version.ID)
		}
	}
	return secret.Value{}, false, nil
}

// OpenSecret returns the value of one version of v; ok is false if that is gone.
func OpenSecret(ctx context.Context, store metadata.Store, m *secret.Master, s Scope, v Secret, version string) (secret.Value, bool, error) {
	sealed, _, ok, err := read[secret.Sealed](ctx, store, s.SecretValueKey(v.Name, v.Suffix, version))
	if err != nil || !ok {
		return secret.Value{}, false, err
	}
	value, err := m.Open(SecretContext(s, v, version), sealed)
	if err != nil {
		return secret.Value{}, false, fmt.Errorf("open version %s of %s: %w", version, s.SecretARN(v.Name, v.Suffix), err)
	}
	return value, true, nil
}

// SecretContext is what the value of a version is sealed under.
func SecretContext(s Scope, v Secret, version string) string {
	return s.SecretARN(v.Name, v.Suffix) + "#" + version
}

// ParseSecretKey takes the key of a Secret record apart; ok is false for every other key. A secret's name may have slashes.
func ParseSecretKey(key string) (s Scope, name string, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(key, AccountsPrefix), "/", 4)
	if !strings.HasPrefix(key, AccountsPrefix) || len(parts) != 4 || parts[2] != "secret" || parts[3] == "" {
		return Scope{}, "", false
	}
	return Scope{Account: parts[0], Region: parts[1]}, parts[3], true
}

// RemoveSecret returns the transaction that removes a secret, which was read at revision at, with all its values.
func (s Scope) RemoveSecret(v *Secret, at metadata.Revision) metadata.Txn {
	key := s.SecretsPrefix() + v.Name
	return metadata.Txn{
		If:   []metadata.Cond{{Key: key, Modified: at}},
		Then: []metadata.Op{metadata.Delete(key), metadata.DeletePrefix(s.SecretValuesPrefix(v.Name, v.Suffix))},
	}
}

// EraseSecret removes the secret under key if its deletion has come. left is how long it is until then; zero if there is nothing to wait for.
func EraseSecret(ctx context.Context, store metadata.Store, key string, now time.Time) (left time.Duration, erased bool, err error) {
	s, _, ok := ParseSecretKey(key)
	if !ok {
		return 0, false, fmt.Errorf("%s is not the key of a secret", key)
	}
	v, at, ok, err := read[Secret](ctx, store, key)
	switch {
	case err != nil || !ok || v.PurgeAt.IsZero():
		return 0, false, err
	case !v.Gone(now):
		return v.PurgeAt.Sub(now), false, nil
	}
	if _, err := store.Commit(ctx, s.RemoveSecret(&v, at)); err != nil {
		return 0, false, fmt.Errorf("erase %s: %w", s.SecretARN(v.Name, v.Suffix), err)
	}
	return 0, true, nil
}

// EraseSecrets removes the secrets of the scope whose deletion has come, and returns how many others there are.
func EraseSecrets(ctx context.Context, store metadata.Store, s Scope, now time.Time) (left int, err error) {
	kvs, _, err := store.List(ctx, s.SecretsPrefix())
	if err != nil {
		return 0, fmt.Errorf("list secrets: %w", err)
	}
	for _, kv := range kvs {
		v, err := metadata.Decode[Secret](kv)
		if err != nil {
			return 0, err
		}
		if !v.Gone(now) {
			left++
			continue
		}
		if _, err := store.Commit(ctx, s.RemoveSecret(&v, kv.Modified)); err != nil && !errors.Is(err, metadata.ErrConflict) {
			return 0, fmt.Errorf("erase %s: %w", s.SecretARN(v.Name, v.Suffix), err)
		}
	}
	return left, nil
}
