package differential

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// frameScenarios send frames that no client would. What is not a request closes the connection.
func frameScenarios(kafka map[int16]versions) []scenario {
	all := []scenario{{"frames of nobody", nil, strangeFrames}}
	for _, key := range slices.Sorted(maps.Keys(kafka)) {
		all = append(all, scenario{"frames of " + kmsg.NameForKey(key), []int16{key}, func(d *dialogue) { damagedFrames(d, key) }})
	}
	return all
}

// frame is a request's frame in a version.
func (d *dialogue) frame(req kmsg.Request, version int16) []byte {
	req.SetVersion(version)
	return d.conn.frame(req)
}

// resized writes the size of a frame.
func resized(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

func damagedFrames(d *dialogue, key int16) {
	req := func(v int16) kmsg.Request {
		r := kmsg.RequestForKey(key)
		if p, ok := r.(*kmsg.ProduceRequest); ok {
			p.Acks = -1
		}
		return atVersion(r, v)
	}
	const headerMax = 4 + 8 + 2 + len("differential") + 1 // without tags it is one byte less
	v := d.kafka[key]
	d.raw("version too high", req(v.max+1), withVersion(d.frame(req(v.max), v.max), v.max+1))
	d.raw("version far too high", req(32000), withVersion(d.frame(req(v.max), v.max), 32000))
	if v.min > 0 {
		d.raw("version too low", req(v.min-1), withVersion(d.frame(req(v.min), v.min), v.min-1))
	}
	d.raw("negative version", req(-1), withVersion(d.frame(req(v.max), v.max), -1))
	if whole := d.frame(req(v.max), v.max); len(whole) > headerMax {
		d.raw("last byte missing", req(v.max), resized(whole[:len(whole)-1]))
		d.raw("nothing behind the header", atVersion(req(v.max), v.max), resized(d.frame(req(v.max), v.max)[:headerMax]))
	}
	if lowest := d.frame(req(v.min), v.min); len(lowest) > headerMax { // some have empty bodies
		d.raw("last byte missing at the lowest", req(v.min), resized(lowest[:len(lowest)-1]))
	}
}

func atVersion(r kmsg.Request, v int16) kmsg.Request {
	r.SetVersion(v)
	return r
}

func withVersion(frame []byte, v int16) []byte {
	binary.BigEndian.PutUint16(frame[6:], uint16(v))
	return frame
}

func strangeFrames(d *dialogue) {
	metadata := kmsg.NewPtrMetadataRequest
	keyed := func(key int16) []byte {
		f := d.frame(metadata(), 12)
		binary.BigEndian.PutUint16(f[4:], uint16(key))
		return f
	}
	for _, key := range []int16{-1, 4, 5, 6, 7, 52, 53, 56, 58, 59, 62, 63, 67, 70, 73, 82, 95, 1000, 32767} {
		d.raw(fmt.Sprintf("key %d", key), metadata(), keyed(key))
	}
	sized := func(label string, size uint32) {
		f := d.frame(metadata(), 12)
		binary.BigEndian.PutUint32(f, size)
		d.raw(label, atVersion(metadata(), 12), f)
	}
	sized("size 0", 0)
	sized("size 4", 4)
	sized("negative size", 0xFFFFFFFF)
	sized("size of more than 100 MiB", 104857601)
	sized("size of 2 GiB", 0x7FFFFFFF)
	noClient := d.frame(metadata(), 0)
	d.raw("null client id", atVersion(metadata(), 0), resized(append(slices.Clone(noClient[:12]), 0xFF, 0xFF, 0, 0, 0, 0)))
	d.raw("client id of length -2", atVersion(metadata(), 0), resized(append(slices.Clone(noClient[:12]), 0xFF, 0xFE, 0, 0, 0, 0)))
	d.raw("client id longer than the frame", atVersion(metadata(), 0), resized(append(slices.Clone(noClient[:12]), 0x70, 0, 0, 0, 0, 0)))
	flexible := d.frame(metadata(), 12)
	d.raw("no tags in a header that has them", atVersion(metadata(), 12), resized(slices.Delete(slices.Clone(flexible), 4+8+2+12, 4+8+2+12+1)))
	d.raw("tags in a header that has none", atVersion(metadata(), 8), resized(slices.Insert(d.frame(metadata(), 8), 4+8+2+12, 0)))
	d.raw("bytes behind the body", atVersion(metadata(), 12), resized(append(d.frame(metadata(), 12), 1, 2, 3)))
	d.raw("array longer than the frame", atVersion(metadata(), 0), resized(append(d.frame(metadata(), 0)[:4+8+2+12], 0x7F, 0xFF, 0xFF, 0xFF)))
	d.raw("array of -2", atVersion(metadata(), 0), resized(append(d.frame(metadata(), 0)[:4+8+2+12], 0xFF, 0xFF, 0xFF, 0xFE)))
	d.raw("HTTP", metadata(), []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	d.raw("TLS", metadata(), []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03})
}
