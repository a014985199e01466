// Package scram holds the SCRAM credentials of users (KIP-554): what a valid change is, the keys that are derived of a salted password, and their place in
// the metadata store. Nothing checks clients against them yet: that comes with authentication.
//
// Non-obvious: clients send the salted password, and Kafka keeps only the two keys that RFC 5802 derives of it, as does Weir. Who reads the store can
// check passwords against it, and guess them, but not log in.
package scram

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// Mechanism is a SCRAM mechanism as the protocol numbers it.
type Mechanism int8

// The mechanisms.
const (
	SHA256 Mechanism = 1
	SHA512 Mechanism = 2
)

func (m Mechanism) String() string {
	switch m {
	case SHA256:
		return "SCRAM-SHA-256"
	case SHA512:
		return "SCRAM-SHA-512"
	}
	return "UNKNOWN"
}

// Mechanisms are all mechanisms.
func Mechanisms() []Mechanism { return []Mechanism{SHA256, SHA512} }

func (m Mechanism) hash() func() hash.Hash {
	if m == SHA512 {
		return sha512.New
	}
	return sha256.New
}

// Bounds, of which those of iterations are Kafka's.
const (
	IterationsMin = 4_096
	IterationsMax = 16_384
	// UsersMax is how many users of a cluster may have credentials.
	UsersMax = 10_000
	// ChangesMax is how many users one request may change.
	ChangesMax     = metadata.TxnOpsMax
	saltBytesMax   = 1_024
	nameBytesMax   = 1_024
	attemptsAtMost = 8
)

// Fault is why a user's credentials were not changed, as Kafka says it.
type Fault struct {
	Code    *kerr.Error
	Message string // "" is none
}

func (f *Fault) Error() string { return f.Code.Message + ": " + f.Message }

// Unwrap makes errors.Is and errors.As see the code.
func (f *Fault) Unwrap() error { return f.Code }

// Deletion takes a credential away.
type Deletion struct {
	User      string
	Mechanism Mechanism
}

// Upsertion sets a credential.
type Upsertion struct {
	User           string
	Mechanism      Mechanism
	Iterations     int32
	Salt           []byte
	SaltedPassword []byte
}

