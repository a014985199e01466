package terraform

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A schema says how a resource's attributes are compared. Paths name blocks without their position: a.b.c.
type schema struct {
	computed []string // set by the server, unless configured
	optional []string // blocks that need not be configured although the server shows them
	sets     []string // lists of strings without an order
	json     []string // JSON documents
	replace  []string // a change makes the resource anew
	unknown  []string // an import cannot tell what of it was configured
	defaults object   // of what is not configured
}

// A difference is an attribute that is not as configured.
type difference struct {
	path       string
	have, want any
}

func (d difference) String() string { return fmt.Sprintf("%s: %v -> %v", d.path, d.have, d.want) }

// diff compares a resource's configuration with its state.
func (s schema) diff(want, have object) []difference { return s.walk("", want, have) }

func (s schema) walk(prefix string, want, have object) []difference {
	var out []difference
	keys := slices.Sorted(maps.Keys(want))
	for k := range have {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		path := strings.TrimPrefix(prefix+"."+k, ".")
		w, configured := want[k]
		h := have[k]
		if !configured {
			if slices.Contains(s.computed, path) || slices.Contains(s.optional, path) {
				continue
			}
			var hasDefault bool
			if w, hasDefault = s.defaults[path]; !hasDefault && empty(h) {
				continue
			}
		}
		out = append(out, s.compare(path, w, h)...)
	}
	return out
}

func (s schema) compare(path string, want, have any) []difference {
	ws, wBlocks := blocks(want)
	hs, hBlocks := blocks(have)
	if wBlocks && hBlocks && len(ws) == len(hs) {
		var out []difference
		for i := range ws {
			out = append(out, s.walk(path, ws[i], hs[i])...)
		}
		return out
	}
	same := reflect.DeepEqual(want, have) || empty(want) && empty(have)
	switch {
	case slices.Contains(s.sets, path):
		same = slices.Equal(slices.Sorted(slices.Values(texts(want))), slices.Sorted(slices.Values(texts(have))))
	case slices.Contains(s.json, path):
		same = sameJSON(want, have)
	}
	if same {
		return nil
	}
	return []difference{{path, have, want}}
}

// blocks are the objects of a list of blocks.
func blocks(v any) ([]object, bool) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	var out []object
	for _, e := range list {
		o, ok := e.(object)
		if !ok {
			return nil, false
		}
		out = append(out, o)
	}
	return out, true
}

// empty says that a value is what Terraform does not tell from one that is not there. A list of one empty block is not.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case object:
		return len(v) == 0
	default:
		return false
	}
}

func sameJSON(a, b any) bool {
	var x, y any
	at, aOK := a.(string)
	bt, bOK := b.(string)
	return aOK && bOK && json.Unmarshal([]byte(at), &x) == nil && json.Unmarshal([]byte(bt), &y) == nil && reflect.DeepEqual(x, y)
}

// under says whether one of the differences is at the path or below it.
func under(differences []difference, paths ...string) bool {
	return slices.ContainsFunc(differences, func(d difference) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return d.path == p || strings.HasPrefix(d.path, p+".") })
	})
}

// plain is a state as JSON sees it, so that numbers and strings of all types compare.
func plain(v object) object {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of maps, lists and scalars
	}
	var out object
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}

// block is the only block of its name; nil without one.
func block(o object, name string) object {
	if list, ok := blocks(o[name]); ok {
		return list[0]
	}
	return nil
}

func text(o object, name string) *string {
	if v, ok := o[name].(string); ok {
		return &v
	}
	return nil
}

func number(o object, name string) *int32 {
	if v, ok := o[name].(float64); ok {
		n := int32(v)
		return &n
	}
	return nil
}

// flag is a boolean of a block, which the provider sends also where it is not configured.
func flag(o object, name string) *bool {
	v, _ := o[name].(bool)
	return &v
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// tags are nil where there are none: the provider sends no empty ones.
func tags(o object) map[string]string {
	m, _ := o["tags"].(object)
	if len(m) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}
