package compact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/storage/batch"
	"weir/storage/segment"
)

var start = time.UnixMilli(1_700_000_000_000)

func after(d time.Duration) Rules {
	return Rules{Now: start.Add(d), DeleteRetention: time.Hour, MaxBatchBytes: 1 << 20}
}

func newCleaner() *Cleaner { return New(NewKeyMap(1<<20, 0.9), testDecoder) }

// lines shows a log: a line for each batch.
func lines(t *testing.T, log []stored) string {
	t.Helper()
	var b strings.Builder
	for i := range log {
		h := log[i].header()
		fmt.Fprintf(&b, "[%d,%d]", h.BaseOffset, h.LastOffset())
		if ms, ok := h.DeleteHorizon(); ok {
			fmt.Fprintf(&b, " until %v", time.UnixMilli(ms).Sub(start))
		}
		if h.Control() {
			b.WriteString(" control")
		}
		rs, err := log[i].records()
		if err != nil {
			b.WriteString(" unreadable")
		}
		for _, r := range rs {
			if !h.Control() {
				fmt.Fprintf(&b, " %d:%s=%s", r.offset, r.key, r.value)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// made makes a log of batches: "a=1 b=2" is one, "-" as the value is null.
func made(codec batch.Codec, batches ...string) []stored {
	var log []stored
	next := int64(0)
	for _, text := range batches {
		s := spec{base: next, pid: -1, codec: codec}
		for pair := range strings.FieldsSeq(text) {
			k, v, _ := strings.Cut(pair, "=")
			if v == "-" {
				v = "<null>"
			}
			if k == "-" {
				k = "<null>"
			}
			s.records = append(s.records, rec{ts: start.UnixMilli() + next, key: k, value: v})
			next++
		}
		log = append(log, stored{bytes: s.build()})
	}
	return log
}

func clean(t *testing.T, c *Cleaner, log []stored, dirty int64, r Rules) []stored {
	t.Helper()
	out, err := run(c, log, dirty, r, 2)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func want(t *testing.T, log []stored, lns ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(lns, "\n")+"\n", lines(t, log)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLastRecordOfEachKeyStays(t *testing.T) {
	for _, codec := range []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			c := newCleaner()
			log := made(codec, "a=1 b=1 c=1", "a=2 a=3", "d=1 b=2", "a=4 e=1")
			out := clean(t, c, log, 0, after(0))
			want(t, out, "[0,2] 2:c=1", "[5,6] 5:d=1 6:b=2", "[7,8] 7:a=4 8:e=1")
			if !bytes.Equal(out[1].bytes, log[2].bytes) || !bytes.Equal(out[2].bytes, log[3].bytes) {
				t.Error("a batch of which nothing was dropped was written anew")
			}
			if h := out[0].header(); h.Codec() != codec || h.MaxTimestamp != start.UnixMilli()+2 {
				t.Errorf("header = %+v", h)
			}
			st := c.Stats()
			if st.Superseded != 4 || st.RecordsIn != 9 || st.RecordsOut != 5 || st.Keys != 5 || st.Rewritten != 1 || st.BatchesOut != 3 {
				t.Errorf("stats = %+v", st)
			}
		})
	}
}

func TestTombstoneStaysUntilItsHorizon(t *testing.T) {
	c := newCleaner()
	log := made(batch.None, "a=1 b=1", "a=- b=2", "c=1")
	log = clean(t, c, log, 0, after(0))
	want(t, log, "[2,3] until 1h0m0s 2:a=<null> 3:b=2", "[4,4] 4:c=1")
	if rs, _ := log[0].records(); rs[0].ts != start.UnixMilli()+2 || rs[1].ts != start.UnixMilli()+3 {
		t.Errorf("stamping changed timestamps: %+v", rs)
	}
	log = clean(t, c, log, 4, after(time.Hour-1))
	want(t, log, "[2,3] until 1h0m0s 2:a=<null> 3:b=2", "[4,4] 4:c=1")
	log = clean(t, c, log, 4, after(time.Hour))
	want(t, log, "[2,3] until 1h0m0s 3:b=2", "[4,4] 4:c=1")
	if c.Stats().Tombstones != 1 {
		t.Errorf("stats = %+v", c.Stats())
	}
}

// A map that is too small for the dirty part cleans a prefix of it. What lies behind is not even stamped: older values of its tombstones' keys
// may be there still.
func TestFullMapCleansAPrefix(t *testing.T) {
	c := New(NewKeyMap(4*slotBytes, 1), testDecoder) // 3 keys
	log := made(batch.None, "a=1 b=1", "a=2 c=1", "d=1 a=-", "b=2")
	log = clean(t, c, log, 0, after(0))
	if c.End() != 4 {
		t.Errorf("cleaned up to %d, want 4", c.End())
	}
	want(t, log, "[0,1] 1:b=1", "[2,3] 2:a=2 3:c=1", "[4,5] 4:d=1 5:a=<null>", "[6,6] 6:b=2")
	log = clean(t, c, log, c.End(), after(0))
	want(t, log, "[2,3] 3:c=1", "[4,5] until 1h0m0s 4:d=1 5:a=<null>", "[6,6] 6:b=2")

	c = New(NewKeyMap(4*slotBytes, 1), testDecoder)
	if _, err := run(c, made(batch.None, "a=1 b=1 c=1 d=1"), 0, after(0), 1); !errors.Is(err, ErrMapTooSmall) {
		t.Errorf("a map that is too small for one batch: %v", err)
	}
}

func TestRecordsWithoutKeyAreDropped(t *testing.T) {
	c := newCleaner()
	log := clean(t, c, made(batch.LZ4, "a=1 -=x", "-=y", "b=1"), 0, after(0))
	want(t, log, "[0,1] 0:a=1", "[3,3] 3:b=1")
	if c.Stats().Keyless != 2 {
		t.Errorf("stats = %+v", c.Stats())
	}
}

func TestWhatCannotBeDecodedStays(t *testing.T) {
	c := newCleaner()
	log := made(batch.Zstd, "a=1 b=1", "a=2")
	bad := stored{bytes: spec{base: 3, pid: -1, codec: batch.Zstd, corrupt: true, records: []rec{{key: "a", value: "3"}, {key: "b", value: "3"}}}.build(), unread: true}
	log = append(log, bad, stored{bytes: spec{base: 5, pid: -1, records: []rec{{key: "c", value: "1"}}}.build()})
	out := clean(t, c, log, 0, after(0))
	want(t, out, "[0,1] 1:b=1", "[2,2] 2:a=2", "[3,4] unreadable", "[5,5] 5:c=1")
	if !bytes.Equal(out[2].bytes, bad.bytes) || c.Stats().Unreadable != 1 {
		t.Errorf("stats = %+v", c.Stats())
	}
}

// A batch that says three records and holds two: clients do not get past it, so what its records would supersede stays.
func TestWhatIsReadBeforeTheDamageDoesNotCount(t *testing.T) {
	log := made(batch.Snappy, "a=1 b=1")
	bad := spec{base: 2, pid: -1, codec: batch.Snappy, records: []rec{{key: "a", value: "2"}, {key: "b", value: "2"}}}.build()
	binary.BigEndian.PutUint32(bad[23:], 2) // last offset delta
	binary.BigEndian.PutUint32(bad[57:], 3) // records
	batch.SetLogAppendTime(bad, 1)          // computes the CRC
	log = append(log, stored{bytes: bad, unread: true}, spec1(5, "c=1"))
	out := clean(t, newCleaner(), log, 0, after(0))
	if len(out) != 3 || !bytes.Equal(joined(out), joined(log)) {
		t.Errorf("left:\n%s", lines(t, out))
	}
}

// A batch that only we cannot decode may hold a value that a tombstone behind it hides.
func TestTombstoneBehindWhatCannotBeDecodedStays(t *testing.T) {
	c := newCleaner()
	log := made(batch.None, "a=-")
	bad := stored{bytes: spec{base: 1, pid: -1, codec: batch.Zstd, corrupt: true, records: []rec{{key: "b", value: "3"}}}.build(), unread: true}
	log = append(log, bad, spec1(2, "b=-"), spec1(3, "c=1"))
	log = clean(t, c, log, 0, after(0))
	log = clean(t, c, log, 3, after(2*time.Hour))
	want(t, log, "[1,1] unreadable", "[2,2] until 1h0m0s 2:b=<null>", "[3,3] 3:c=1")
}

func TestLastBatchOfLiveProducerStaysEmpty(t *testing.T) {
	var log []stored
	for i := range int64(4) {
		s := spec{base: i * 2, pid: 7 + i%2, epoch: 3, seq: int32(i / 2 * 2), records: []rec{{ts: 5, key: "a", value: "x"}, {ts: 6, key: "b", value: "x"}}}
		log = append(log, stored{bytes: s.build()})
	}
	log = append(log, made(batch.None, "a=1 b=1")[0])
	batch.SetOffsets(log[4].bytes, 8, 0)
	r := after(0)
	r.Producers = map[int64]Last{7: {Offset: 5, Epoch: 3}}
	c := newCleaner()
	out := clean(t, c, log, 0, r)
	want(t, out, "[4,5]", "[8,9] 8:a=1 9:b=1")
	h := out[0].header()
	if h.ProducerID != 7 || h.ProducerEpoch != 3 || h.LastSequence() != 3 || h.MaxTimestamp != 6 || h.Count != 0 {
		t.Errorf("header = %+v", h)
	}
	again := clean(t, c, out, 8, r)
	if !bytes.Equal(again[0].bytes, out[0].bytes) {
		t.Error("the empty batch was written anew")
	}
	r.Producers = nil // forgotten
	want(t, clean(t, c, out, 8, r), "[8,9] 8:a=1 9:b=1")
}

// A consumer at the end of the cleaned range must get there, though all its records be gone.
func TestLastBatchOfRangeStaysEmpty(t *testing.T) {
	var log []stored
	log = append(log, made(batch.None, "a=1", "-=1")...)
	want(t, clean(t, newCleaner(), log, 0, after(0)), "[0,0] 0:a=1", "[1,1]")
}

func transaction(base, pid int64, commit bool, keys string) []stored {
	data := made(batch.None, keys)
	rs, _ := data[0].records()
	for i := range rs {
		rs[i].ts = start.UnixMilli()
	}
	d := stored{bytes: spec{base: base, pid: pid, seq: 0, txn: true, records: rs}.build()}
	end := base + int64(len(rs))
	m := stored{bytes: marker(end, pid, 0, commit, start.UnixMilli())}
	if !commit {
		d.aborted = &segment.Aborted{ProducerID: pid, FirstOffset: base, LastOffset: end, LastStable: base}
	}
	return []stored{d, m}
}

func TestMarkersGoAfterTheirDataAndTheirHorizon(t *testing.T) {
	c := newCleaner()
	log := transaction(0, 7, true, "a=1 b=1")
	log = append(log, transaction(3, 8, false, "a=2 b=2")...)
	log = append(log, spec1(6, "a=3 b=3"))
	log = clean(t, c, log, 0, after(0))
	want(t, log, "[2,2] control", "[5,5] control", "[6,7] 6:a=3 7:b=3")
	if st := c.Stats(); st.Aborted != 2 || st.Superseded != 2 {
		t.Errorf("stats = %+v", st)
	}
	log = append(log, spec1(8, "c=1"))
	log = clean(t, c, log, 8, after(time.Minute))
	want(t, log, "[2,2] until 1h1m0s control", "[5,5] until 1h1m0s control", "[6,7] 6:a=3 7:b=3", "[8,8] 8:c=1")
	log = clean(t, c, log, 8, after(time.Hour))
	want(t, log, "[2,2] until 1h1m0s control", "[5,5] until 1h1m0s control", "[6,7] 6:a=3 7:b=3", "[8,8] 8:c=1")
	log = clean(t, c, log, 8, after(time.Hour+time.Minute))
	want(t, log, "[6,7] 6:a=3 7:b=3", "[8,8] 8:c=1")
	if c.Stats().Markers != 2 {
		t.Errorf("stats = %+v", c.Stats())
	}
}

func spec1(base int64, text string) stored {
	s := made(batch.None, text)[0]
	batch.SetOffsets(s.bytes, base, 0)
	return s
}

func TestAbortedDataDoNotHideTheLastValue(t *testing.T) {
	log := []stored{spec1(0, "a=1"), spec1(1, "b=1")}
	log = append(log, transaction(2, 8, false, "a=2")...)
	log = append(log, spec1(4, "b=2"))
	want(t, clean(t, newCleaner(), log, 0, after(0)), "[0,0] 0:a=1", "[3,3] control", "[4,4] 4:b=2")
}

// The empty batch of an aborted transaction keeps its marker, or a consumer would take the producer's next transaction for aborted.
func TestAbortMarkerStaysWithItsEmptyBatch(t *testing.T) {
	c := newCleaner()
	log := transaction(0, 8, false, "a=1")
	log = append(log, spec1(2, "a=2"))
	r := after(0)
	r.Producers = map[int64]Last{8: {Offset: 0}}
	for i := range 4 {
		r.Now = start.Add(time.Duration(i) * 2 * time.Hour)
		log = clean(t, c, log, 2, r)
		want(t, log, "[0,0]", "[1,1] control", "[2,2] 2:a=2")
		if log[0].aborted == nil {
			t.Fatal("the transaction is not named as aborted any more")
		}
	}
	r.Producers = map[int64]Last{8: {Offset: -1}} // known by its markers only
	for i := range 4 {
		r.Now = start.Add(time.Duration(i) * 2 * time.Hour)
		log = clean(t, c, log, 2, r)
	}
	want(t, log, "[1,1] control", "[2,2] 2:a=2")
}

func TestOutputIsNotLargerThanAllowed(t *testing.T) {
	c := newCleaner()
	var rs []rec
	for i := range 300 {
		rs = append(rs, rec{ts: start.UnixMilli(), key: fmt.Sprint(i), value: "<null>"})
	}
	in := stored{bytes: spec{base: 0, pid: 9, seq: 100, records: rs}.build()}
	r := after(0)
	r.MaxBatchBytes = 100
	out := clean(t, c, []stored{in}, 0, r)
	next, seq, n := int64(0), int32(100), 0
	for i := range out {
		h := out[i].header()
		if len(out[i].bytes) > len(in.bytes) {
			t.Errorf("batch of %d bytes, the input has %d", len(out[i].bytes), len(in.bytes))
		}
		if _, ok := h.DeleteHorizon(); !ok || h.BaseOffset != next || h.BaseSequence != seq {
			t.Errorf("batch %d: %+v, want offset %d and sequence %d", i, h, next, seq)
		}
		next, seq, n = h.LastOffset()+1, h.LastSequence()+1, n+int(h.Count)
	}
	if len(out) < 2 || next != 300 || n != 300 {
		t.Errorf("%d batches up to %d with %d records", len(out), next, n)
	}

	// One record cannot be split.
	in = spec1(0, "a=-")
	r.MaxBatchBytes = 70
	out = clean(t, c, []stored{in}, 0, r)
	if len(out) != 1 || !bytes.Equal(out[0].bytes, in.bytes) || c.Stats().Oversize != 1 {
		t.Errorf("%s, stats %+v", lines(t, out), c.Stats())
	}
}

func TestLogAppendTimeIsKept(t *testing.T) {
	rs := []rec{{ts: 1, key: "a", value: "1"}, {ts: 2, key: "b", value: "<null>"}, {ts: 3, key: "a", value: "2"}}
	in := stored{bytes: spec{pid: -1, appendMs: 5000, records: rs}.build()}
	out := clean(t, newCleaner(), []stored{in}, 0, after(0))
	got, err := out[0].records()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]rec{{1, 5000, "b", "<null>"}, {2, 5000, "a", "2"}}, got, cmp.AllowUnexported(rec{})); diff != "" {
		t.Error(diff)
	}
}
