package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// writeEnums writes every enumeration as a string type with a constant per value.
func (g *generator) writeEnums(b *bytes.Buffer) error {
	for _, shapeName := range g.reachable("string") {
		s := g.m.Shapes[shapeName]
		if len(s.Enum) == 0 {
			continue
		}
		name := exported(shapeName)
		if err := g.claim(name, "shape "+shapeName); err != nil {
			return err
		}
		fmt.Fprintf(b, "// %s is an enumeration; the empty value means absent.\ntype %s string\n\n", name, name)
		fmt.Fprintf(b, "// The values of %s.\nconst (\n", name)
		used := map[string]bool{}
		for _, v := range s.Enum {
			c := name + camel(v)
			for used[c] {
				c += "_"
			}
			used[c] = true
			if err := g.claim(c, "value of "+shapeName); err != nil {
				return err
			}
			fmt.Fprintf(b, "%s %s = %q\n", c, name, v)
		}
		b.WriteString(")\n\n")
		quoted := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			quoted[i] = strconv.Quote(v)
		}
		fmt.Fprintf(b, "// EnumValues returns the values of %s.\nfunc (%s) EnumValues() []string {\nreturn []string{%s}\n}\n\n",
			name, name, strings.Join(quoted, ", "))
	}
	return nil
}

// camel turns PER_BROKER, kafka.m5.large or per-broker into PerBroker, KafkaM5Large, PerBroker.
func camel(v string) string {
	parts := strings.FieldsFunc(v, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, p := range parts {
		r := []rune(p)
		if p == strings.ToUpper(p) {
			r = []rune(strings.ToLower(p))
		}
		r[0] = unicode.ToUpper(r[0])
		parts[i] = string(r)
	}
	return cmp.Or(strings.Join(parts, ""), "Empty")
}

// writeExceptions writes the exceptions with the fault each one is on the wire.
func (g *generator) writeExceptions(b *bytes.Buffer) error {
	var names []string
	for name, s := range g.m.Shapes {
		if s.Exception {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, shapeName := range names {
		s := g.m.Shapes[shapeName]
		name := exported(shapeName)
		if err := g.claim(name, "shape "+shapeName); err != nil {
			return err
		}
		code, status := shapeName, 0
		if s.IsFault {
			status = 500
		}
		if e := s.Error; e != nil {
			code = cmp.Or(e.Code, code)
			status = cmp.Or(e.HTTPStatusCode, status)
		}
		status = cmp.Or(status, 400)
		message := `""`
		for _, m := range s.Members {
			if exported(m.Name) == "Message" {
				message = "e.Message"
			}
		}
		if message == `""` {
			// A fault without a message member still says what went wrong on the wire.
			s = &shape{Type: s.Type, Members: append(slices.Clone(s.Members), member{Name: "message", ref: ref{Shape: g.stringShape()}})}
			message = "e.Message"
		}
		fmt.Fprintf(b, "// %s is answered with HTTP status %d", name, status)
		if code != name {
			fmt.Fprintf(b, " and code %s", code)
		}
		b.WriteString(".\n")
		if err := g.writeStruct(b, name, s, true); err != nil {
			return err
		}
		fmt.Fprintf(b, "func (e *%s) Error() string { return %q + %s }\n\n", name, code+": ", message)
		fmt.Fprintf(b, "// Fault is what the front answers with.\nfunc (e *%s) Fault() *awsapi.Fault {\nreturn &awsapi.Fault{Code: %q, ", name, code)
		if code != shapeName {
			fmt.Fprintf(b, "Shape: %q, ", shapeName)
		}
		fmt.Fprintf(b, "Status: %d, Message: %s, Detail: e}\n}\n\n", status, message)
	}
	return nil
}

// stringShape names an unconstrained string shape, which it adds if the model has none of its own.
func (g *generator) stringShape() string {
	const name = "__faultMessage"
	g.m.Shapes[name] = &shape{Type: "string"}
	return name
}
