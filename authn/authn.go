// Package authn knows who may sign: access keys and the principals they stand for. So far there is one, the account's root key, which is made
// at the first start.
package authn

import (
	"context"
	"errors"
	"log/slog"

	"weir/awsapi"
)

// AccountID is the account that everything belongs to until there are several.
const AccountID = "000000000000"

// ErrUnknownKey is returned for an access key id that names no active key.
var ErrUnknownKey = errors.New("access key is not known")

// Secret is a secret access key. It prints as asterisks; Reveal is for those who compute with it.
type Secret string

// String keeps the secret out of logs and messages.
func (Secret) String() string { return "***" }

// GoString keeps it out of %#v as well.
func (Secret) GoString() string { return "***" }

// LogValue keeps it out of structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// AccessKey is a long-term key pair and whom it stands for.
type AccessKey struct {
	ID        string
	Secret    Secret
	Principal awsapi.Principal
}

// Keys looks up access keys. It is safe for concurrent use.
type Keys struct {
	root Root
}

// NewKeys makes the key ring that holds root's key.
func NewKeys(root Root) *Keys { return &Keys{root: root} }

// AccessKey returns the active key with the given id, or ErrUnknownKey.
func (k *Keys) AccessKey(_ context.Context, id string) (AccessKey, error) {
	if id != k.root.AccessKeyID || id == "" {
		return AccessKey{}, ErrUnknownKey
	}
	return k.root.AccessKey(), nil
}
