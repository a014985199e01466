package protocol

import (
	"encoding/base64"
	"net/url"
	"reflect"
	"strconv"
	"time"
)

// setText reads a scalar that travels as text: in a path, a query string or a form.
func setText(n *node, v reflect.Value, s string) error {
	switch n.kind {
	case kindString, kindEnum:
		n.settable(v).SetString(s)
	case kindBool:
		switch s {
		case "true":
			n.settable(v).SetBool(true)
		case "false":
			n.settable(v).SetBool(false)
		default:
			return refuse("%q is neither true nor false", short(s))
		}
	case kindInt:
		i, err := strconv.ParseInt(s, 10, n.typ.Bits())
		if err != nil {
			return refuse("%q is not an integer in range", short(s))
		}
		n.settable(v).SetInt(i)
	case kindFloat:
		return setFloat(n, v, s)
	case kindTime:
		t, err := parseTimestamp(s)
		if err != nil {
			return refuse("%q is not a timestamp", short(s))
		}
		n.settable(v).Set(reflect.ValueOf(t))
	case kindBlob:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return refuse("the value is not base64: %v", err)
		}
		v.SetBytes(b)
	default:
		return refuse("a single value is expected")
	}
	return nil
}

// text writes a scalar of XML.
func text(n *node, v reflect.Value, timeFormat string) string {
	switch n.kind {
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return floatText(v.Float())
	case kindTime:
		t, _ := reflect.TypeAssert[time.Time](v)
		if n.rules.timeFormat != "" {
			timeFormat = n.rules.timeFormat
		}
		if timeFormat == "unixTimestamp" {
			return formatEpoch(t)
		}
		return formatISO8601(t)
	case kindBlob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	default:
		return v.String()
	}
}

// DecodePath fills the members of in that travel in the path and the query string of a restJson1 request. labels are the path's values by
// the names of the URI template, decoded. Errors are *Error.
func (c *Codec) DecodePath(labels map[string]string, query url.Values, in any) error {
	v := reflect.ValueOf(in).Elem()
	for _, f := range c.plan(v.Type()).fields {
		switch f.in {
		case "uri":
			s, ok := labels[f.wire]
			if !ok {
				continue
			}
			if err := setText(f.node, v.Field(f.index), s); err != nil {
				return at(f.wire, err)
			}
		case "query":
			values, ok := query[f.wire]
			if !ok {
				continue
			}
			if err := setTexts(f.node, v.Field(f.index), values); err != nil {
				return at(f.wire, err)
			}
		}
	}
	return nil
}

func setTexts(n *node, v reflect.Value, values []string) error {
	if n.kind != kindList {
		if len(values) > 1 {
			return refuse("the parameter is given %d times", len(values))
		}
		return setText(n, v, values[0])
	}
	out := reflect.MakeSlice(n.typ, len(values), len(values))
	for i, s := range values {
		if err := setText(n.elem, out.Index(i), s); err != nil {
			return at(strconv.Itoa(i), err)
		}
	}
	v.Set(out)
	return nil
}
