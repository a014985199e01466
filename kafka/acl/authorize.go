package acl

import (
	"slices"
	"strings"

	"weir/metadata"
)

// Set is ACLs arranged for decisions. It is never modified.
type Set struct {
	literal  map[resource][]metadata.ACL
	prefixed map[int8][]metadata.ACL // by type of resource, sorted by name
}

type resource struct {
	kind int8
	name string
}

// NewSet arranges ACLs.
func NewSet(all []metadata.ACL) *Set {
	s := &Set{literal: make(map[resource][]metadata.ACL), prefixed: make(map[int8][]metadata.ACL)}
	for _, a := range all {
		if a.Pattern == Prefixed {
			s.prefixed[a.Resource] = append(s.prefixed[a.Resource], a)
		} else {
			r := resource{a.Resource, a.Name}
			s.literal[r] = append(s.literal[r], a)
		}
	}
	for _, p := range s.prefixed {
		slices.SortFunc(p, func(a, b metadata.ACL) int { return strings.Compare(a.Name, b.Name) })
	}
	return s
}

// Action is what a client wants to do.
type Action struct {
	Principal string // such as User:alice
	Host      string // address
	Operation int8
	Resource  int8 // type
	Name      string
}

// Decision is what the ACLs say of an action.
type Decision int

// NoACL means that no ACL is about the resource at all: allow.everyone.if.no.acl.found decides.
const (
	Denied Decision = iota
	Allowed
	NoACL
)

// Authorize decides about an action, as StandardAuthorizer does for those who are no super users.
func (s *Set) Authorize(action Action) Decision {
	found, allowed := false, false
	look := func(acls []metadata.ACL) (denied bool) {
		for i := range acls {
			found = true
			if applies(&acls[i], &action) {
				if acls[i].Permission == Deny {
					return true
				}
				allowed = true
			}
		}
		return false
	}
	if look(s.literal[resource{action.Resource, action.Name}]) {
		return Denied
	}
	if action.Name != Wildcard && look(s.literal[resource{action.Resource, Wildcard}]) {
		return Denied
	}
	prefixed := s.prefixed[action.Resource]
	for n := range len(action.Name) + 1 {
		at, ok := slices.BinarySearchFunc(prefixed, action.Name[:n], func(a metadata.ACL, name string) int { return strings.Compare(a.Name, name) })
		if !ok {
			if at == len(prefixed) || !strings.HasPrefix(prefixed[at].Name, action.Name[:n]) {
				break // no name begins so
			}
			continue
		}
		end := at
		for end < len(prefixed) && prefixed[end].Name == action.Name[:n] {
			end++
		}
		if look(prefixed[at:end]) {
			return Denied
		}
	}
	switch {
	case allowed:
		return Allowed
	case !found:
		return NoACL
	}
	return Denied
}

// applies tells whether an ACL of the action's resource is about it.
func applies(a *metadata.ACL, action *Action) bool {
	if a.Principal != action.Principal && a.Principal != AnyUser || a.Host != Wildcard && a.Host != action.Host {
		return false
	}
	if a.Operation == All || a.Operation == action.Operation {
		return true
	}
	if a.Permission != Allow {
		return false
	}
	switch action.Operation {
	case Describe:
		return a.Operation == Read || a.Operation == Write || a.Operation == Delete || a.Operation == Alter
	case DescribeConfigs:
		return a.Operation == AlterConfigs
	}
	return false
}
