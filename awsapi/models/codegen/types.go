package main

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// writeOperations writes <Operation>Input and <Operation>Output, whatever the model calls the shapes, as every SDK does.
func (g *generator) writeOperations(b *bytes.Buffer) error {
	for _, op := range g.operations() {
		for _, side := range []struct {
			suffix, doc string
			ref         *ref
		}{{"Input", "is the request of", op.Input}, {"Output", "is the answer of", op.Output}} {
			name := op.Name + side.suffix
			if err := g.claim(name, "operation "+op.Name); err != nil {
				return err
			}
			fmt.Fprintf(b, "// %s %s %s.\n", name, side.doc, op.Name)
			s := &shape{Type: "structure"}
			if side.ref != nil {
				s = g.m.Shapes[side.ref.Shape]
			}
			if err := g.writeStruct(b, name, s, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTypes writes the structures that are reachable through members.
func (g *generator) writeTypes(b *bytes.Buffer) error {
	for _, name := range g.reachable("structure") {
		s := g.m.Shapes[name]
		if s.Exception {
			continue
		}
		if err := g.claim(exported(name), "shape "+name); err != nil {
			return err
		}
		fmt.Fprintf(b, "// %s is a structure of the model.\n", exported(name))
		if err := g.writeStruct(b, exported(name), s, false); err != nil {
			return err
		}
	}
	return nil
}

// reachable returns, sorted, the shapes of a type that some member, element or map value refers to.
func (g *generator) reachable(kind string) []string {
	seen, wanted := map[string]bool{}, map[string]bool{}
	var visit func(name string)
	through := func(r *ref) {
		if r == nil {
			return
		}
		if g.m.Shapes[r.Shape].Type == kind {
			wanted[r.Shape] = true
		}
		visit(r.Shape)
	}
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		s := g.m.Shapes[name]
		through(s.Member)
		through(s.Key)
		through(s.Value)
		for i := range s.Members {
			through(&s.Members[i].ref)
		}
	}
	for _, op := range g.m.Operations {
		for _, r := range []*ref{op.Input, op.Output} {
			if r != nil {
				visit(r.Shape)
			}
		}
	}
	for name, s := range g.m.Shapes {
		if s.Exception {
			visit(name)
		}
	}
	return slices.Sorted(maps.Keys(wanted))
}

// writeStruct writes a structure. In an exception plain strings are values: a caller never needs to tell an empty one from an absent one.
func (g *generator) writeStruct(b *bytes.Buffer, name string, s *shape, exception bool) error {
	fmt.Fprintf(b, "type %s struct {\n", name)
	used := map[string]bool{}
	for _, m := range s.Members {
		field := exported(m.Name)
		if used[field] {
			return fmt.Errorf("%s.%s: two members of that name", name, field)
		}
		used[field] = true
		t := g.goType(m.Shape, true)
		if exception {
			t = strings.TrimPrefix(t, "*")
			if t != "string" {
				t = g.goType(m.Shape, true)
			}
		}
		tag, err := g.tag(field, m, slices.Contains(s.Required, m.Name))
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, m.Name, err)
		}
		fmt.Fprintf(b, "%s %s", field, t)
		if tag != "" {
			if strings.Contains(tag, "`") {
				tag = strconv.Quote(tag)
			} else {
				tag = "`" + tag + "`"
			}
			b.WriteString(" " + tag)
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n\n")
	return nil
}

// goType is the Go type of a shape; as a member of a structure scalars are pointers, so that absent differs from zero.
func (g *generator) goType(name string, isMember bool) string {
	s := g.m.Shapes[name]
	star := ""
	if isMember {
		star = "*"
	}
	switch s.Type {
	case "structure":
		return star + exported(name)
	case "list":
		return "[]" + g.goType(s.Member.Shape, false)
	case "map":
		return "map[" + g.goType(s.Key.Shape, false) + "]" + g.goType(s.Value.Shape, false)
	case "string":
		if len(s.Enum) > 0 {
			return exported(name)
		}
		return star + "string"
	case "integer":
		return star + "int32"
	case "long":
		return star + "int64"
	case "double":
		return star + "float64"
	case "float":
		return star + "float32"
	case "boolean":
		return star + "bool"
	case "timestamp":
		return star + "time.Time"
	case "blob":
		return "[]byte"
	}
	panic("shape " + name + ": type " + s.Type + " is not generated")
}

// tag is the struct tag of a member: its wire name when that differs from the field's, where it travels, and its constraints; then the
// constraints of what is inside a list or map, level by level.
func (g *generator) tag(field string, m member, required bool) (string, error) {
	var tags []string
	add := func(key, value string) {
		if value != "" {
			tags = append(tags, key+":"+strconv.Quote(value))
		}
	}
	wire := m.LocationName
	if wire == "" {
		wire = m.Name
	}
	if wire != field {
		add("wire", wire)
	}
	add("in", map[string]string{"uri": "uri", "querystring": "query"}[m.Location])
	var words []string
	if required {
		words = append(words, "required")
	}
	if m.IdempotencyToken {
		words = append(words, "token")
	}
	return g.constraints(tags, "is", words, &m.ref)
}

// constraints adds the words of r's shape under key, and those of its elements under key "each" ("key" for a map's keys).
func (g *generator) constraints(tags []string, key string, words []string, r *ref) (string, error) {
	s := g.m.Shapes[r.Shape]
	format := r.TimestampFormat
	if format == "" {
		format = s.TimestampFormat
	}
	if format != "" {
		words = append(words, "time="+format)
	}
	if s.Sensitive {
		words = append(words, "sensitive")
	}
	if s.Min != nil {
		words = append(words, "min="+s.Min.String())
	}
	if s.Max != nil && !slices.Contains(g.unbounded, r.Shape) {
		words = append(words, "max="+s.Max.String())
	}
	if s.Type == "list" && s.Member.LocationName != "" {
		words = append(words, "item="+s.Member.LocationName)
	}
	if s.Type == "map" && (s.Key.LocationName != "" || s.Value.LocationName != "") {
		return "", fmt.Errorf("named map keys and values are not generated yet")
	}
	if s.Pattern != "" {
		if p, err := goPattern(s.Pattern); err == nil {
			words = append(words, "pattern="+p) // last: it may hold blanks
		}
	}
	if len(words) > 0 {
		tags = append(tags, key+":"+strconv.Quote(strings.Join(words, " ")))
	}
	next := func(k string, r *ref) error {
		if key != "is" {
			k = key + "." + k
		}
		t, err := g.constraints(nil, k, nil, r)
		if t != "" {
			tags = append(tags, t)
		}
		return err
	}
	var err error
	switch s.Type {
	case "list":
		err = next("each", s.Member)
	case "map":
		if err = next("key", s.Key); err == nil {
			err = next("each", s.Value)
		}
	}
	return strings.Join(tags, " "), err
}

// goPattern turns a model's pattern, which is Java's, into Go's. Patterns that Go cannot express (look-ahead, repetitions above 1000) are
// an error: they are left out, and TestPatternsLeftOut keeps their list.
func goPattern(p string) (string, error) {
	p = strings.ReplaceAll(p, javaPlanes, `\x{10000}-\x{10FFFF}`)
	p = strings.ReplaceAll(p, `\p{Print}`, `[\x20-\x7E]`) // Java's is of ASCII
	p = unicodeEscape.ReplaceAllString(p, `\x{$1}`)
	p = classDash.ReplaceAllString(p, `$1\-`)
	_, err := regexp.Compile(p)
	return p, err
}

// javaPlanes is how Java says all characters beyond the first plane: as pairs of surrogates.
const javaPlanes = `\uD800\uDC00-\uDBFF\uDFFF`

var (
	unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
	classDash     = regexp.MustCompile(`(\\[wds])-`) // a dash after a class is itself; Go wants it escaped
)

// exported is the Go name of a shape or member.
func exported(name string) string {
	r := []rune(strings.TrimLeft(name, "_"))
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}
