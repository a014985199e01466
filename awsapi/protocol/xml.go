package protocol

import (
	"bytes"
	"encoding/xml"
	"reflect"
)

// appendXML writes the members of v, a generated struct, as elements. EC2 lists name their elements in the model (item), the query
// protocol's are member.
func (c *Codec) appendXML(b *bytes.Buffer, v reflect.Value) {
	for _, f := range c.plan(v.Type()).fields {
		if fv, ok := f.node.present(v.Field(f.index)); ok {
			c.appendElement(b, f.wire, f.node, fv)
		}
	}
}

func (c *Codec) appendElement(b *bytes.Buffer, name string, n *node, v reflect.Value) {
	open(b, name)
	switch n.kind {
	case kindStruct:
		c.appendXML(b, v)
	case kindList:
		for i := range v.Len() {
			c.appendElement(b, n.rules.item, n.elem, v.Index(i))
		}
	case kindMap:
		for _, k := range sortedKeys(v) {
			open(b, "entry")
			c.appendElement(b, "key", n.key, k)
			c.appendElement(b, "value", n.elem, v.MapIndex(k))
			shut(b, "entry")
		}
	default:
		escape(b, text(n, v, "iso8601"))
	}
	shut(b, name)
}

func open(b *bytes.Buffer, name string) {
	b.WriteByte('<')
	b.WriteString(name)
	b.WriteByte('>')
}

func shut(b *bytes.Buffer, name string) {
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
}

func element(b *bytes.Buffer, name, content string) {
	open(b, name)
	escape(b, content)
	shut(b, name)
}

// escape writes text; characters that XML cannot hold become U+FFFD.
func escape(b *bytes.Buffer, s string) {
	if err := xml.EscapeText(b, []byte(s)); err != nil { // a bytes.Buffer does not fail
		panic(err)
	}
}
