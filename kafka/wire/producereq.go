package wire

import (
	"fmt"
	"unsafe"
)

// ProduceRequest is a decoded produce request, versions 3 to 13, that can be decoded into again and again without allocating: it is the request that
// brokers get most. Names and records lie in the body.
type ProduceRequest struct {
	Version       int16
	Transactional bool // it has a transactional id
	TransactionID string
	Acks          int16
	Topics        []ProduceTopic
	Parts         []ProducePart // of all topics, in order
}

// ProduceTopic is a topic and how many of the parts are its.
type ProduceTopic struct {
	Name  string   // up to version 12
	ID    [16]byte // from version 13 on
	Parts int
}

// ProducePart is what is sent to one partition.
type ProducePart struct {
	Partition int32
	Records   []byte
}

// kept is how many topics and parts a request keeps memory for when it is decoded into again.
const kept = 64

// Reset forgets the content, and with it the body. It keeps memory, within limits.
func (p *ProduceRequest) Reset() {
	clear(p.Topics)
	clear(p.Parts)
	if cap(p.Topics) > kept || cap(p.Parts) > kept {
		p.Topics, p.Parts = nil, nil
	}
	*p = ProduceRequest{Topics: p.Topics[:0], Parts: p.Parts[:0]}
}

// DecodeProduce decodes body, of that version, into p, which was Reset or is new. It takes what Decode takes. Errors wrap ErrMalformed.
func (d *Decoder) DecodeProduce(p *ProduceRequest, version int16, body []byte) error {
	p.Version = version
	c := checker{r: reader{b: body}, flexible: version >= 9, costMax: d.costMax}
	if err := p.decode(&c); err != nil {
		return fmt.Errorf("Produce version %d: %w", version, err)
	}
	return nil
}

func (p *ProduceRequest) decode(c *checker) error {
	n, err := c.length(true) // transactional id
	if err != nil {
		return err
	}
	p.Transactional = n >= 0
	id, ok := c.r.bytes(int(max(n, 0)))
	if !ok {
		return errShort
	}
	p.TransactionID = unsafe.String(unsafe.SliceData(id), len(id)) // as topics' names below
	if p.Acks, ok = c.r.int16(); !ok {
		return errShort
	}
	if _, ok = c.r.int32(); !ok { // timeout
		return errShort
	}
	topics, err := c.length(false)
	if err != nil {
		return err
	}
	if err := c.charge(max(topics, 0) * int64(unsafe.Sizeof(ProduceTopic{}))); err != nil {
		return err
	}
	for range topics {
		if err := p.topic(c); err != nil {
			return err
		}
	}
	return c.untag()
}

func (p *ProduceRequest) topic(c *checker) error {
	var t ProduceTopic
	if p.Version >= 13 {
		id, ok := c.r.bytes(len(t.ID))
		if !ok {
			return errShort
		}
		t.ID = [16]byte(id)
	} else {
		n, err := c.length(true)
		if err != nil {
			return err
		}
		name, ok := c.r.bytes(int(n))
		if !ok {
			return errShort
		}
		t.Name = unsafe.String(unsafe.SliceData(name), len(name)) // nobody writes to the body while the request lives
	}
	parts, err := c.length(false)
	if err != nil {
		return err
	}
	if err := c.charge(max(parts, 0) * int64(unsafe.Sizeof(ProducePart{}))); err != nil {
		return err
	}
	t.Parts = int(max(parts, 0))
	for range parts {
		if err := p.part(c); err != nil {
			return err
		}
	}
	p.Topics = append(p.Topics, t)
	return c.untag()
}

func (p *ProduceRequest) part(c *checker) error {
	index, ok := c.r.int32()
	if !ok {
		return errShort
	}
	n, err := c.length(false)
	if err != nil {
		return err
	}
	records, ok := c.r.bytes(int(max(n, 0)))
	if !ok {
		return errShort
	}
	p.Parts = append(p.Parts, ProducePart{index, records})
	return c.untag()
}

// untag reads over tagged fields, none of which a produce request has.
func (c *checker) untag() error {
	if !c.flexible {
		return nil
	}
	return skipTags(&c.r)
}
