package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A shape says how a struct of a message lies on the wire at one version: its fields in order, and the tagged fields of a flexible version.
// kmsg knows this only as code, so shapes are learnt from it: a field that is given another value either changes the encoding or is not part
// of the version; and one whose first change makes the encoding grow by more than its second change does is a tagged field, since it was not
// written at all before. TestShapesMatchTheEncoder holds for every message served that the shape walks exactly what kmsg writes.
type shape struct {
	fields []field
	tagged map[uint32]field
}

// field is one field of a shape, or the element of an array.
type field struct {
	kind   kind
	bytes  int    // fixed: its width
	elem   *field // array: its elements
	shape  *shape // structure, nullable
	goSize int64  // array: memory per element once decoded
}

type kind uint8

const (
	fixed     kind = iota // numbers, booleans, uuids
	text                  // string, null or not
	blob                  // byte array, null or not; its bytes are not copied by kmsg
	array                 // null or not
	structure             // written in place
	nullable              // a byte, and the structure unless the byte is negative
)

// learn returns the shape of req at its version.
func learn(req kmsg.Request) (*shape, error) {
	l := learner{req: req, flexible: req.IsFlexible()}
	s, err := l.structure(reflect.ValueOf(req).Elem())
	if err != nil {
		return nil, fmt.Errorf("wire: shape of %s version %d: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return s, nil
}

type learner struct {
	req      kmsg.Request
	flexible bool
}

func (l *learner) encode() []byte { return l.req.AppendTo(nil) }

// structure learns a struct that is part of l.req and is written when l.req is.
func (l *learner) structure(v reflect.Value) (*shape, error) {
	s := &shape{}
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name == "UnknownTags" || name == "Version" && v.Addr().Interface() == any(l.req) {
			continue
		}
		if err := l.field(s, v.Field(i)); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
	}
	return s, nil
}

func (l *learner) field(s *shape, v reflect.Value) error {
	before := reflect.New(v.Type()).Elem()
	before.Set(v)
	defer v.Set(before)

	base := l.encode()
	if err := change(v); err != nil {
		return err
	}
	once := l.encode()
	if bytes.Equal(once, base) {
		return nil // not in this version
	}
	// Learn what is inside while there is exactly one of it.
	f, err := l.describe(v)
	if err != nil {
		return err
	}
	if err := change(v); err != nil {
		return err
	}
	twice := l.encode()
	tagged := l.flexible && len(once)-len(base) != len(twice)-len(once) && f.kind != nullable
	if !tagged {
		s.fields = append(s.fields, f)
		return nil
	}
	at := 0
	for at < len(base) && base[at] == once[at] {
		at++
	}
	// The first byte that differs is the number of tagged fields, 0 before and 1 now; the tag follows.
	tag, n := binary.Uvarint(once[at+1:])
	if n <= 0 || at >= len(base) || base[at] != 0 || once[at] != 1 {
		return fmt.Errorf("cannot find the tag")
	}
	if s.tagged == nil {
		s.tagged = make(map[uint32]field)
	}
	s.tagged[uint32(tag)] = f
	return nil
}

func isTags(t reflect.Type) bool { return t == reflect.TypeFor[kmsg.Tags]() }

// change gives v a value that it did not have and that is not its default, twice in a row if called twice.
func change(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 2) // over -1 and 0, the usual defaults
	case reflect.Uint16, reflect.Uint32:
		v.SetUint(v.Uint() + 2)
	case reflect.Float64:
		v.SetFloat(v.Float() + 2)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Array:
		v.Index(0).SetUint(v.Index(0).Uint() + 2)
	case reflect.Slice:
		e := reflect.New(v.Type().Elem())
		setDefault(e)
		v.Set(reflect.Append(v.Slice3(0, v.Len(), v.Len()), e.Elem())) // never into the memory of the value before
	case reflect.Pointer:
		e := reflect.New(v.Type().Elem())
		setDefault(e)
		if e.Elem().Kind() == reflect.String {
			if !v.IsNil() {
				e.Elem().SetString(v.Elem().String())
			}
			if err := change(e.Elem()); err != nil {
				return err
			}
		}
		v.Set(e)
	case reflect.Struct:
		for _, f := range v.Fields() {
			if !isTags(f.Type()) {
				return change(f)
			}
		}
		return fmt.Errorf("struct %s has no fields", v.Type())
	default:
		return fmt.Errorf("type %s is not known", v.Type())
	}
	return nil
}

func setDefault(ptr reflect.Value) {
	if d, ok := reflect.TypeAssert[interface{ Default() }](ptr); ok {
		d.Default()
	}
}

// describe learns the field v, which has one element if it is an array and is not nil if it is a pointer.
func (l *learner) describe(v reflect.Value) (field, error) {
	switch v.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Float64, reflect.Array:
		return field{kind: fixed, bytes: int(v.Type().Size())}, nil
	case reflect.String:
		return field{kind: text}, nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return field{kind: blob}, nil
		}
		e, err := l.describe(v.Index(0))
		return field{kind: array, elem: &e, goSize: int64(v.Type().Elem().Size())}, err
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.String {
			return field{kind: text}, nil
		}
		s, err := l.structure(v.Elem())
		return field{kind: nullable, shape: s, goSize: int64(v.Type().Elem().Size())}, err
	case reflect.Struct:
		s, err := l.structure(v)
		return field{kind: structure, shape: s}, err
	default:
		return field{}, fmt.Errorf("type %s is not known", v.Type())
	}
}
