package acl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"weir/metadata"
)

func topicACL(name string, pattern int8, principal string, operation, permission int8) metadata.ACL {
	return metadata.ACL{Resource: Topic, Name: name, Pattern: pattern, Principal: principal, Host: Wildcard, Operation: operation, Permission: permission}
}

func TestACLsAreValidated(t *testing.T) {
	for _, tt := range []struct {
		change func(a *metadata.ACL)
		want   string // of an Invalid, "" if it is none
		err    error
	}{
		{func(*metadata.ACL) {}, "", nil},
		{func(a *metadata.ACL) { a.Name = "" }, "Invalid empty resource name", nil},
		{func(a *metadata.ACL) { a.Resource = Cluster }, "The only valid name for the CLUSTER resource is kafka-cluster", nil},
		{func(a *metadata.ACL) { a.Resource, a.Name = Cluster, ClusterName }, "", nil},
		{func(a *metadata.ACL) { a.Principal = "foo" }, "Could not parse principal from `foo` (no colon is present separating the principal type from the principal name)", nil},
		{func(a *metadata.ACL) { a.Principal = ":" }, "", nil},
		{func(a *metadata.ACL) { a.Host = "" }, "Host pattern cannot be null or empty", nil},
		{func(a *metadata.ACL) { a.Resource = AnyResource }, "", ErrFilterOnly},
		{func(a *metadata.ACL) { a.Pattern = Match }, "", ErrFilterOnly},
		{func(a *metadata.ACL) { a.Operation = AnyOperation }, "", ErrFilterOnly},
		{func(a *metadata.ACL) { a.Operation = TwoPhaseCommit + 1 }, "Unknown type, operation or permission", nil},
		{func(a *metadata.ACL) { a.Permission = 0 }, "Unknown type, operation or permission", nil},
		{func(a *metadata.ACL) { a.Host = strings.Repeat("h", textBytesMax) }, "", ErrTooLong},
	} {
		a := topicACL("t", Literal, "User:a", Read, Allow)
		tt.change(&a)
		err := Validate(&a)
		if invalid, ok := errors.AsType[*Invalid](err); ok && invalid.Message == tt.want || !ok && tt.want == "" && errors.Is(err, tt.err) {
			continue
		}
		t.Errorf("%+v: got %v, want %q or %v", a, err, tt.want, tt.err)
	}
}

