package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// nestingMax bounds the depth of JSON values and of dotted query names. No model comes near it.
const nestingMax = 32

// DecodeJSON fills in, a pointer to a generated struct, from a JSON object. Members that travel outside the body are left alone.
// An empty body stands for an empty object, as clients send none for inputs without members. Errors are *Error.
func (c *Codec) DecodeJSON(body []byte, in any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return refuse("%v", err)
	}
	if t != json.Delim('{') {
		return refuse("the body is %s, an object is expected", describe(t))
	}
	v := reflect.ValueOf(in).Elem()
	j := jsonDecoder{Codec: c, d: d, depth: 1}
	return j.object(v, true)
}

// checkJSON refuses malformed text, anything but one value, and nesting beyond nestingMax, before anything is built from it.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return refuse("the body is not valid UTF-8")
	}
	depth, inString, escaped := 0, false, false
	for i, b := range body {
		switch {
		case inString:
			switch {
			case escaped:
				escaped = false
			case b == '\\':
				escaped = true
			case b == '"':
				inString = false
			}
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > nestingMax {
				return refuse("the JSON at byte %d is nested deeper than %d levels", i, nestingMax)
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	var whole json.RawMessage
	err := json.Unmarshal(body, &whole)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return refuse("malformed JSON at byte %d: %s", syntax.Offset, syntax.Error())
	}
	if err != nil {
		return refuse("malformed JSON: %v", err)
	}
	return nil
}

type jsonDecoder struct {
	*Codec
	d     *json.Decoder
	depth int
}

// object reads members up to the closing brace. At the top level members that travel outside the body are unknown ones.
func (j *jsonDecoder) object(v reflect.Value, top bool) error {
	p := j.plan(v.Type())
	seen := make([]bool, len(p.fields))
	for j.d.More() {
		name, err := j.name()
		if err != nil {
			return err
		}
		f := p.byWire[name]
		if f == nil || top && f.in != "" {
			if err := j.skip(); err != nil {
				return err
			}
			continue
		}
		if seen[f.index] {
			return at(name, refuse("the member is given twice"))
		}
		seen[f.index] = true
		if err := j.value(f.node, v.Field(f.index), true); err != nil {
			return at(name, err)
		}
	}
	return j.end()
}

func (j *jsonDecoder) name() (string, error) {
	t, err := j.d.Token()
	if err != nil {
		return "", refuse("%v", err)
	}
	s, ok := t.(string)
	if !ok {
		return "", refuse("a member name is expected")
	}
	return s, nil
}

func (j *jsonDecoder) end() error {
	if _, err := j.d.Token(); err != nil {
		return refuse("%v", err)
	}
	return nil
}

func (j *jsonDecoder) skip() error {
	var raw json.RawMessage
	if err := j.d.Decode(&raw); err != nil {
		return refuse("%v", err)
	}
	return nil
}

// value reads one value of n into v. null is an absent member, and refused inside lists and maps.
func (j *jsonDecoder) value(n *node, v reflect.Value, member bool) error {
	t, err := j.d.Token()
	if errors.Is(err, io.EOF) || err != nil {
		return refuse("%v", err)
	}
	if t == nil {
		if !member {
			return refuse("null is not allowed here")
		}
		return nil
	}
	switch n.kind {
	case kindStruct:
		if t != json.Delim('{') {
			return refuse("an object is expected, not %s", describe(t))
		}
		return j.object(n.settable(v), false)
	case kindList:
		if t != json.Delim('[') {
			return refuse("a list is expected, not %s", describe(t))
		}
		return j.list(n, v)
	case kindMap:
		if t != json.Delim('{') {
			return refuse("a map is expected, not %s", describe(t))
		}
		return j.mapping(n, v)
	default:
		return jsonScalar(n, v, t)
	}
}

func (j *jsonDecoder) list(n *node, v reflect.Value) error {
	out := reflect.MakeSlice(n.typ, 0, 0)
	for i := 0; j.d.More(); i++ {
		e := reflect.New(n.elem.typ).Elem()
		if err := j.value(n.elem, e, false); err != nil {
			return at(strconv.Itoa(i), err)
		}
		out = reflect.Append(out, e)
	}
	v.Set(out)
	return j.end()
}

func (j *jsonDecoder) mapping(n *node, v reflect.Value) error {
	out := reflect.MakeMap(n.typ)
	for j.d.More() {
		name, err := j.name()
		if err != nil {
			return err
		}
		k := reflect.New(n.key.typ).Elem()
		k.SetString(name)
		if out.MapIndex(k).IsValid() {
			return at(name, refuse("the key is given twice"))
		}
		e := reflect.New(n.elem.typ).Elem()
		if err := j.value(n.elem, e, false); err != nil {
			return at(name, err)
		}
		out.SetMapIndex(k, e)
	}
	v.Set(out)
	return j.end()
}

func jsonScalar(n *node, v reflect.Value, t json.Token) error {
	wrong := func(want string) error { return refuse("%s is expected, not %s", want, describe(t)) }
	switch n.kind {
	case kindString, kindEnum:
		s, ok := t.(string)
		if !ok {
			return wrong("a string")
		}
		if n.kind == kindEnum && s == "" {
			return refuse("the empty string is not one of [%s]", strings.Join(n.enum, ", "))
		}
		n.settable(v).SetString(s)
	case kindBool:
		b, ok := t.(bool)
		if !ok {
			return wrong("true or false")
		}
		n.settable(v).SetBool(b)
	case kindInt:
		num, ok := t.(json.Number)
		if !ok {
			return wrong("an integer")
		}
		return setInt(n, v, string(num))
	case kindFloat:
		switch x := t.(type) {
		case json.Number:
			return setFloat(n, v, string(x))
		case string:
			if slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, x) {
				return setFloat(n, v, x)
			}
		}
		return wrong("a number")
	case kindTime:
		return jsonTime(n, v, t)
	case kindBlob:
		s, ok := t.(string)
		if !ok {
			return wrong("a base64 string")
		}
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return refuse("the value is not base64: %v", err)
		}
		v.SetBytes(b)
	default:
		return wrong("another value")
	}
	return nil
}

