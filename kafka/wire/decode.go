package wire

import (
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Decoder decodes request bodies. It is safe for concurrent use.
type Decoder struct {
	costMax int64
	shapes  sync.Map // shapeKey -> *shape, filled as versions are met: learning all at start would cost each start milliseconds
}

type shapeKey struct{ key, version int16 }

// NewDecoder returns a Decoder that refuses bodies which would take more than costMax bytes of memory to decode, not counting the body itself.
func NewDecoder(costMax int64) *Decoder { return &Decoder{costMax: costMax} }

// NewRequest returns the empty request of that key at that version; ok is false if the key or the version does not exist.
func NewRequest(key, version int16) (req kmsg.Request, ok bool) {
	req = kmsg.RequestForKey(key)
	if req == nil || version < 0 || version > req.MaxVersion() {
		return nil, false
	}
	req.SetVersion(version)
	return req, true
}

// Check walks body as a request of req's key and version and returns what decoding it takes in memory. It allocates nothing by what
// the body says. Errors wrap ErrMalformed.
func (d *Decoder) Check(req kmsg.Request, body []byte) (cost int64, err error) {
	s, err := d.shape(req.Key(), req.GetVersion())
	if err != nil {
		return 0, err
	}
	c := checker{r: reader{b: body}, flexible: req.IsFlexible(), costMax: d.costMax}
	if err := c.structure(s); err != nil {
		return c.cost, fmt.Errorf("%s version %d: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return c.cost, nil
}

// Decode reads body into req, whose version is set. Byte arrays in req lie in body; strings are copies.
func (d *Decoder) Decode(req kmsg.Request, body []byte) error {
	if _, err := d.Check(req, body); err != nil {
		return err
	}
	if err := req.ReadFrom(body); err != nil {
		return fmt.Errorf("%w: %s version %d: %w", ErrMalformed, kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return nil
}

func (d *Decoder) shape(key, version int16) (*shape, error) {
	k := shapeKey{key, version}
	if s, ok := d.shapes.Load(k); ok {
		return s.(*shape), nil //nolint:errcheck // nothing else is stored
	}
	req, ok := NewRequest(key, version)
	if !ok {
		return nil, fmt.Errorf("%w: no request has key %d and version %d", ErrMalformed, key, version)
	}
	if r, ok := req.(interface{ Default() }); ok {
		r.Default()
	}
	s, err := learn(req)
	if err != nil {
		return nil, err
	}
	d.shapes.Store(k, s)
	return s, nil
}
