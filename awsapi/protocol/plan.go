package protocol

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/awsapi"
)

// Codec holds what was learned of the generated types. The zero value is ready; it is safe for concurrent use.
type Codec struct {
	structs sync.Map // reflect.Type -> *structPlan
}

type kind uint8

const (
	kindString kind = iota
	kindEnum
	kindBool
	kindInt // int32 and int64
	kindFloat
	kindTime
	kindBlob
	kindStruct
	kindList
	kindMap
)

// structPlan is a structure as the codec sees it.
type structPlan struct {
	fields []field
	byWire map[string]*field
}

type field struct {
	index int
	name  string // in Go, which is the model's with a capital
	wire  string
	in    string // "", "uri" or "query"
	node  *node
}

// node is one use of a type: what it is and what is demanded of it there.
type node struct {
	kind  kind
	typ   reflect.Type // without the pointer
	ptr   bool
	rules rules
	elem  *node    // of a list, or a map's values
	key   *node    // of a map
	enum  []string // values of an enumeration
}

type rules struct {
	required, sensitive bool
	min, max            float64 // -Inf and +Inf when unbounded
	timeFormat          string  // "", "iso8601", "unixTimestamp", "rfc822"
	item                string  // element name of a list, "member" unless the model names one
	pattern             string
	regexp              func() *regexp.Regexp
}

// plan returns the plan of a struct type. It panics for a type that codegen cannot have written.
func (c *Codec) plan(t reflect.Type) *structPlan {
	if known, ok := c.structs.Load(t); ok {
		p, _ := known.(*structPlan)
		return p
	}
	p := &structPlan{byWire: make(map[string]*field, t.NumField()), fields: make([]field, t.NumField())}
	for i := range t.NumField() {
		f := t.Field(i)
		p.fields[i] = field{index: i, name: f.Name, wire: f.Name, in: f.Tag.Get("in"), node: newNode(f.Type, f.Tag, "is", "")}
		if w := f.Tag.Get("wire"); w != "" {
			p.fields[i].wire = w
		}
		p.byWire[p.fields[i].wire] = &p.fields[i]
	}
	c.structs.Store(t, p) // two who build it at once build the same
	return p
}

// newNode describes a use of type t, whose words are in the tag under key; the keys of what is inside t begin with prefix.
func newNode(t reflect.Type, tag reflect.StructTag, key, prefix string) *node {
	n := &node{rules: parseRules(tag.Get(key))}
	if t.Kind() == reflect.Pointer {
		t, n.ptr = t.Elem(), true
	}
	n.typ = t
	switch {
	case t == reflect.TypeFor[time.Time]():
		n.kind = kindTime
	case t == reflect.TypeFor[[]byte]():
		n.kind = kindBlob
	case t.Kind() == reflect.Slice:
		n.kind = kindList
		n.elem = newNode(t.Elem(), tag, prefix+"each", prefix+"each.")
	case t.Kind() == reflect.Map:
		n.kind = kindMap
		n.key = newNode(t.Key(), tag, prefix+"key", prefix+"key.")
		n.elem = newNode(t.Elem(), tag, prefix+"each", prefix+"each.")
	case t.Kind() == reflect.Struct:
		n.kind = kindStruct
	case t.Kind() == reflect.Bool:
		n.kind = kindBool
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		n.kind = kindInt
	case t.Kind() == reflect.Float64, t.Kind() == reflect.Float32:
		n.kind = kindFloat
	case t.Kind() == reflect.String:
		n.kind = kindString
		if e, ok := reflect.TypeAssert[awsapi.Enum](reflect.Zero(t)); ok {
			n.kind, n.enum = kindEnum, e.EnumValues()
		}
	default:
		panic(fmt.Sprintf("protocol: %s is not a type of the generated packages", t))
	}
	if n.rules.sensitive { // so is what is inside
		for _, inner := range []*node{n.elem, n.key} {
			if inner != nil {
				inner.rules.sensitive = true
			}
		}
	}
	return n
}

func parseRules(words string) rules {
	r := rules{min: math.Inf(-1), max: math.Inf(1), item: "member"}
	for words != "" {
		var word string
		if p, ok := strings.CutPrefix(words, "pattern="); ok {
			r.pattern = p
			// The model's patterns mean the whole value.
			r.regexp = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?s:` + p + `)$`) })
			break
		}
		word, words, _ = strings.Cut(words, " ")
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "required":
			r.required = true
		case "sensitive":
			r.sensitive = true
		case "token":
		case "min":
			r.min = bound(value)
		case "max":
			r.max = bound(value)
		case "item":
			r.item = value
		case "time":
			r.timeFormat = value
		default:
			panic("protocol: unknown word " + word + " in a struct tag")
		}
	}
	return r
}

func bound(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("protocol: bound " + s + " in a struct tag")
	}
	return f
}

// settable returns the value to write a scalar of n into, allocating the pointer that v is.
func (n *node) settable(v reflect.Value) reflect.Value {
	if !n.ptr {
		return v
	}
	v.Set(reflect.New(n.typ))
	return v.Elem()
}

// present returns the value that v, a use of n, holds, and whether there is one.
func (n *node) present(v reflect.Value) (reflect.Value, bool) {
	switch {
	case n.ptr:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case n.kind == kindList, n.kind == kindMap, n.kind == kindBlob:
		return v, !v.IsNil()
	case n.kind == kindEnum:
		return v, v.Len() > 0
	}
	return v, true
}

// Error says which part of a request could not be decoded.
type Error struct {
	Path   string // wire names joined by dots; empty when the whole is meant
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// at puts a path element in front of an Error on its way up.
func at(element string, err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // only this package's own, unwrapped
		element = short(element) // keys of maps are the client's
		if e.Path == "" {
			e.Path = element
		} else {
			e.Path = element + "." + e.Path
		}
	}
	return err
}

func refuse(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }
