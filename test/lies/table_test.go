package lies

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// lie is one batch, told to a kind of topic.
type lie struct {
	name  string
	topic string // plain, compacted or stamped
	batch batch
}

// Kinds of topics.
const (
	plainTopic     = "plain"
	compactedTopic = "compacted"
	stampedTopic   = "stamped"
)

// lies are all, each uncompressed and compressed.
func lies(now time.Time) []lie {
	var all []lie
	for codec, suffix := range []string{"", ", compressed"} {
		add := func(topic, name string, edit func(b *batch)) {
			b := honest(now)
			b.codec = codec
			edit(&b)
			all = append(all, lie{name + suffix, topic, b})
		}
		for _, topic := range []string{plainTopic, compactedTopic, stampedTopic} {
			add(topic, topic+": the truth", func(*batch) {})
		}
		head := func(name string, set func([]byte)) { add(plainTopic, name, func(b *batch) { b.head = set }) }
		for _, v := range []int64{1, -1, 7, math.MaxInt64, math.MinInt64} {
			head(fmt.Sprint("base offset ", v), put64(atBaseOffset, v))
		}
		for _, d := range []int32{1, -1, -60, -1000} {
			head(fmt.Sprintf("length %+d", d), func(b []byte) {
				binary.BigEndian.PutUint32(b[atLength:], binary.BigEndian.Uint32(b[atLength:])+uint32(d))
			})
		}
		for _, v := range []int32{0, -1, 48, 49, math.MaxInt32, math.MinInt32} {
			head(fmt.Sprint("length ", v), put32(atLength, v))
		}
		for _, v := range []int32{0, 5, -2, math.MaxInt32, math.MinInt32} {
			head(fmt.Sprint("leader epoch ", v), put32(atLeaderEpoch, v))
		}
		for _, v := range []int8{0, 1, 3, 127, -1, -128} {
			head(fmt.Sprint("magic ", v), func(b []byte) { b[atMagic] = byte(v) })
		}
		for bit := range 16 {
			head(fmt.Sprint("attribute bit ", bit), func(b []byte) {
				binary.BigEndian.PutUint16(b[atAttributes:], binary.BigEndian.Uint16(b[atAttributes:])^1<<bit)
			})
		}
		for _, v := range []byte{5, 6, 7} {
			head(fmt.Sprint("codec ", v), func(b []byte) { b[atAttributes+1] = b[atAttributes+1]&^7 | v })
		}
		for _, v := range []int32{0, 1, 3, -1, 100, math.MaxInt32, math.MinInt32} {
			head(fmt.Sprint("last offset delta ", v), put32(atLastDelta, v))
		}
		for _, v := range []int32{0, 1, 2, 4, -1, 1000, math.MaxInt32, math.MinInt32} {
			head(fmt.Sprint("count ", v), put32(atCount, v))
			if v > 0 {
				head(fmt.Sprintf("count and last offset delta of %d", v), func(b []byte) { put32(atCount, v)(b); put32(atLastDelta, v-1)(b) })
			}
		}
		for _, topic := range []string{plainTopic, stampedTopic} {
			for name, v := range map[string]int64{"-1": -1, "-2": -2, "-3": -3, "0": 0, "far back": 1, "far ahead": now.UnixMilli() + 1e10, "largest": math.MaxInt64, "least": math.MinInt64} {
				add(topic, topic+": base timestamp "+name, func(b *batch) { b.head = put64(atBaseTime, v) })
				add(topic, topic+": max timestamp "+name, func(b *batch) { b.head = put64(atMaxTime, v) })
				add(topic, topic+": base and max timestamp "+name, func(b *batch) { b.head = both(put64(atBaseTime, v), put64(atMaxTime, v)) })
			}
		}
		for _, pid := range []int64{-2, 0, 5_000_000, math.MaxInt64, math.MinInt64} {
			for _, epoch := range []int16{-1, 0, -2, math.MaxInt16} {
				for _, seq := range []int32{-1, 0, -2, math.MaxInt32} {
					head(fmt.Sprintf("producer %d epoch %d sequence %d", pid, epoch, seq), both(put64(atProducer, pid),
						func(b []byte) { binary.BigEndian.PutUint16(b[atEpoch:], uint16(epoch)) }, put32(atSequence, seq)))
				}
			}
		}
		head("epoch without a producer", func(b []byte) { b[atEpoch], b[atEpoch+1] = 0, 3 })
		head("sequence without a producer", put32(atSequence, 3))
		head("transactional with a producer that has no transaction", both(put64(atProducer, 6_000_000),
			func(b []byte) { b[atEpoch], b[atEpoch+1], b[atAttributes+1] = 0, 0, b[atAttributes+1]|0x10 }, put32(atSequence, 0)))
		wholeLies(add)
		recordLies(add)
		if codec == 1 {
			add(plainTopic, "garbage instead of records", func(b *batch) { b.body = func(p []byte) []byte { return []byte("not gzip at all") } })
			add(plainTopic, "nothing instead of records", func(b *batch) { b.body = func(p []byte) []byte { return nil } })
			add(plainTopic, "cut short", func(b *batch) { b.body = func(p []byte) []byte { return p[:len(p)-12] } })
			add(plainTopic, "bytes behind the stream", func(b *batch) { b.body = func(p []byte) []byte { return append(p, 1, 2, 3) } })
			add(plainTopic, "damaged", func(b *batch) { b.body = func(p []byte) []byte { p[15] ^= 0xff; return p } })
		}
	}
	return all
}

