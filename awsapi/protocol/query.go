package protocol

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DecodeQuery fills in, a pointer to a generated struct, from the parameters of a query or ec2query request: lists are Name.member.N, or
// Name.N in ec2; maps are Name.entry.N.key and .value. Errors are *Error. EC2 refuses parameters it does not know, which is reported as an
// *UnknownParameter; the others ignore them.
func (c *Codec) DecodeQuery(params url.Values, ec2 bool, in any) error {
	root, err := newParams(params)
	if err != nil {
		return err
	}
	q := queryDecoder{Codec: c, ec2: ec2}
	if err := q.structure(root, reflect.ValueOf(in).Elem()); err != nil {
		return err
	}
	if ec2 {
		return root.unread("")
	}
	return nil
}

// UnknownParameter names a parameter that EC2 does not recognize.
type UnknownParameter struct{ Name string }

func (e *UnknownParameter) Error() string { return "The parameter " + e.Name + " is not recognized" }

// param is a node of the tree that dotted parameter names spell.
type param struct {
	value    string
	has      bool
	read     bool
	children map[string]*param
}

// newParams builds the tree. Action and Version belong to the protocol and X-Amz-* to the signature.
func newParams(values url.Values) (*param, error) {
	root := new(param)
	for name, vs := range values {
		if name == "Action" || name == "Version" || name == "AWSAccessKeyId" || strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		if len(vs) > 1 {
			return nil, at(short(name), refuse("the parameter is given %d times", len(vs)))
		}
		if strings.Count(name, ".") >= nestingMax {
			return nil, at(short(name), refuse("the name has more than %d parts", nestingMax))
		}
		p := root
		for part := range strings.SplitSeq(name, ".") {
			if p.children == nil {
				p.children = make(map[string]*param)
			}
			next := p.children[part]
			if next == nil {
				next = new(param)
				p.children[part] = next
			}
			p = next
		}
		p.value, p.has = vs[0], true
	}
	return root, nil
}

func (p *param) child(name string) *param {
	c := p.children[name]
	if c != nil {
		c.read = true
	}
	return c
}

func (p *param) unread(path string) error {
	for name, c := range p.children {
		full := name
		if path != "" {
			full = path + "." + name
		}
		if c.has && !c.read {
			return &UnknownParameter{Name: short(full)}
		}
		if err := c.unread(full); err != nil {
			return err
		}
	}
	return nil
}

type queryDecoder struct {
	*Codec
	ec2 bool
}

// inputName is the parameter's name: ec2 capitalizes the names that its answers use.
func (q *queryDecoder) inputName(f *field) string {
	if !q.ec2 {
		return f.wire
	}
	r, n := utf8.DecodeRuneInString(f.wire)
	return string(unicode.ToUpper(r)) + f.wire[n:]
}

func (q *queryDecoder) structure(p *param, v reflect.Value) error {
	for _, f := range q.plan(v.Type()).fields {
		name := q.inputName(&f)
		c := p.child(name)
		if c == nil {
			continue
		}
		if err := q.value(f.node, c, v.Field(f.index)); err != nil {
			return at(name, err)
		}
	}
	return nil
}

func (q *queryDecoder) value(n *node, p *param, v reflect.Value) error {
	switch n.kind {
	case kindStruct:
		if p.has && p.value != "" {
			return refuse("a structure is expected, not a value")
		}
		return q.structure(p, n.settable(v))
	case kindList:
		return q.list(n, p, v)
	case kindMap:
		return q.mapping(n, p, v)
	default:
		if !p.has {
			return refuse("a value is expected, not a structure")
		}
		return setText(n, v, p.value)
	}
}

// numbered returns the children 1, 2, 3... in order; gaps are tolerated, as the services do.
func numbered(p *param) ([]*param, error) {
	type entry struct {
		n int
		p *param
	}
	entries := make([]entry, 0, len(p.children))
	for name, c := range p.children {
		n, err := strconv.ParseUint(name, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != name {
			return nil, refuse("%q is not the number of a list element", short(name))
		}
		c.read = true
		entries = append(entries, entry{int(n), c})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.n - b.n })
	out := make([]*param, len(entries))
	for i, e := range entries {
		out[i] = e.p
	}
	return out, nil
}

func (q *queryDecoder) list(n *node, p *param, v reflect.Value) error {
	holder := p
	if !q.ec2 {
		// An empty list is sent as "Name=".
		if holder = p.child(n.rules.item); holder == nil {
			if p.has && p.value == "" && len(p.children) == 0 {
				v.Set(reflect.MakeSlice(n.typ, 0, 0))
				return nil
			}
			return refuse("list elements are expected as .%s.1, .%s.2 and so on", n.rules.item, n.rules.item)
		}
	} else if p.has {
		return refuse("list elements are expected as .1, .2 and so on")
	}
	elems, err := numbered(holder)
	if err != nil {
		return err
	}
	out := reflect.MakeSlice(n.typ, len(elems), len(elems))
	for i, e := range elems {
		if err := q.value(n.elem, e, out.Index(i)); err != nil {
			return at(strconv.Itoa(i+1), err)
		}
	}
	v.Set(out)
	return nil
}

func (q *queryDecoder) mapping(n *node, p *param, v reflect.Value) error {
	entries, err := numbered(p.child("entry").orEmpty())
	if err != nil {
		return err
	}
	out := reflect.MakeMap(n.typ)
	for i, e := range entries {
		k, ev := reflect.New(n.key.typ).Elem(), reflect.New(n.elem.typ).Elem()
		for part, dst := range map[string]reflect.Value{"key": k, "value": ev} {
			use := n.key
			if part == "value" {
				use = n.elem
			}
			c := e.child(part)
			if c == nil {
				return at(strconv.Itoa(i+1), refuse("the entry has no %s", part))
			}
			if err := q.value(use, c, dst); err != nil {
				return at(strconv.Itoa(i+1)+"."+part, err)
			}
		}
		out.SetMapIndex(k, ev)
	}
	v.Set(out)
	return nil
}

func (p *param) orEmpty() *param {
	if p == nil {
		return new(param)
	}
	return p
}