// derive computes what is kept.
func derive(u *Upsertion) metadata.ScramCredential {
	mac := func(text string) []byte {
		h := hmac.New(u.Mechanism.hash(), u.SaltedPassword)
		_, _ = h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := u.Mechanism.hash()()
	_, _ = stored.Write(mac("Client Key"))
	return metadata.ScramCredential{Salt: u.Salt, Iterations: u.Iterations, StoredKey: stored.Sum(nil), ServerKey: mac("Server Key")}
}

// checkNames is what deletions and upsertions have in common.
func checkNames(user string, m Mechanism) error {
	switch {
	case user == "":
		return &Fault{kerr.UnacceptableCredential, "Username must not be empty"}
	case len(user) > nameBytesMax:
		return &Fault{kerr.UnacceptableCredential, fmt.Sprintf("Username has more than %d bytes", nameBytesMax)}
	case m != SHA256 && m != SHA512:
		return &Fault{kerr.UnsupportedSaslMechanism, "Unknown SCRAM mechanism"}
	}
	return nil
}

func (u *Upsertion) check() error {
	if err := checkNames(u.User, u.Mechanism); err != nil {
		return err
	}
	switch {
	case u.Iterations < IterationsMin:
		return &Fault{kerr.UnacceptableCredential, "Too few iterations"}
	case u.Iterations > IterationsMax:
		return &Fault{kerr.UnacceptableCredential, "Too many iterations"}
	case len(u.Salt) > saltBytesMax:
		return &Fault{kerr.UnacceptableCredential, fmt.Sprintf("The salt has more than %d bytes", saltBytesMax)}
	case len(u.SaltedPassword) == 0:
		return &Fault{Code: kerr.UnknownServerError} // as Kafka has it
	}
	return nil
}

// Result says what became of a user's change. Err is nil or a *Fault.
type Result struct {
	User string
	Err  error
}

var errTwice = &Fault{kerr.DuplicateResource, "A user credential cannot be altered twice in the same request"}

// plan sorts out which users are changed: those that are named once with what is valid. read tells a user's credentials.
func plan(deletions []Deletion, upsertions []Upsertion, read func(user string) (metadata.ScramUser, error)) (users map[string]metadata.ScramUser, faults map[string]error, err error) {
	users, faults = make(map[string]metadata.ScramUser), make(map[string]error)
	change := func(user string, valid error, apply func(map[string]metadata.ScramCredential) error) error {
		if _, refused := faults[user]; refused {
			return nil
		}
		if _, twice := users[user]; twice {
			faults[user] = errTwice
			delete(users, user)
			return nil
		}
		if valid != nil {
			faults[user] = valid
			return nil //nolint:nilerr // it is the answer of this user
		}
		old, err := read(user)
		if err != nil {
			return err
		}
		credentials := maps.Clone(old.Credentials)
		if credentials == nil {
			credentials = make(map[string]metadata.ScramCredential)
		}
		if err := apply(credentials); err != nil {
			faults[user] = err
			return nil //nolint:nilerr // as above
		}
		users[user] = metadata.ScramUser{Credentials: credentials}
		return nil
	}
	for _, d := range deletions {
		if err := change(d.User, checkNames(d.User, d.Mechanism), func(c map[string]metadata.ScramCredential) error {
			if _, ok := c[d.Mechanism.String()]; !ok {
				return &Fault{kerr.ResourceNotFound, "Attempt to delete a user credential that does not exist"}
			}
			delete(c, d.Mechanism.String())
			return nil
		}); err != nil {
			return nil, nil, err
		}
	}
	for i := range upsertions {
		u := &upsertions[i]
		if err := change(u.User, u.check(), func(c map[string]metadata.ScramCredential) error {
			c[u.Mechanism.String()] = derive(u)
			return nil
		}); err != nil {
			return nil, nil, err
		}
	}
	return users, faults, nil
}

// ErrTooMany means that one request changes more than ChangesMax users, or more than UsersMax would have credentials.
var ErrTooMany = errors.New("scram: too many users")

// Alter changes credentials: each user is named once, those whose change is valid are changed together, the others are not. count is how many users have
// credentials, about. An error other than those in the results means that nothing was changed, as far as is known.
func Alter(
	ctx context.Context, store metadata.Store, cluster string, count int, deletions []Deletion, upsertions []Upsertion,
) (results []Result, rev metadata.Revision, err error) {
	if len(deletions)+len(upsertions) > ChangesMax || count+len(upsertions) > UsersMax {
		return nil, 0, ErrTooMany
	}
	for range attemptsAtMost {
		given := make(map[string]metadata.Revision)
		users, faults, err := plan(deletions, upsertions, func(user string) (u metadata.ScramUser, err error) {
			kv, ok, err := store.Get(ctx, metadata.ScramKey(cluster, user))
			if err == nil && ok {
				u, err = metadata.Decode[metadata.ScramUser](kv)
			}
			given[user] = kv.Modified
			return u, err
		})
		if err != nil {
			return nil, 0, fmt.Errorf("scram: read credentials: %w", err)
		}
		var txn metadata.Txn
		results = nil
		for _, user := range slices.Sorted(maps.Keys(users)) {
			key := metadata.ScramKey(cluster, user)
			txn.If = append(txn.If, metadata.Cond{Key: key, Modified: given[user]})
			op := metadata.Put(key, metadata.Encode(users[user]))
			if len(users[user].Credentials) == 0 {
				op = metadata.Delete(key)
			}
			txn.Then = append(txn.Then, op)
			results = append(results, Result{User: user})
		}
		for _, user := range slices.Sorted(maps.Keys(faults)) {
			results = append(results, Result{user, faults[user]})
		}
		if len(txn.Then) == 0 {
			return results, 0, nil
		}
		rev, err = store.Commit(ctx, txn)
		if err == nil || !errors.Is(err, metadata.ErrConflict) {
			return results, rev, err
		}
	}
	return nil, 0, fmt.Errorf("scram: others changed the credentials %d times in a row: %w", attemptsAtMost, metadata.ErrUnavailable)
}
