package cell

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

const keys = 10

// numbered are records whose values are first, first+1, ...; every tenth has the same key.
func numbered(first, count int) []Record {
	records := make([]Record, count)
	for i := range records {
		n := first + i
		records[i] = Record{Key: fmt.Appendf(nil, "key-%d", n%keys), Value: fmt.Appendf(nil, "%d %s", n, bytes.Repeat([]byte("weir "), 30))}
	}
	return records
}

// number is the one that numbered put into a record, or -1.
func number(r Record) int {
	head, _, _ := bytes.Cut(r.Value, []byte(" "))
	n, err := strconv.Atoi(string(head))
	if err != nil {
		return -1
	}
	return n
}

// exactly checks that got are the numbered records, once each, and in order within each key.
func exactly(got []Record, first, count int) error {
	seen := map[int]bool{}
	for _, r := range got {
		n := number(r)
		switch {
		case n < first || n >= first+count:
			return fmt.Errorf("record %d is foreign: want %d up to %d", n, first, first+count-1)
		case seen[n]:
			return fmt.Errorf("record %d came twice", n)
		case string(r.Key) != fmt.Sprintf("key-%d", n%keys):
			return fmt.Errorf("record %d has the key %q", n, r.Key)
		}
		seen[n] = true
	}
	if len(seen) != count {
		return fmt.Errorf("%d of %d records came", len(seen), count)
	}
	byPlace := slices.Clone(got)
	slices.SortFunc(byPlace, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	last := map[string]int{}
	for _, r := range byPlace {
		if before, ok := last[string(r.Key)]; ok && before > number(r) {
			return fmt.Errorf("%s: record %d after record %d", r.Key, number(r), before)
		}
		last[string(r.Key)] = number(r)
	}
	return nil
}

func (r run) roundTrip(ctx context.Context, how Sending) error {
	const partitions, count = 3, 300
	if err := r.CreateTopic(ctx, r.name, partitions, nil); err != nil {
		return err
	}
	if err := r.Produce(ctx, r.name, numbered(0, count), how); err != nil {
		return err
	}
	got, err := r.Read(ctx, r.name, partitions, count, true)
	if err != nil {
		return err
	}
	return exactly(got, 0, count)
}

func (r run) headers(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	at := func(ms int64) time.Time { return time.UnixMilli(1_700_000_000_000 + ms) }
	sent := []Record{
		{Key: []byte("k"), Value: []byte("v"), Time: at(0), Headers: []Header{{"a", []byte("1")}, {"b", []byte{0, 255, 10}}, {"a", []byte("2")}}},
		{Key: []byte("tombstone"), Value: nil, Time: at(5), Headers: []Header{{"empty", []byte{}}}},
		{Key: nil, Value: []byte("no key"), Time: at(3)},
		{Key: []byte{}, Value: []byte{}, Time: at(1_000_000), Headers: []Header{{"ü", []byte("✓")}}},
	}
	if err := r.Produce(ctx, r.name, sent, Sending{Codec: "none"}); err != nil {
		return err
	}
	got, err := r.Read(ctx, r.name, 1, len(sent), true)
	if err != nil {
		return err
	}
	for i, want := range sent {
		g := got[i]
		if !bytes.Equal(g.Key, want.Key) || !bytes.Equal(g.Value, want.Value) ||
			i < 3 && ((want.Value == nil) != (g.Value == nil) || (want.Key == nil) != (g.Key == nil)) { // the last: empty, which some libraries send as null
			return fmt.Errorf("record %d is %q=%q, want %q=%q", i, g.Key, g.Value, want.Key, want.Value)
		}
		if !g.Time.Equal(want.Time) {
			return fmt.Errorf("record %d has time %v, want %v", i, g.Time, want.Time)
		}
		same := func(a, b Header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }
		if !slices.EqualFunc(g.Headers, want.Headers, same) {
			return fmt.Errorf("record %d has headers %q, want %q", i, g.Headers, want.Headers)
		}
	}
	return nil
}

func (r run) large(ctx context.Context) error {
	const size = 3 << 20
	if err := r.CreateTopic(ctx, r.name, 1, map[string]string{"max.message.bytes": "8388608"}); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	sent := make([]Record, 3)
	for i := range sent {
		sent[i] = Record{Key: []byte{byte(i)}, Value: make([]byte, size+i)}
		if _, err := random.Read(sent[i].Value); err != nil {
			return err
		}
	}
	if err := r.Produce(ctx, r.name, sent, Sending{Codec: "none", MaxBytes: 8 << 20}); err != nil {
		return err
	}
	got, err := r.Read(ctx, r.name, 1, len(sent), true)
	if err != nil {
		return err
	}
	for _, g := range got {
		if len(g.Key) != 1 || int(g.Key[0]) >= len(sent) || !bytes.Equal(g.Value, sent[g.Key[0]].Value) {
			return fmt.Errorf("the record of %d bytes with key %v is not what was sent", len(g.Value), g.Key)
		}
	}
	small := r.name + "-small"
	if err := r.CreateTopic(ctx, small, 1, nil); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := r.Produce(short, small, sent[:1], Sending{Codec: "none", MaxBytes: 8 << 20}); err == nil {
		return errors.New("a record over the topic's limit was taken")
	} else if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("a record over the topic's limit was not refused, but timed out")
	}
	return nil
}

func (r run) seek(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	if err := r.Produce(ctx, r.name, numbered(0, 100), Sending{Codec: "none"}); err != nil {
		return err
	}
	offsets := []int64{60, 10, 99, 0}
	got, err := r.Seek(ctx, r.name, offsets)
	if err != nil {
		return err
	}
	for i, want := range offsets {
		if got[i].Offset != want || number(got[i]) != int(want) {
			return fmt.Errorf("after seeking to %d came record %d at %d", want, number(got[i]), got[i].Offset)
		}
	}
	return nil
}

func (r run) times(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	base := time.UnixMilli(1_700_000_000_000)
	records := numbered(0, 50)
	for i := range records {
		records[i].Time = base.Add(time.Duration(i) * time.Minute)
	}
	if err := r.Produce(ctx, r.name, records, Sending{Codec: "none"}); err != nil {
		return err
	}
	tests := []struct {
		at   time.Time
		want int64
	}{
		{base.Add(-time.Hour), 0}, {base, 0}, {base.Add(20 * time.Minute), 20}, {base.Add(20*time.Minute + 1*time.Millisecond), 21},
		{base.Add(49 * time.Minute), 49}, {base.Add(50 * time.Minute), -1},
	}
	for _, tt := range tests {
		got, err := r.OffsetAt(ctx, r.name, tt.at)
		if err != nil {
			return err
		}
		// Some clients answer the end of the log where no record is as late.
		if got != tt.want && (tt.want >= 0 || got != int64(len(records)) && got >= 0) {
			return fmt.Errorf("the offset at %v is %d, want %d", tt.at, got, tt.want)
		}
	}
	return nil
}
