package batch

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type kv struct {
	Offset, Timestamp int64
	Key, Value        string
	Headers           []string
}

func collect(t *testing.T, d *Decoder, b []byte) []kv {
	t.Helper()
	var out []kv
	for r, err := range d.Records(b) {
		if err != nil {
			t.Fatal(err)
		}
		e := kv{Offset: r.Offset, Timestamp: r.Timestamp, Key: text(r.Key), Value: text(r.Value)}
		for k, v := range r.Headers() {
			e.Headers = append(e.Headers, string(k)+"="+text(v))
		}
		out = append(out, e)
	}
	return out
}

// text tells null from empty.
func text(b []byte) string {
	if b == nil {
		return "<null>"
	}
	return string(b)
}

func TestBuiltBatchIsReadBack(t *testing.T) {
	b := NewBuilder()
	var want []kv
	maxTime := int64(0)
	for i := range 300 {
		ts := int64(1000 + i*i%77 - 10)
		k, v := []byte(fmt.Sprint("k", i)), []byte(fmt.Sprint("v", i))
		switch i % 5 {
		case 1:
			k = nil
		case 2:
			v = nil
		case 3:
			v = []byte{}
		}
		b.Add(ts, k, v)
		maxTime = max(maxTime, ts)
		want = append(want, kv{Offset: 5000 + int64(i), Timestamp: ts, Key: text(k), Value: text(v)})
	}
	bytes := b.Batch()
	if b.Count() != 0 || b.Batch() != nil {
		t.Error("builder is not empty after Batch")
	}
	info, err := Validate(bytes, Rules{OneBatch: true})
	if err != nil {
		t.Fatal(err)
	}
	if info.Records != 300 || info.Batches != 1 || info.MaxTimestamp != maxTime {
		t.Errorf("info = %+v", info)
	}
	if end := SetOffsets(bytes, 5000, 7); end != 5300 {
		t.Errorf("end offset = %d, want 5300", end)
	}
	if err := CheckCRC(bytes); err != nil {
		t.Errorf("after patching offsets: %v", err)
	}
	if diff := cmp.Diff(want, collect(t, NewDecoder(0), bytes)); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderSetsControlBits(t *testing.T) {
	b := NewBuilder()
	b.Control, b.Transactional, b.ProducerID, b.ProducerEpoch = true, true, 9, 2
	b.Add(1, []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0})
	bytes := b.Batch()
	info, err := Validate(bytes, Rules{FromCoordinator: true, Transactional: true})
	if err != nil {
		t.Fatal(err)
	}
	h := info.First
	if !h.Control() || !h.Transactional() || h.ProducerID != 9 || h.ProducerEpoch != 2 || h.LeaderEpoch != -1 {
		t.Errorf("header = %+v", h)
	}
}
