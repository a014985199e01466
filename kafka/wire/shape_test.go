package wire

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// requests yields every request and version that kmsg knows.
func requests(t testing.TB, fn func(t testing.TB, key, version int16)) {
	for key := range int16(kmsg.MaxKey + 1) {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		for v := range req.MaxVersion() + 1 {
			fn(t, key, v)
		}
	}
}

// fill gives v random content.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.IntN(200) - 100))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(r.IntN(200)))
	case reflect.Float64:
		v.SetFloat(r.Float64())
	case reflect.String:
		v.SetString("abcdefghij"[:r.IntN(11)])
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Slice:
		if n := r.IntN(4); n == 0 && v.Type().Elem().Kind() != reflect.Uint8 {
			v.SetZero()
		} else {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i))
			}
		}
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Struct:
		if isTags(v.Type()) {
			for range r.IntN(3) {
				v.Addr().Interface().(*kmsg.Tags).Set(uint32(1000+r.IntN(500)), []byte("tag"))
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Version" {
				fill(r, v.Field(i))
			}
		}
	default:
		panic(v.Type().String())
	}
}

// The shape of every message must walk exactly the bytes that kmsg writes for it, and no prefix of them.
func TestShapesMatchTheEncoder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d := NewDecoder(1 << 20)
	requests(t, func(t testing.TB, key, version int16) {
		s, err := d.shape(key, version)
		if err != nil {
			t.Error(err)
			return
		}
		for range 20 {
			req, _ := NewRequest(key, version)
			fill(r, reflect.ValueOf(req).Elem())
			body := req.AppendTo(nil)
			c := checker{r: reader{b: body}, flexible: req.IsFlexible(), costMax: 1 << 20}
			if err := c.structure(s); err != nil || len(c.r.b) != 0 {
				t.Errorf("%s version %d: %d of %d bytes left, %v", kmsg.NameForKey(key), version, len(c.r.b), len(body), err)
				return
			}
			for cut := range body {
				if _, err := d.Check(req, body[:cut]); err == nil {
					t.Errorf("%s version %d: %d of %d bytes pass", kmsg.NameForKey(key), version, cut, len(body))
					return
				}
			}
			back, _ := NewRequest(key, version)
			if err := d.Decode(back, body); err != nil {
				t.Errorf("%s version %d: %v", kmsg.NameForKey(key), version, err)
				return
			}
			if !bytes.Equal(back.AppendTo(nil), body) {
				t.Errorf("%s version %d: decoded and encoded again it is another message", kmsg.NameForKey(key), version)
				return
			}
		}
	})
}

// Counts and lengths that lie must cost nothing: neither memory nor time.
func TestDecodeRefusesAbsurdCounts(t *testing.T) {
	d := NewDecoder(1 << 20)
	zeros := make([]byte, 1<<20)
	tests := []struct {
		name         string
		key, version int16
		body         []byte
	}{
		{"array of 2^31-1", 3, 1, []byte{0x7f, 0xff, 0xff, 0xff, 0}},
		{"array below null", 3, 1, []byte{0xff, 0xff, 0xff, 0xfe}},
		{"compact array of 2^32-2", 3, 9, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"as many elements as bytes left", 3, 1, append([]byte{0, 0x0f, 0xff, 0xff}, zeros...)},
		{"2^32-1 tagged fields after the end", 18, 3, []byte{2, 'a', 2, 'b', 0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"65 tagged fields", 18, 3, append([]byte{2, 'a', 2, 'b', 65}, zeros[:130]...)},
		{"varint of 10 bytes", 18, 3, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
		{"tag longer than the rest", 18, 3, []byte{2, 'a', 2, 'b', 1, 9, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"string longer than the rest", 19, 0, []byte{0, 0, 0, 1, 0x7f, 0xff, 'x'}},
		{"bytes longer than the rest", 0, 3, []byte{0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}},
		{"empty", 1, 12, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, _ := NewRequest(tt.key, tt.version)
			d.Check(req, tt.body) // learns the shape
			size, took := uint64(math.MaxUint64), time.Duration(math.MaxInt64)
			for range 5 { // the least of some: a machine with much to do lets any of them wait
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				started := time.Now()
				err := d.Decode(req, tt.body)
				took = min(took, time.Since(started))
				runtime.ReadMemStats(&after)
				size = min(size, after.TotalAlloc-before.TotalAlloc)
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("got %v", err)
				}
			}
			if size > 4096 {
				t.Errorf("took %d bytes", size)
			}
			if took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Many small elements take more memory than wire: the decoder's bound holds for what they take.
func TestDecodeChargesWhatElementsTake(t *testing.T) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	for range 10_000 {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: new("")})
	}
	body := req.AppendTo(nil) // 20 kB for 10,000 topics
	if err := NewDecoder(100_000).Decode(req, body); !errors.Is(err, ErrMalformed) {
		t.Errorf("10,000 topics in 100 kB: %v", err)
	}
	if err := NewDecoder(10_000_000).Decode(req, body); err != nil {
		t.Error(err)
	}
}

// FuzzFrame reads the outside of a request from any bytes: the size keeps its bounds, and what the header yields lies in the frame.
func FuzzFrame(f *testing.F) {
	requests(f, func(_ testing.TB, key, version int16) {
		req, _ := NewRequest(key, version)
		f.Add(kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(nil, req, 7), req.IsFlexible())
	})
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, flexible bool) {
		if len(b) < 4 {
			return
		}
		const most = 1 << 20
		n, err := Size([4]byte(b), most)
		if err == nil && (n < MinFrame || n > most) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("Size = %d, %v", n, err)
		}
		if b = b[4:]; len(b) < MinFrame {
			return
		}
		ParseStart(b)
		client, body, err := ParseRest(b[MinFrame:], flexible)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		if len(client)+len(body) > len(b)-MinFrame {
			t.Errorf("client id of %d bytes and body of %d from %d", len(client), len(body), len(b)-MinFrame)
		}
	})
}

// FuzzRequest holds the decoder to its bound for every request and version: no panic, and memory in proportion to the limit.
func FuzzRequest(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	requests(f, func(_ testing.TB, key, version int16) {
		req, _ := NewRequest(key, version)
		fill(r, reflect.ValueOf(req).Elem())
		f.Add(appendRequest(req))
	})
	d := NewDecoder(64 << 10)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < MinFrame {
			return
		}
		start := ParseStart(frame)
		req, ok := NewRequest(start.Key, start.Version)
		if !ok {
			return
		}
		_, body, err := ParseRest(frame[MinFrame:], req.IsFlexible())
		if err != nil {
			return
		}
		if _, err := d.shape(start.Key, start.Version); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = d.Decode(req, body)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%d bytes of %s version %d took %d bytes, %v", len(body), kmsg.NameForKey(start.Key), start.Version, n, err)
		}
		if err == nil {
			req.AppendTo(nil)
		}
	})
}

// appendRequest is a frame without its size.
func appendRequest(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(nil, req, 7)[4:]
}

func BenchmarkCheckProduce(b *testing.B) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 11
	for range 12 {
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "flights"
		for p := range int32(12) {
			topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: p, Records: make([]byte, 16<<10)})
		}
		req.Topics = append(req.Topics, topic)
	}
	body := req.AppendTo(nil)
	d := NewDecoder(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Check(req, body); err != nil {
			b.Fatal(err)
		}
	}
}
