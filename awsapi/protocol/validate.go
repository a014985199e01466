package protocol

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Violation is a constraint of the model that an input breaks.
type Violation struct {
	Path    string // wire names joined by dots; list elements counted from 1
	Missing bool
	Enum    bool
	Value   string // as text, shortened; withheld when sensitive
	Secret  bool
	Must    string // "have length greater than or equal to 1": follows the word "must"
}

// violationsMax bounds the list: an input with more is as wrong.
const violationsMax = 20

// Validate checks in, a pointer to a generated struct, against the model and returns what is wrong, in the model's order.
func (c *Codec) Validate(in any) []Violation {
	w := validator{Codec: c}
	w.structure("", reflect.ValueOf(in).Elem())
	return w.found
}

type validator struct {
	*Codec
	found []Violation
}

func (w *validator) add(v Violation) {
	if len(w.found) < violationsMax {
		w.found = append(w.found, v)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (w *validator) structure(path string, v reflect.Value) {
	for _, f := range w.plan(v.Type()).fields {
		p := join(path, f.wire)
		fv, ok := f.node.present(v.Field(f.index))
		if !ok {
			if f.node.rules.required {
				w.add(Violation{Path: p, Missing: true, Must: "not be null"})
			}
			continue
		}
		w.value(p, f.node, fv)
	}
}

func (w *validator) value(path string, n *node, v reflect.Value) {
	switch n.kind {
	case kindStruct:
		w.structure(path, v)
	case kindList:
		w.length(path, n, v, v.Len())
		for i := range v.Len() {
			w.value(join(path, strconv.Itoa(i+1)), n.elem, v.Index(i))
		}
	case kindMap:
		w.length(path, n, v, v.Len())
		for _, k := range sortedKeys(v) {
			p := join(path, short(k.String()))
			w.value(p, n.key, k)
			w.value(p, n.elem, v.MapIndex(k))
		}
	case kindBlob:
		w.length(path, n, v, v.Len())
	case kindString:
		s := v.String()
		w.length(path, n, v, utf8.RuneCountInString(s))
		if r := n.rules; r.regexp != nil && !r.regexp().MatchString(s) {
			w.broken(path, n, v, "satisfy regular expression pattern: "+r.pattern)
		}
	case kindEnum:
		if !slices.Contains(n.enum, v.String()) {
			w.add(Violation{
				Path: path, Enum: true, Value: short(v.String()),
				Must: "satisfy enum value set: [" + strings.Join(n.enum, ", ") + "]",
			})
		}
	case kindInt:
		w.bounds(path, n, v, float64(v.Int()))
	case kindFloat:
		w.bounds(path, n, v, v.Float())
	case kindBool, kindTime: // models do not constrain them
	}
}

func (w *validator) length(path string, n *node, v reflect.Value, got int) {
	if float64(got) < n.rules.min {
		w.broken(path, n, v, "have length greater than or equal to "+floatBound(n.rules.min))
	}
	if float64(got) > n.rules.max {
		w.broken(path, n, v, "have length less than or equal to "+floatBound(n.rules.max))
	}
}

func (w *validator) bounds(path string, n *node, v reflect.Value, got float64) {
	if got < n.rules.min || math.IsNaN(got) && !math.IsInf(n.rules.min, -1) {
		w.broken(path, n, v, "have value greater than or equal to "+floatBound(n.rules.min))
	}
	if got > n.rules.max {
		w.broken(path, n, v, "have value less than or equal to "+floatBound(n.rules.max))
	}
}

func (w *validator) broken(path string, n *node, v reflect.Value, must string) {
	x := Violation{Path: path, Must: must, Secret: n.rules.sensitive}
	switch {
	case x.Secret || n.kind == kindBlob:
		x.Secret = true
	case n.kind == kindList || n.kind == kindMap:
		x.Value = fmt.Sprintf("%d elements", v.Len())
	default:
		x.Value = short(text(n, v, "iso8601"))
	}
	w.add(x)
}

func floatBound(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
