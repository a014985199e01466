package wire

import "fmt"

// Bounds of tagged fields (KIP-482), and what they cost once decoded: kmsg keeps unknown ones in a map per struct.
const (
	tagsMax       = 64 // per level
	tagMapBytes   = 384
	tagEntryBytes = 64
	stringBytes   = 16 // rounding of a string's copy by the allocator
)

// checker walks a body along its shape. It allocates nothing, and adds up in cost what decoding the body would allocate.
type checker struct {
	r        reader
	flexible bool
	cost     int64
	costMax  int64
}

var (
	errShort = fmt.Errorf("%w: it ends too early", ErrMalformed)
	errTags  = fmt.Errorf("%w: more than %d tagged fields at one place", ErrMalformed, tagsMax)
	errCost  = fmt.Errorf("%w: it would take too much memory", ErrMalformed)
)

func (c *checker) charge(n int64) error {
	c.cost += n
	if c.cost > c.costMax {
		return errCost
	}
	return nil
}

func (c *checker) structure(s *shape) error {
	for i := range s.fields {
		if err := c.field(&s.fields[i]); err != nil {
			return err
		}
	}
	if !c.flexible {
		return nil
	}
	return c.tags(s)
}

func (c *checker) tags(s *shape) error {
	n, ok := c.r.uvarint()
	if !ok {
		return errShort
	}
	if n > tagsMax {
		return errTags
	}
	unknown := 0
	for range n {
		tag, ok1 := c.r.uvarint()
		size, ok2 := c.r.uvarint()
		if !ok1 || !ok2 || int64(size) > int64(len(c.r.b)) {
			return errShort
		}
		rest := c.r.b[size:]
		if f, known := s.tagged[tag]; known {
			c.r.b = c.r.b[:size]
			if err := c.field(&f); err != nil {
				return err
			}
		} else {
			unknown++
		}
		c.r.b = rest
	}
	if unknown == 0 {
		return nil
	}
	return c.charge(tagMapBytes + int64(unknown)*tagEntryBytes)
}

// skipTags reads over tagged fields that nobody looks at.
func skipTags(r *reader) error {
	n, ok := r.uvarint()
	if !ok {
		return errShort
	}
	if n > tagsMax {
		return errTags
	}
	for range n {
		_, ok1 := r.uvarint()
		size, ok2 := r.uvarint()
		if !ok1 || !ok2 || int64(size) > int64(len(r.b)) {
			return errShort
		}
		r.b = r.b[size:]
	}
	return nil
}

func (c *checker) field(f *field) error {
	switch f.kind {
	case fixed:
		return c.skip(int64(f.bytes))
	case text:
		n, err := c.length(true)
		if err != nil || n <= 0 {
			return err
		}
		if err := c.charge(n + stringBytes); err != nil {
			return err
		}
		return c.skip(n)
	case blob:
		n, err := c.length(false)
		if err != nil || n <= 0 {
			return err
		}
		return c.skip(n)
	case array:
		return c.array(f)
	case structure:
		return c.structure(f.shape)
	default: // nullable
		b, ok := c.r.bytes(1)
		if !ok {
			return errShort
		}
		if int8(b[0]) < 0 {
			return nil
		}
		if err := c.charge(f.goSize); err != nil {
			return err
		}
		return c.structure(f.shape)
	}
}

func (c *checker) skip(n int64) error {
	if n > int64(len(c.r.b)) {
		return errShort
	}
	c.r.b = c.r.b[n:]
	return nil
}

// length reads the length of a string (short) or of bytes or an array; -1 is null.
func (c *checker) length(short bool) (int64, error) {
	var n int64
	var ok bool
	switch {
	case c.flexible:
		var u uint32
		u, ok = c.r.uvarint()
		n = int64(u) - 1
	case short:
		var i int16
		i, ok = c.r.int16()
		n = int64(i)
	default:
		var i int32
		i, ok = c.r.int32()
		n = int64(i)
	}
	if !ok {
		return 0, errShort
	}
	if n < -1 || n > int64(len(c.r.b)) { // no element takes less than a byte
		return 0, fmt.Errorf("%w: length %d with %d bytes left", ErrMalformed, n, len(c.r.b))
	}
	return n, nil
}

func (c *checker) array(f *field) error {
	n, err := c.length(false)
	if err != nil || n <= 0 {
		return err
	}
	if err := c.charge(n * f.goSize); err != nil {
		return err
	}
	if f.elem.kind == fixed {
		return c.skip(n * int64(f.elem.bytes))
	}
	for range n {
		if err := c.field(f.elem); err != nil {
			return err
		}
	}
	return nil
}