// wholeLies are about what batches are made of.
func wholeLies(add func(topic, name string, edit func(*batch))) {
	add(plainTopic, "checksum", func(b *batch) { b.whole = func(raw []byte) []byte { raw[atCRC] ^= 1; return raw } })
	add(plainTopic, "no batch", func(b *batch) { b.whole = func(raw []byte) []byte { return raw[:0] } })
	add(plainTopic, "two batches", func(b *batch) { b.whole = func(raw []byte) []byte { return append(raw, raw...) } })
	for _, n := range []int{1, 11, 12, 17, 60, headerBytes} {
		add(plainTopic, fmt.Sprintf("%d bytes of it", n), func(b *batch) { b.whole = func(raw []byte) []byte { return raw[:n] } })
		add(plainTopic, fmt.Sprintf("%d bytes more", n), func(b *batch) { b.whole = func(raw []byte) []byte { return append(raw, raw[:n]...) } })
	}
	add(plainTopic, "all but one byte", func(b *batch) { b.whole = func(raw []byte) []byte { return raw[:len(raw)-1] } })
	add(plainTopic, "too large", func(b *batch) {
		b.body = func(p []byte) []byte { return append(p, make([]byte, 2<<20)...) }
	})
	add(plainTopic, "an empty batch", func(b *batch) {
		b.records, b.head = nil, both(put32(atCount, 0), put32(atLastDelta, 0))
	})
	add(plainTopic, "an empty batch that says so", func(b *batch) { b.records = nil })
}

// recordLies are about what batches hold.
func recordLies(add func(topic, name string, edit func(*batch))) {
	second := func(name string, edit func(r *record)) {
		add(plainTopic, "record: "+name, func(b *batch) { edit(&b.records[1]) })
	}
	number := func(v int64) *int64 { return &v }
	for _, v := range []int64{0, -1, 3, 1000, math.MaxInt32, math.MinInt32} {
		second(fmt.Sprint("size ", v), func(r *record) { r.size = number(v) })
	}
	for _, v := range []int64{-1, 0, 5, math.MaxInt32, math.MinInt32, math.MaxInt64} {
		second(fmt.Sprint("offset delta ", v), func(r *record) { r.offsetDelta = v })
	}
	for _, v := range []int64{-1, -1 << 50, 1 << 40, math.MaxInt64, math.MinInt64} {
		second(fmt.Sprint("timestamp delta ", v), func(r *record) { r.timeDelta = v })
	}
	for _, v := range []int64{-2, 2, 4, 100, math.MaxInt32, math.MinInt32} {
		second(fmt.Sprint("key length ", v), func(r *record) { r.keyLen = number(v) })
		second(fmt.Sprint("value length ", v), func(r *record) { r.valueLen = number(v) })
	}
	for _, v := range []int64{-1, 1, 2, 100, math.MaxInt32, math.MinInt32} {
		second(fmt.Sprint("header count ", v), func(r *record) { r.headerCount = number(v) })
	}
	for _, v := range []int64{-1, -2, 0, 2, 100, math.MaxInt32} {
		second(fmt.Sprint("header key length ", v), func(r *record) { r.headerKey = number(v) })
	}
	second("attributes", func(r *record) { r.attributes = 0xff })
	second("null key and value", func(r *record) { r.key, r.value = nil, nil })
	second("bytes behind the headers", func(r *record) { r.padding = 3 })
	add(compactedTopic, "record: no key in a compacted topic", func(b *batch) { b.records[2].key = nil })
	add(plainTopic, "bytes behind the records", func(b *batch) { b.plain = func(p []byte) []byte { return append(p, 1, 2, 3) } })
	add(plainTopic, "records cut short", func(b *batch) { b.plain = func(p []byte) []byte { return p[:len(p)-2] } })
	add(plainTopic, "offsets with a gap", func(b *batch) {
		b.records[2].offsetDelta = 5
		b.head = put32(atLastDelta, 5)
	})
	add(plainTopic, "offsets the other way round", func(b *batch) { b.records[0].offsetDelta, b.records[2].offsetDelta = 2, 0 })
}

func put32(at int, v int32) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }
}

func put64(at int, v int64) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint64(b[at:], uint64(v)) }
}

func both(fns ...func([]byte)) func([]byte) {
	return func(b []byte) {
		for _, fn := range fns {
			fn(b)
		}
	}
}
