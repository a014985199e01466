package autoscaling

import (
	"encoding/base64"
	"slices"
	"strings"

	gen "weir/awsapi/gen/applicationautoscaling"
)

// Sizes of pages, as the service has them.
const pageMax = 50

// page sorts items by key, which must be unique, and returns those of one page with the token of the next, nil after the last.
func page[T any](items []T, key func(*T) string, limit *int32, token *string) ([]T, *string, error) {
	size := pageMax
	if limit != nil {
		if *limit < 1 || *limit > pageMax {
			return nil, nil, invalid("MaxResults must be between 1 and %d.", pageMax)
		}
		size = int(*limit)
	}
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(&a), key(&b)) })
	if token != nil {
		after, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, &gen.InvalidNextTokenException{Message: "The next token is not one that this operation returned."}
		}
		items = slices.DeleteFunc(items, func(v T) bool { return key(&v) <= string(after) })
	}
	if len(items) <= size {
		return append([]T{}, items...), nil, nil // an empty list is shown as such
	}
	items = items[:size]
	return items, new(base64.RawURLEncoding.EncodeToString([]byte(key(&items[size-1])))), nil
}