// jsonTime accepts both of JSON's forms whatever the model says, as the services do.
func jsonTime(n *node, v reflect.Value, t json.Token) error {
	switch x := t.(type) {
	case json.Number:
		ts, err := parseEpoch(string(x))
		if err != nil {
			return err
		}
		n.settable(v).Set(reflect.ValueOf(ts))
	case string:
		ts, err := parseTimestamp(x)
		if err != nil {
			return err
		}
		n.settable(v).Set(reflect.ValueOf(ts))
	default:
		return refuse("a timestamp is expected, not %s", describe(t))
	}
	return nil
}

// setInt accepts 3, 3.0 and 3e0, not 3.5, and nothing that the member's type cannot hold.
func setInt(n *node, v reflect.Value, s string) error {
	i, err := strconv.ParseInt(s, 10, n.typ.Bits())
	if err != nil {
		f, ferr := strconv.ParseFloat(s, 64)
		switch {
		case ferr != nil || f != math.Trunc(f):
			return refuse("%s is not an integer", short(s))
		case math.Abs(f) > 1<<53 || n.typ.Bits() == 32 && (f > math.MaxInt32 || f < math.MinInt32):
			return refuse("%s is out of the range of a %d-bit integer", short(s), n.typ.Bits())
		}
		i = int64(f)
	}
	n.settable(v).SetInt(i)
	return nil
}

func setFloat(n *node, v reflect.Value, s string) error {
	f, err := strconv.ParseFloat(s, n.typ.Bits())
	if err != nil {
		return refuse("%s is not a number in range", short(s))
	}
	n.settable(v).SetFloat(f)
	return nil
}

// short keeps hostile values out of messages.
func short(s string) string {
	const limit = 64
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

func describe(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case nil:
		return "null"
	}
	return "a number"
}
