package kafka

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// pageDefault is the size of a page when the caller does not say.
const pageDefault = 100

// pageToken is what a nextToken holds: which listing it continues, and the key of the last item that was returned. A page that starts
// after a key stays right when items come and go in between.
type pageToken struct {
	Listing string `json:"l"`
	After   string `json:"a"`
}

// page sorts items by key, which must be unique, and returns those of one page with the token for the next, nil after the last.
// listing names the operation and what it lists, so that a token of another call is refused.
func page[T any](listing string, items []T, key func(*T) string, maxResults *int32, token *string) ([]T, *string, error) {
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(&a), key(&b)) })
	if token != nil && *token != "" {
		t, ok := parseToken(*token)
		if !ok || t.Listing != listing {
			return nil, nil, badRequest("nextToken", "The value of nextToken is not one that this operation returned.")
		}
		items = slices.DeleteFunc(items, func(v T) bool { return key(&v) <= t.After })
	}
	size := pageDefault
	if maxResults != nil {
		size = int(*maxResults)
	}
	if len(items) <= size {
		return append([]T{}, items...), nil, nil // an empty list is shown as such
	}
	items = items[:size]
	b, err := json.Marshal(pageToken{listing, key(&items[size-1])})
	if err != nil {
		return nil, nil, err
	}
	return items, new(base64.RawURLEncoding.EncodeToString(b)), nil
}

func parseToken(text string) (t pageToken, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return t, false
	}
	return t, json.Unmarshal(b, &t) == nil
}
