// Package acl holds access control lists as Kafka's StandardAuthorizer knows them: what a valid one is, filters over them, the rule that decides about an
// operation, and their place in the metadata store.
//
// Nothing asks Authorize yet: enforcement comes with authentication. Until then every client may do everything, as in a Kafka cluster that has
// no ACLs and allow.everyone.if.no.acl.found.
//
// Non-obvious:
//
//   - The wildcard resource "*" is a literal name that matches everything; "*" with a prefixed pattern matches names that begin with an asterisk.
//   - Deny wins over allow wherever it stands. READ, WRITE, DELETE and ALTER imply DESCRIBE, and ALTER_CONFIGS implies DESCRIBE_CONFIGS, only where they allow.
//   - Each ACL has a key of its own, named by what it says, so that creating one twice is the same as once.
package acl

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"weir/metadata"
)

// Types of resources.
const (
	AnyResource     int8 = 1
	Topic           int8 = 2
	Group           int8 = 3
	Cluster         int8 = 4
	TransactionalID int8 = 5
	DelegationToken int8 = 6
	User            int8 = 7
)

// Types of patterns. Match and AnyPattern are for filters only.
const (
	AnyPattern int8 = 1
	Match      int8 = 2
	Literal    int8 = 3
	Prefixed   int8 = 4
)

// Operations.
const (
	AnyOperation    int8 = 1
	All             int8 = 2
	Read            int8 = 3
	Write           int8 = 4
	Create          int8 = 5
	Delete          int8 = 6
	Alter           int8 = 7
	Describe        int8 = 8
	ClusterAction   int8 = 9
	DescribeConfigs int8 = 10
	AlterConfigs    int8 = 11
	IdempotentWrite int8 = 12
	CreateTokens    int8 = 13
	DescribeTokens  int8 = 14
	TwoPhaseCommit  int8 = 15
)

// Permissions.
const (
	AnyPermission int8 = 1
	Deny          int8 = 2
	Allow         int8 = 3
)

// Wildcard is the name of all resources, and the host of all hosts.
const Wildcard = "*"

// AnyUser is the principal of all users.
const AnyUser = "User:*"

// ClusterName is the only name of the cluster as a resource.
const ClusterName = "kafka-cluster"

// textBytesMax bounds name, principal and host of an ACL together.
const textBytesMax = 4_096

var (
	// ErrFilterOnly means that a type, an operation or a permission is one that only filters can have.
	ErrFilterOnly = errors.New("acl: a type, operation or permission for filters only")
	// ErrTooLong means that the texts of an ACL are longer than is kept.
	ErrTooLong = fmt.Errorf("An ACL's resource name, principal and host have at most %d bytes together.", textBytesMax) //nolint:staticcheck // sent to clients
)

// Invalid is an ACL that says nothing sensible: INVALID_REQUEST with Kafka's message.
type Invalid struct{ Message string }

func (e *Invalid) Error() string { return e.Message }

// Validate checks a new ACL: the error is an *Invalid, ErrFilterOnly or ErrTooLong.
func Validate(a *metadata.ACL) error {
	switch {
	case a.Resource == Cluster && a.Name != ClusterName:
		return &Invalid{"The only valid name for the CLUSTER resource is " + ClusterName}
	case a.Name == "":
		return &Invalid{"Invalid empty resource name"}
	case a.Resource == AnyResource, a.Pattern == AnyPattern, a.Pattern == Match, a.Operation == AnyOperation, a.Permission == AnyPermission:
		return ErrFilterOnly
	case a.Resource < Topic || a.Resource > User, a.Pattern < Literal || a.Pattern > Prefixed,
		a.Operation < All || a.Operation > TwoPhaseCommit, a.Permission < Deny || a.Permission > Allow:
		return &Invalid{"Unknown type, operation or permission"}
	case !strings.Contains(a.Principal, ":"):
		return &Invalid{"Could not parse principal from `" + a.Principal + "` (no colon is present separating the principal type from the principal name)"}
	case a.Host == "":
		return &Invalid{"Host pattern cannot be null or empty"}
	case len(a.Name)+len(a.Principal)+len(a.Host) > textBytesMax:
		return ErrTooLong
	}
	return nil
}

// Compare orders ACLs by resource, the longer names before their prefixes, and then by what they say.
func Compare(a, b metadata.ACL) int {
	return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(b.Name, a.Name), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Principal, b.Principal),
		cmp.Compare(a.Host, b.Host), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Permission, b.Permission))
}

// ID names an ACL by what it says.
func ID(a *metadata.ACL) string {
	sum := sha256.Sum256(metadata.Encode(a))
	return hex.EncodeToString(sum[:16])
}
