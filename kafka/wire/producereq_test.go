package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func randomProduceRequest(r *rand.Rand, v int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = v, int16(r.IntN(3)-1), r.Int32()
	if r.IntN(4) == 0 {
		req.TransactionID = new("tx")
	}
	for range r.IntN(4) {
		t := kmsg.NewProduceRequestTopic()
		t.Topic, t.TopicID = fmt.Sprintf("flights-%d", r.IntN(20)), [16]byte{7, byte(r.IntN(200))}
		for range r.IntN(5) {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition = r.Int32()
			if n := r.IntN(200); n > 0 {
				p.Records = bytes.Repeat([]byte{byte(n)}, n)
			}
			if v >= 9 && r.IntN(10) == 0 {
				p.UnknownTags.Set(9, []byte("from the future"))
			}
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

// sameAsKmsg decodes body both ways: they must agree.
func sameAsKmsg(t *testing.T, d *Decoder, p *ProduceRequest, v int16, body []byte) {
	t.Helper()
	want := kmsg.NewPtrProduceRequest()
	want.Version = v
	wantErr := d.Decode(want, body)
	p.Reset()
	err := d.DecodeProduce(p, v, body)
	if errors.Is(wantErr, errCost) || errors.Is(err, errCost) {
		return // the two count differently
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("v%d: %v, kmsg says %v\n%x", v, err, wantErr, body)
	}
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatalf("v%d: %v", v, err)
		}
		return
	}
	if p.Acks != want.Acks || p.Transactional != (want.TransactionID != nil) || len(p.Topics) != len(want.Topics) {
		t.Fatalf("v%d: %+v, want %+v", v, p, want)
	}
	next := 0
	for i, wt := range want.Topics {
		gt := p.Topics[i]
		if gt.Name != wt.Topic || gt.ID != wt.TopicID || gt.Parts != len(wt.Partitions) {
			t.Fatalf("v%d topic %d: %+v, want %+v", v, i, gt, wt)
		}
		for _, wp := range wt.Partitions {
			if gp := p.Parts[next]; gp.Partition != wp.Partition || !bytes.Equal(gp.Records, wp.Records) {
				t.Fatalf("v%d part %d: %+v, want %+v", v, next, gp, wp)
			}
			next++
		}
	}
	if next != len(p.Parts) {
		t.Fatalf("v%d: %d parts, want %d", v, len(p.Parts), next)
	}
}

func TestDecodeProduceAgreesWithKmsg(t *testing.T) {
	d := NewDecoder(1 << 20)
	var p ProduceRequest
	for v := int16(3); v <= 13; v++ {
		for seed := range uint64(100) {
			r := rand.New(rand.NewPCG(seed, uint64(v)))
			body := randomProduceRequest(r, v).AppendTo(nil)
			sameAsKmsg(t, d, &p, v, body)
			for cut := range body {
				if cut%7 == int(seed)%7 {
					sameAsKmsg(t, d, &p, v, body[:cut])
				}
			}
			for range 20 {
				flipped := bytes.Clone(body)
				flipped[r.IntN(len(body))] ^= 1 << r.IntN(8)
				sameAsKmsg(t, d, &p, v, flipped)
			}
		}
	}
}

func FuzzDecodeProduce(f *testing.F) {
	for v := int16(3); v <= 13; v += 2 {
		f.Add(uint8(v), randomProduceRequest(rand.New(rand.NewPCG(1, uint64(v))), v).AppendTo(nil))
	}
	d := NewDecoder(1 << 20)
	f.Fuzz(func(t *testing.T, v uint8, body []byte) {
		var p ProduceRequest
		sameAsKmsg(t, d, &p, int16(3+v%11), body)
	})
}

func TestDecodeProduceAllocatesNothing(t *testing.T) {
	body := randomProduceRequest(rand.New(rand.NewPCG(3, 3)), 11).AppendTo(nil)
	d := NewDecoder(1 << 20)
	var p ProduceRequest
	n := testing.AllocsPerRun(100, func() {
		p.Reset()
		if err := d.DecodeProduce(&p, 11, body); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
