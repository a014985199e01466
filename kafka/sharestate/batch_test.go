package sharestate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Merging is what it is offset by offset: more deliveries win, then the further state.
func TestMergeIsPerOffset(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const size = 60
	list := func(disjoint bool) (out []Batch) {
		for at := int64(0); at < size; {
			first := at + rnd.Int64N(4)
			last := first + rnd.Int64N(6)
			out = append(out, Batch{first, last, []DeliveryState{Available, Acknowledged, Archived}[rnd.IntN(3)], int16(rnd.IntN(3))})
			at = last + 1
			if !disjoint {
				at -= rnd.Int64N(8)
				if at < 0 || len(out) > 20 {
					break
				}
			}
		}
		return out
	}
	for range 3000 {
		a, b, start := list(true), list(rnd.IntN(3) > 0), rnd.Int64N(30)-5
		want := make(map[int64]Batch)
		for _, x := range append(slices.Clone(a), b...) {
			for o := x.First; o <= x.Last; o++ {
				if old, ok := want[o]; (!ok || x.wins(old)) && (start < 0 || o >= start) {
					want[o] = Batch{o, o, x.State, x.Count}
				}
			}
		}
		got := merge(a, b, start)
		n := 0
		for i, x := range got {
			if x.First > x.Last || i > 0 && (x.First <= got[i-1].Last || x.First == got[i-1].Last+1 && x.State == got[i-1].State && x.Count == got[i-1].Count) {
				t.Fatalf("not disjoint, sorted and joined: %v", got)
			}
			for o := x.First; o <= x.Last; o++ {
				if w := want[o]; w.State != x.State || w.Count != x.Count {
					t.Fatalf("offset %d: got %+v, want %+v of %v and %v", o, x, w, a, b)
				}
				n++
			}
		}
		if n != len(want) {
			t.Fatalf("%d offsets, want %d: %v and %v from %d make %v", n, len(want), a, b, start, got)
		}
	}
}

// Offsets have an end, and whoever writes a state may name it.
func TestMergeEndsAtTheLargestOffset(t *testing.T) {
	a := []Batch{{5, math.MaxInt64, Available, 1}}
	b := []Batch{{7, math.MaxInt64, Archived, 2}}
	want := []Batch{{5, 6, Available, 1}, {7, math.MaxInt64, Archived, 2}}
	for _, start := range []int64{-1, 5} {
		if got := merge(a, b, start); !slices.Equal(got, want) {
			t.Errorf("from %d: %v", start, got)
		}
		if got := merge(b, a, start); !slices.Equal(got, want) {
			t.Errorf("the other way round, from %d: %v", start, got)
		}
	}
	if got := merge(a, slices.Concat(b, b), math.MaxInt64); !slices.Equal(got, []Batch{{math.MaxInt64, math.MaxInt64, Archived, 2}}) {
		t.Errorf("of the last offset: %v", got)
	}
}

// As many batches as one may write may come in the worst order: laid over what was there one by one they took ten seconds.
func TestMergeOfManyOutOfOrder(t *testing.T) {
	news := make([]Batch, batchesMax)
	for i := range news {
		first := int64(2 * (len(news) - i))
		news[i] = Batch{first, first, Archived, 1}
	}
	got := merge(nil, news, -1)
	slices.Reverse(news)
	if !slices.Equal(got, news) {
		t.Errorf("%d batches make %d", len(news), len(got))
	}
}

func TestKeysAreThoseOfKafka(t *testing.T) {
	k := Key{Group: "a:b", Topic: [16]byte{1, 2, 0xff}, Partition: 7}
	got, err := ParseKey(k.String())
	if err != nil || got != k {
		t.Errorf("%v %v", got, err)
	}
	for _, s := range []string{"", "a", "a:b", ":AQL_AAAAAAAAAAAAAAAAAA:1", "g:AQL_AAAAAAAAAAAAAAAAAA:x", "g:short:1", "g:AQL_AAAAAAAAAAAAAAAAAA:99999999999"} {
		if _, err := ParseKey(s); err == nil {
			t.Errorf("%q is a key", s)
		}
	}
	// Java: Math.abs("g:AQL_AAAAAAAAAAAAAAAAAA:3".hashCode()) % 50.
	if k := (Key{Group: "g", Topic: [16]byte{1, 2, 0xff}, Partition: 3}); k.String() != "g:AQL_AAAAAAAAAAAAAAAAAA:3" {
		t.Error(k.String())
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	k := Key{Group: "group", Topic: [16]byte{5}, Partition: 2}
	for _, complete := range []int32{-1, 0, 12} {
		s := State{
			SnapshotEpoch: 1, StateEpoch: 2, LeaderEpoch: 3, Start: 4, Complete: complete, Created: 5, Written: 6,
			Batches: []Batch{{4, 5, Archived, 2}, {6, 9, Available, 1}},
		}
		r := snapshotRecord(k, &s)
		kind, key, err := readKey(r.Key)
		if err != nil || kind != snapshotKey || key != k {
			t.Fatal(kind, key, err)
		}
		if got, err := readSnapshot(r.Value); err != nil || fmt.Sprint(got) != fmt.Sprint(s) {
			t.Errorf("%+v %v", got, err)
		}
		s.StateEpoch, s.Created, s.Written = 0, 0, 0
		r = updateRecord(k, &s)
		if kind, key, err := readKey(r.Key); err != nil || kind != updateKey || key != k {
			t.Fatal(kind, key, err)
		}
		if got, err := readUpdate(r.Value); err != nil || fmt.Sprint(got) != fmt.Sprint(s) {
			t.Errorf("%+v %v", got, err)
		}
	}
	if r := snapshotRecord(k, nil); r.Value != nil {
		t.Error("a tombstone with a value")
	}
}

// Records of foreign logs are errors at worst, and what can be read stays what it is.
func FuzzRecords(f *testing.F) {
	k := Key{Group: "group", Topic: [16]byte{5}, Partition: 2}
	s := State{Start: 4, Complete: 9, Batches: []Batch{{4, 5, Archived, 2}}}
	snapshot, update := snapshotRecord(k, &s), updateRecord(k, &s)
	f.Add(snapshot.Key, snapshot.Value)
	f.Add(update.Key, update.Value)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		_, _, _ = readKey(key)
		if s, err := readSnapshot(value); err == nil {
			again, err := readSnapshot(snapshotRecord(k, &s).Value)
			if err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
				t.Errorf("%+v became %+v, %v", s, again, err)
			}
		}
		if u, err := readUpdate(value); err == nil {
			old := State{Start: -1, Batches: []Batch{{0, 9, Available, 1}, {20, math.MaxInt64, Archived, 2}}}
			merged := old.with(&u).Batches
			for i := 1; i < len(merged); i++ {
				if merged[i].First <= merged[i-1].Last {
					t.Fatalf("%+v makes %+v", u, merged)
				}
			}
		}
		sh := &shard{shares: make(map[Key]*share), log: nil}
		if kind, _, err := readKey(key); err == nil && (kind == snapshotKey || kind == updateKey) {
			_ = sh.Replay(key, value)
		}
	})
}
