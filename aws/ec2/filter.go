package ec2

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	gen "weir/awsapi/gen/ec2"
)

// Filters, as EC2 has them: an item passes if every filter has a value that matches. In a value, * stands for any text and ? for any one
// character, unless a backslash is before it. An item may have several values for one filter, of which one must match.

func checkFilters(filters []gen.Filter, known []string) error {
	for _, f := range filters {
		switch {
		case f.Name == nil || *f.Name == "":
			return fault("MissingParameter", "The request must contain the parameter Filter.Name")
		case !slices.Contains(known, *f.Name) && !tagFilter(*f.Name):
			return fault("InvalidParameterValue", "The filter '%s' is invalid", *f.Name)
		case len(f.Values) == 0:
			return fault("InvalidParameterValue", "The filter '%s' has no values", *f.Name)
		}
	}
	return nil
}

func tagFilter(name string) bool {
	return name == "tag-key" || name == "tag-value" || strings.HasPrefix(name, "tag:")
}

// passes tells whether an item passes all filters.
func passes[T any](it *item[T], filters []gen.Filter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(it.valuesOf(*f.Name), func(v string) bool {
			return slices.ContainsFunc(f.Values, func(pattern string) bool { return matches(pattern, v) })
		}) {
			return false
		}
	}
	return true
}

// valuesOf are the item's values for the filter of that name.
func (it *item[T]) valuesOf(filter string) []string {
	if vs, ok := it.values[filter]; ok {
		return vs
	}
	switch key, ok := strings.CutPrefix(filter, "tag:"); {
	case ok:
		if v, ok := it.tags[key]; ok {
			return []string{v}
		}
	case filter == "tag-key":
		return slices.Collect(maps.Keys(it.tags))
	case filter == "tag-value":
		return slices.Collect(maps.Values(it.tags))
	}
	return nil
}

// matches tells whether text matches the pattern. On a mismatch after a * it only ever goes back to the last one, which is enough, so
// that no pattern takes more than len(pattern) times len(text) steps.
func matches(pattern, text string) bool {
	p, t := 0, 0
	star, resume := -1, 0 // after the last *, and where the text it stands for ends
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			p++
			star, resume = p, t
			continue
		case p < len(pattern) && pattern[p] == '?':
			p++
			t++
			continue
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == text[t]:
			p += 2
			t++
			continue
		case p < len(pattern) && pattern[p] == text[t] && pattern[p] != '\\':
			p++
			t++
			continue
		}
		if star < 0 {
			return false
		}
		resume++
		p, t = star, resume
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// page returns the items of one page, in order of id, and the token for the next.
func page[T any](items []item[T], maxResults *int32, token *string) ([]item[T], *string, error) {
	slices.SortFunc(items, func(a, b item[T]) int { return strings.Compare(a.id, b.id) })
	if token != nil && *token != "" {
		after, err := base64.RawURLEncoding.DecodeString(*token)
		id, ours := strings.CutPrefix(string(after), tokenMark)
		if err != nil || !ours {
			return nil, nil, fault("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")
		}
		items = slices.DeleteFunc(items, func(it item[T]) bool { return it.id <= id })
	}
	if maxResults == nil || len(items) <= int(*maxResults) {
		return items, nil, nil
	}
	items = items[:*maxResults]
	return items, new(base64.RawURLEncoding.EncodeToString([]byte(tokenMark + items[len(items)-1].id))), nil
}

// tokenMark tells our tokens from other base64.
const tokenMark = "after:"
