// Package secret keeps values secret at rest. Each value is sealed with a data key of its own (AES-256-GCM), which is kept beside it wrapped by the
// master key; the master key is a file of the data directory and never goes into the metadata. So a copy of the metadata alone gives no value away.
//
// Non-obvious:
//   - The context that a value is sealed under (the ARN of what it belongs to, and its version) is authenticated, not kept: a sealed value that was
//     moved to another resource does not open.
//   - A data key seals exactly one value, and the master key wraps with random nonces: 2^32 values are far away, so that nonces need no counter.
//   - Opening says only ErrSealed, whatever is wrong: which part was changed is nobody's business.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
)

// ErrSealed says that a sealed value does not open: another master key or context, or damage.
var ErrSealed = errors.New("secret: the value does not open with this master key and context")

// keyBytes is the size of master and data keys.
const keyBytes = 32

// Value is a secret in memory. It prints as asterisks and does not marshal; Reveal is for those who hand it on.
type Value struct{ bytes []byte }

// NewValue makes a Value of b, which it keeps.
func NewValue(b []byte) Value { return Value{b} }

// Reveal returns the secret itself. It must not be changed.
func (v Value) Reveal() []byte { return v.bytes }

// String keeps the secret out of logs and messages.
func (Value) String() string { return "***" }

// GoString keeps it out of %#v as well.
func (Value) GoString() string { return "***" }

// LogValue keeps it out of structured logs.
func (Value) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalJSON keeps it out of records: what is stored is Sealed.
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

// Sealed is a value as it may lie on a disk. Each part is a nonce followed by the ciphertext.
type Sealed struct {
	Master  string `json:"master"`  // id of the master key
	DataKey []byte `json:"dataKey"` // wrapped by the master key
	Data    []byte `json:"data"`    // sealed with the data key
}

// Master is the key that wraps data keys. It is safe for concurrent use.
type Master struct {
	id   string
	aead cipher.AEAD
}

// NewMaster makes a Master of a key of 32 bytes and its id, by which sealed values name it.
func NewMaster(id string, key []byte) (*Master, error) {
	if len(key) != keyBytes || id == "" {
		return nil, fmt.Errorf("secret: a master key has an id and %d bytes", keyBytes)
	}
	a, err := gcm(key)
	if err != nil {
		return nil, err
	}
	return &Master{id: id, aead: a}, nil
}

// Seal seals v so that only the same master key and context open it.
func (m *Master) Seal(context string, v Value) (Sealed, error) {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	a, err := gcm(key)
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{
		Master:  m.id,
		DataKey: seal(m.aead, key, m.authenticated("key", context)),
		Data:    seal(a, v.bytes, m.authenticated("data", context)),
	}, nil
}

// Open returns what was sealed under context, or ErrSealed.
func (m *Master) Open(context string, s Sealed) (Value, error) {
	if s.Master != m.id {
		return Value{}, ErrSealed
	}
	key, err := open(m.aead, s.DataKey, m.authenticated("key", context))
	if err != nil {
		return Value{}, err
	}
	a, err := gcm(key)
	if err != nil {
		return Value{}, ErrSealed
	}
	b, err := open(a, s.Data, m.authenticated("data", context))
	return Value{b}, err
}

// authenticated joins what is bound to a ciphertext, each part with its length so that no two contexts read the same.
func (m *Master) authenticated(part, context string) []byte {
	var out []byte
	for _, s := range []string{"weir-secret-1", part, m.id, context} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func seal(a cipher.AEAD, plain, bound []byte) []byte { return a.Seal(nil, nil, plain, bound) }

func open(a cipher.AEAD, sealed, bound []byte) ([]byte, error) {
	b, err := a.Open(nil, nil, sealed, bound)
	if err != nil {
		return nil, ErrSealed
	}
	return b, nil
}
