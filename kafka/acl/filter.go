package acl

import (
	"strings"

	"weir/metadata"
)

// Filter selects ACLs. A text that is nil, and a number that is "any", selects all.
type Filter struct {
	Resource, Pattern     int8
	Name, Principal, Host *string
	Operation, Permission int8
}

// Validate refuses a filter with unknown types, operations or permissions: the error is an *Invalid.
func (f *Filter) Validate() error {
	if f.Resource < AnyResource || f.Resource > User || f.Pattern < AnyPattern || f.Pattern > Prefixed {
		return &Invalid{"Unknown patternFilter."}
	}
	if f.Operation < AnyOperation || f.Operation > TwoPhaseCommit || f.Permission < AnyPermission || f.Permission > Allow {
		return &Invalid{"Unknown entryFilter."}
	}
	return nil
}

// Matches tells whether the filter selects a.
func (f *Filter) Matches(a *metadata.ACL) bool {
	return (f.Resource == AnyResource || f.Resource == a.Resource) && f.matchesName(a) &&
		(f.Principal == nil || *f.Principal == a.Principal) && (f.Host == nil || *f.Host == a.Host) &&
		(f.Operation == AnyOperation || f.Operation == a.Operation) && (f.Permission == AnyPermission || f.Permission == a.Permission)
}

// matchesName compares patterns. Match selects what would decide about a resource of the filter's name.
func (f *Filter) matchesName(a *metadata.ACL) bool {
	switch {
	case f.Pattern != AnyPattern && f.Pattern != Match && f.Pattern != a.Pattern:
		return false
	case f.Name == nil:
		return true
	case f.Pattern != Match:
		return *f.Name == a.Name
	case a.Pattern == Prefixed:
		return strings.HasPrefix(*f.Name, a.Name)
	}
	return *f.Name == a.Name || a.Name == Wildcard
}
