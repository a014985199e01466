package kms

import (
	"encoding/base64"
	"slices"
	"strings"

	gen "weir/awsapi/gen/kms"
)

// pageDefault is the size of a page when the caller does not say.
const pageDefault = 100

// page sorts items by key, which must be unique, and returns those of one page with the marker of the next, nil after the last.
func page[T any](items []T, key func(*T) string, limit *int32, marker *string) (out []T, next *string, truncated *bool, err error) {
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(&a), key(&b)) })
	if marker != nil {
		after, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, nil, &gen.InvalidMarkerException{Message: "The marker is not one that this operation returned."}
		}
		items = slices.DeleteFunc(items, func(v T) bool { return key(&v) <= string(after) })
	}
	size := pageDefault
	if limit != nil {
		size = int(*limit)
	}
	if len(items) <= size {
		return append([]T{}, items...), nil, new(false), nil
	}
	items = items[:size]
	return items, new(base64.RawURLEncoding.EncodeToString([]byte(key(&items[size-1])))), new(true), nil
}
