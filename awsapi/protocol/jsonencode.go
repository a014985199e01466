package protocol

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AppendJSON appends out, a pointer to a generated struct, as a JSON object. timeFormat is the protocol's for timestamps whose member names
// none: "unixTimestamp" or "iso8601".
func (c *Codec) AppendJSON(b []byte, out any, timeFormat string) []byte {
	e := jsonEncoder{Codec: c, timeFormat: timeFormat}
	return e.object(b, reflect.ValueOf(out).Elem())
}

type jsonEncoder struct {
	*Codec
	timeFormat string
}

func (e *jsonEncoder) object(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for _, f := range e.plan(v.Type()).fields {
		fv, ok := f.node.present(v.Field(f.index))
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendJSONString(b, f.wire)
		b = append(b, ':')
		b = e.value(b, f.node, fv)
	}
	return append(b, '}')
}

// value appends v, which is present and without its pointer.
func (e *jsonEncoder) value(b []byte, n *node, v reflect.Value) []byte {
	switch n.kind {
	case kindString, kindEnum:
		return appendJSONString(b, v.String())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return appendJSONString(b, floatText(f))
		}
		return append(b, floatText(v.Float())...)
	case kindTime:
		t, _ := reflect.TypeAssert[time.Time](v)
		format := n.rules.timeFormat
		if format == "" {
			format = e.timeFormat
		}
		if format == "unixTimestamp" {
			return append(b, formatEpoch(t)...)
		}
		return appendJSONString(b, formatISO8601(t))
	case kindBlob:
		return appendJSONString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	case kindStruct:
		return e.object(b, v)
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.value(b, n.elem, v.Index(i))
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSONString(b, k.String())
			b = append(b, ':')
			b = e.value(b, n.elem, v.MapIndex(k))
		}
		return append(b, '}')
	}
	return b
}

// sortedKeys makes answers reproducible.
func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// floatText writes whole doubles with a fraction, as the services do: brokerId 1.0.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func appendJSONString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	q, err := json.Marshal(s) // replaces invalid UTF-8; a string cannot fail
	if err != nil {
		panic(err)
	}
	return append(b, q...)
}