func TestFiltersSelectAsKafka(t *testing.T) {
	all := []metadata.ACL{
		topicACL("foo", Literal, "User:a", Read, Allow), topicACL("foo", Prefixed, "User:b", Write, Deny), topicACL("f", Prefixed, "User:a", All, Allow),
		topicACL("*", Literal, "User:*", Describe, Allow), topicACL("foobar", Literal, "User:a", Read, Allow),
		{Resource: Group, Name: "foo", Pattern: Literal, Principal: "User:a", Host: "10.0.0.1", Operation: Read, Permission: Allow},
	}
	text := func(s string) *string { return &s }
	base := Filter{Resource: AnyResource, Pattern: AnyPattern, Operation: AnyOperation, Permission: AnyPermission}
	for name, tt := range map[string]struct {
		change func(f *Filter)
		want   []int
	}{
		"all":       {func(*Filter) {}, []int{0, 1, 2, 3, 4, 5}},
		"type":      {func(f *Filter) { f.Resource = Group }, []int{5}},
		"name":      {func(f *Filter) { f.Name = text("foo") }, []int{0, 1, 5}},
		"literal":   {func(f *Filter) { f.Name, f.Pattern = text("foo"), Literal }, []int{0, 5}},
		"prefixed":  {func(f *Filter) { f.Pattern = Prefixed }, []int{1, 2}},
		"match":     {func(f *Filter) { f.Name, f.Pattern, f.Resource = text("foo"), Match, Topic }, []int{0, 1, 2, 3}},
		"match one": {func(f *Filter) { f.Name, f.Pattern, f.Resource = text("foobar"), Match, Topic }, []int{1, 2, 3, 4}},
		"match all": {func(f *Filter) { f.Pattern = Match }, []int{0, 1, 2, 3, 4, 5}},
		"principal": {func(f *Filter) { f.Principal = text("User:*") }, []int{3}},
		"host":      {func(f *Filter) { f.Host = text("10.0.0.1") }, []int{5}},
		"operation": {func(f *Filter) { f.Operation = All }, []int{2}},
		"deny":      {func(f *Filter) { f.Permission = Deny }, []int{1}},
		"empty":     {func(f *Filter) { f.Name = text("") }, nil},
	} {
		f := base
		tt.change(&f)
		if err := f.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []int
		for i := range all {
			if f.Matches(&all[i]) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	for _, f := range []Filter{{Resource: 0, Pattern: 1, Operation: 1, Permission: 1}, {Resource: 1, Pattern: 5, Operation: 1, Permission: 1}, {Resource: 1, Pattern: 1, Operation: 16, Permission: 1}, {Resource: 1, Pattern: 1, Operation: 1}} {
		if f.Validate() == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

func TestAuthorize(t *testing.T) {
	s := NewSet([]metadata.ACL{
		topicACL("foo", Literal, "User:a", Read, Allow),
		topicACL("fo", Prefixed, "User:b", Write, Allow),
		topicACL("foo-secret", Literal, "User:b", Write, Deny),
		topicACL("f", Prefixed, "User:c", All, Deny),
		topicACL("*", Literal, "User:c", Read, Allow),
		topicACL("cfg", Literal, "User:d", AlterConfigs, Allow),
		topicACL("cfg", Literal, "User:e", Read, Deny),
		{Resource: Group, Name: "g", Pattern: Literal, Principal: AnyUser, Host: "10.0.0.1", Operation: All, Permission: Allow},
	})
	for _, tt := range []struct {
		principal, host string
		operation       int8
		resource        int8
		name            string
		want            Decision
	}{
		{"User:a", "h", Read, Topic, "foo", Allowed},
		{"User:a", "h", Describe, Topic, "foo", Allowed}, // READ implies it
		{"User:a", "h", DescribeConfigs, Topic, "foo", Denied},
		{"User:a", "h", Write, Topic, "foo", Denied},
		{"User:b", "h", Write, Topic, "fobar", Allowed},
		{"User:b", "h", Write, Topic, "fo", Allowed},
		{"User:b", "h", Write, Topic, "foo-secret", Denied},
		{"User:c", "h", Read, Topic, "foo", Denied}, // by the prefix f, whatever the wildcard allows
		{"User:c", "h", Read, Topic, "bar", Allowed},
		{"User:d", "h", DescribeConfigs, Topic, "cfg", Allowed},
		{"User:e", "h", Describe, Topic, "cfg", Denied}, // no rule allows it; a denied READ does not deny it
		{"User:a", "10.0.0.1", Read, Group, "g", Allowed},
		{"User:a", "10.0.0.2", Read, Group, "g", Denied},
		{"User:a", "h", Read, Group, "other", NoACL},
		{"User:a", "h", Create, Cluster, ClusterName, NoACL},
	} {
		if got := s.Authorize(Action{tt.principal, tt.host, tt.operation, tt.resource, tt.name}); got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
}

func TestStore(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	a, b := topicACL("a", Literal, "User:a", Read, Allow), topicACL("b", Literal, "User:a", Read, Allow)
	if _, err := Add(t.Context(), store, "c", 0, []metadata.ACL{a, b, a}); err != nil {
		t.Fatal(err)
	}
	if _, err := Add(t.Context(), store, "c", 2, []metadata.ACL{a}); err != nil {
		t.Fatal(err)
	}
	if _, err := Add(t.Context(), store, "c", CountMax, []metadata.ACL{a}); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
	all, err := List(t.Context(), store, "c")
	slices.SortFunc(all, Compare)
	if err != nil || !slices.Equal(all, []metadata.ACL{b, a}) {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := Remove(t.Context(), store, "c", []metadata.ACL{a, a, b}); err != nil {
		t.Fatal(err)
	}
	if all, err := List(t.Context(), store, "c"); err != nil || len(all) != 0 {
		t.Errorf("after: %v, %v", all, err)
	}
}
