package wire

import "encoding/binary"

// Node is where a client reaches a broker.
type Node struct {
	NodeID int32
	Host   string
	Port   int32
	Rack   string // "" is null
}

// encoder appends Kafka's primitive types to dst.
type encoder struct {
	v        int16
	flexible bool
	dst      []byte
}

func (e *encoder) int16(v int16) { e.dst = binary.BigEndian.AppendUint16(e.dst, uint16(v)) }
func (e *encoder) int32(v int32) { e.dst = binary.BigEndian.AppendUint32(e.dst, uint32(v)) }
func (e *encoder) int64(v int64) { e.dst = binary.BigEndian.AppendUint64(e.dst, uint64(v)) }

// count writes the length of an array or of bytes; -1 is null.
func (e *encoder) count(n int) {
	if e.flexible {
		e.dst = binary.AppendUvarint(e.dst, uint64(n+1))
	} else {
		e.int32(int32(n))
	}
}

func (e *encoder) text(s string) {
	if e.flexible {
		e.dst = binary.AppendUvarint(e.dst, uint64(len(s)+1))
	} else {
		e.int16(int16(len(s)))
	}
	e.dst = append(e.dst, s...)
}

func (e *encoder) noTags() {
	if e.flexible {
		e.dst = append(e.dst, 0)
	}
}

// nullText writes null for nil.
func (e *encoder) nullText(s *string) {
	switch {
	case s != nil:
		e.text(*s)
	case e.flexible:
		e.dst = append(e.dst, 0)
	default:
		e.int16(-1)
	}
}

// leader ends a partition with its tagged fields: none, or the current leader under tag.
func (e *encoder) leader(tag byte, id, epoch int32) {
	if id < 0 && epoch < 0 {
		e.noTags()
		return
	}
	e.dst = append(e.dst, 1, tag, 9) // one tagged field of 9 bytes
	e.int32(id)
	e.int32(epoch)
	e.noTags()
}

// nodes ends a response with its tagged fields: none, or the brokers under tag 0 if the version has them.
func (e *encoder) nodes(ns []Node, has bool) {
	if len(ns) == 0 || !has {
		e.noTags()
		return
	}
	e.dst = append(e.dst, 1, 0) // one tagged field: number 0
	inner := encoder{flexible: true, dst: make([]byte, 0, 64*len(ns))}
	inner.count(len(ns))
	for _, n := range ns {
		inner.int32(n.NodeID)
		inner.text(n.Host)
		inner.int32(n.Port)
		if n.Rack == "" {
			inner.dst = append(inner.dst, 0)
		} else {
			inner.text(n.Rack)
		}
		inner.noTags()
	}
	e.dst = binary.AppendUvarint(e.dst, uint64(len(inner.dst)))
	e.dst = append(e.dst, inner.dst...)
}
