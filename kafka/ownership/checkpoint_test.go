package ownership

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/disk"
	"weir/storage/stream"
	"weir/storage/wal"
)

func (p *process) mustCheckpoint() {
	p.w.t.Helper()
	if err := p.Tiers().Checkpoint(p.w.t.Context()); err != nil {
		p.w.t.Fatal(err)
	}
}

// A restart replays what lies behind the newest checkpoint: nothing after a clean stop.
func TestRestartReplaysWhatFollowsTheCheckpoint(t *testing.T) {
	w := newWorld(t)
	k := partition.Key{Topic: w.create("t", 3).ID}
	p := w.mustStart()
	var want []string
	put := func(n int) {
		for range n {
			want = append(want, fmt.Sprintf("v%d", len(want)))
			mustAppend(t, p.await(k), want[len(want)-1])
		}
	}
	put(50)
	_ = p.stop()
	for _, s := range w.streams() {
		if s.Checkpoint == 0 || s.FromSeq == 0 {
			t.Errorf("no last checkpoint: %+v", s)
		}
	}
	p = w.mustStart()
	if n := w.replayed(); n != 1 { // the seal
		t.Errorf("%d entries were replayed after a clean stop", n)
	}
	put(20)
	p.mustCheckpoint()
	put(7)
	p.kill()
	p = w.mustStart()
	if n := w.replayed(); n != 7+1 && n != 1+7+1 { // an append is answered a moment before its commit counts as applied
		t.Errorf("%d entries were replayed, want 7 and the seal", n)
	}
	p.kill() // it wrote ADOPTs only: nothing is known of it
	p = w.mustStart()
	put(5)
	p.kill()
	p = w.mustStart()
	if n := w.replayed(); n < 7+1+5+1 {
		t.Errorf("%d entries were replayed of two streams", n)
	}
	if got := values(t, p.await(k)); !slices.Equal(got, want) {
		t.Errorf("read %d values, want %d: %v", len(got), len(want), got)
	}
}

// When nothing is left in the journals of older incarnations, these go, and so do their records.
func TestDrainedStreamsGo(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t)
	w.fs = disk.OS(dir)
	k := partition.Key{Topic: w.create("t", 1).ID}
	var want []string
	var p *process
	for range 4 {
		p = w.mustStart()
		for range 300 { // several files
			want = append(want, fmt.Sprintf("v%d", len(want)))
			mustAppend(t, p.await(k), want[len(want)-1])
		}
		_ = p.stop()
	}
	p = w.mustStart()
	if n := len(w.streams()); n != 5 {
		t.Fatalf("%d streams", n)
	}
	mustAppend(t, p.await(k), "last")
	want = append(want, "last")
	if err := p.Tiers().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.mustCheckpoint()
	if n := len(w.streams()); n != 1 {
		t.Errorf("%d streams are left", n)
	}
	if n := logs(t, dir); n != 1 {
		t.Errorf("%d logs are left", n)
	}
	if got := values(t, p.await(k)); !slices.Equal(got, want) {
		t.Errorf("read %d values, want %d", len(got), len(want))
	}
	p.kill()
	p = w.mustStart()
	if got := values(t, p.await(k)); !slices.Equal(got, want) {
		t.Errorf("read %d values after the restart, want %d", len(got), len(want))
	}
	// A crash between dropping a record and dropping its log leaves a directory that is older than the checkpoint.
	_ = p.stop()
	old := filepath.Join(dir, "wal", string(metadata.NewStreamID(1, 2)))
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "0000000000000007.wal"), []byte("remains"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.mustStart()
	eventually(t, "the remains are gone", func() bool {
		_, err := os.Stat(old)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// F6 and R1: what a checkpoint relies on is there and whole, or the broker does not start, and says which partitions are concerned.
func TestWhatTheCheckpointNeedsIsGone(t *testing.T) {
	journals := func(dir string) []string {
		files, err := filepath.Glob(filepath.Join(dir, "wal", "1-*", "*.wal"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	checkpoints := func(dir string) []string {
		files, err := filepath.Glob(filepath.Join(dir, "blob", "c", "1-*", "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		return files
	}
	tests := []struct {
		name   string
		damage func(dir string) error
		want   error
		says   []string
	}{
		{"the journal ends early", func(dir string) error {
			js := journals(dir)
			newest := js[len(js)-1]
			b, err := os.ReadFile(newest)
			if err != nil {
				return err
			}
			if len(b) <= 4096 || !slices.ContainsFunc(b[4096:], func(c byte) bool { return c != 0 }) {
				newest = js[len(js)-2] // the last one was made ahead
			}
			return os.Truncate(newest, 4096*3)
		}, wal.ErrCorrupt, []string{"was durable up to", "5 partitions may have lost records: busy-0 busy-1 idle-0"}},
		{"a journal file is missing", func(dir string) error { return os.Remove(journals(dir)[0]) }, wal.ErrCorrupt, []string{"1 partitions may have lost records: busy-1"}},
		{"the stream is missing", func(dir string) error { return os.RemoveAll(filepath.Dir(journals(dir)[0])) }, fs.ErrNotExist, []string{"recover stream 1-", "busy-1"}},
		{"the checkpoint is missing", func(dir string) error { return os.Remove(checkpoints(dir)[0]) }, nil, []string{"c/1-", "5 partitions"}},
		{"the checkpoint is damaged", func(dir string) error {
			b, err := os.ReadFile(checkpoints(dir)[0])
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 4
			return os.WriteFile(checkpoints(dir)[0], b, 0o600)
		}, stream.ErrCorrupt, []string{"c/1-", "5 partitions"}},
		{"the checkpoint is from the future", func(dir string) error {
			b, err := os.ReadFile(checkpoints(dir)[0])
			if err != nil {
				return err
			}
			b[8]++
			return os.WriteFile(checkpoints(dir)[0], b, 0o600)
		}, stream.ErrNewer, []string{"c/1-", "version 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWorld(t)
			w.fs = disk.OS(dir)
			k := partition.Key{Topic: w.create("busy", 2).ID, Index: 1}
			w.create("idle", 3)
			p := w.mustStart()
			for range 400 {
				mustAppend(t, p.await(k), strings.Repeat("v", 500))
			}
			p.mustCheckpoint()
			p.kill()
			if n := len(journals(dir)); n < 3 {
				t.Fatalf("%d journal files", n)
			}
			if err := tt.damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := w.start(w.config())
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("started with %v", err)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the message does not say %q: %v", s, err)
				}
			}
		})
	}
}

// The metadata may be away, or take a checkpoint without saying so; neither costs anything but time.
func TestPublishingFails(t *testing.T) {
	for name, fault := range map[string]metadata.Fault{
		"away": {Before: errors.New("away")}, "not heard": {After: errors.New("not heard")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			k := partition.Key{Topic: w.create("t", 3).ID}
			p := w.mustStart()
			mustAppend(t, p.await(k), "a")
			p.mustCheckpoint()
			mustAppend(t, p.await(k), "b")
			w.store.SetFault(func(c metadata.Call) metadata.Fault {
				if c.Method == "Commit" {
					return fault
				}
				return metadata.Fault{}
			})
			if err := p.Tiers().Checkpoint(t.Context()); err == nil {
				t.Error("published")
			}
			w.store.SetFault(nil)
			mustAppend(t, p.await(k), "c")
			p.mustCheckpoint()
			if s := w.streams()[p.streamID()]; s.Checkpoint != 3 {
				t.Errorf("%+v", s)
			}
			p.kill()
			p = w.mustStart()
			if got := values(t, p.await(k)); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("read %v", got)
			}
		})
	}
}

// Rule S1: a stream that somebody seals takes no checkpoint any more, and its broker ends.
func TestSealedStreamTakesNoCheckpoint(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1)
	p := w.mustStart()
	s := w.streams()[p.streamID()]
	s.State = metadata.StreamSealing
	w.commit(metadata.Put(metadata.StreamKey(cluster, s.ID), metadata.Encode(s)))
	if err := p.Tiers().Checkpoint(t.Context()); !errors.Is(err, ErrSuperseded) {
		t.Errorf("checkpoint: %v", err)
	}
	select {
	case err := <-p.ended:
		if !errors.Is(err, ErrSuperseded) {
			t.Errorf("Run: %v", err)
		}
		p.ended <- nil
	case <-time.After(time.Minute):
		t.Error("the broker goes on")
	}
	if got := w.streams()[p.streamID()]; got.Checkpoint != 0 {
		t.Errorf("%+v", got)
	}
}

// A deleted topic is in no checkpoint, whatever of it is still in the journal.
func TestDeletedTopicsLeaveCheckpoints(t *testing.T) {
	w := newWorld(t)
	gone, kept := w.create("gone", 2), w.create("kept", 1)
	p := w.mustStart()
	for i := range int32(2) {
		mustAppend(t, p.await(partition.Key{Topic: gone.ID, Index: i}), "x")
	}
	mustAppend(t, p.await(partition.Key{Topic: kept.ID}), "y")
	p.mustCheckpoint()
	w.commit(metadata.Delete(metadata.TopicKey(cluster, "gone")), metadata.Delete(metadata.AssignmentKey(cluster, gone.ID, 0)))
	eventually(t, "the partitions are closed", func() bool { return len(p.Leaders().Keys()) == 1 })
	for range 3 {
		p.mustCheckpoint()
		s := w.streams()[p.streamID()]
		c, err := stream.Load(t.Context(), p.blobs, string(s.ID), stream.Pointer{Number: s.Checkpoint})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Partitions) != 1 {
			t.Errorf("%d partitions in the checkpoint", len(c.Partitions))
		}
	}
	p.kill()
	p = w.mustStart()
	if n := len(p.Leaders().Keys()); n != 1 || len(p.follow.keepers()) != 0 {
		t.Errorf("%d partitions after the restart", n)
	}
}

// What the metadata give to another broker by mistake is kept until they give it back.
func TestPartitionsOfOthersAreKept(t *testing.T) {
	w := newWorld(t)
	topic := w.create("t", 2)
	k := partition.Key{Topic: topic.ID, Index: 1}
	p := w.mustStart()
	mustAppend(t, p.await(k), "a")
	_ = p.stop()
	lead := func(b metadata.BrokerID) {
		a := w.assignment(topic)
		a.Partitions[1].Leader = b
		a.Partitions[1].Epoch++
		w.commit(metadata.Put(metadata.AssignmentKey(cluster, topic.ID, 0), metadata.Encode(a)))
	}
	lead(2)
	for range 3 {
		p = w.mustStart()
		if _, err := p.Leaders().Get(k); !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Errorf("it is led: %v", err)
		}
		if err := p.Tiers().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.mustCheckpoint()
		if err := p.Tiers().Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = p.stop()
	}
	lead(1)
	p = w.mustStart()
	if got := values(t, p.await(k)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("read %v", got)
	}
	_ = p.stop()
	lead(2)
	p = w.mustStart()
	w.commit(metadata.Delete(metadata.TopicKey(cluster, "t")), metadata.Delete(metadata.AssignmentKey(cluster, topic.ID, 0)))
	eventually(t, "it is forgotten with its topic", func() bool { return len(p.follow.keepers()) == 0 })
	p.mustCheckpoint()
}

// Old records say nothing of checkpoints, and are read.
func TestStreamRecordWithoutCheckpoint(t *testing.T) {
	s, err := metadata.Decode[metadata.Stream](metadata.KV{Value: []byte(`{"id":"1-5","broker":1,"state":"SEALED","endSeq":3,"endOff":8192}`)})
	if err != nil || s.Checkpoint != 0 || s.EndSeq != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if b := metadata.Encode(s); bytes.Contains(b, []byte("heckpoint")) {
		t.Errorf("%s", b)
	}
}

// replayed is how many entries the last start replayed.
func (w *world) replayed() (n int64) {
	w.t.Helper()
	for _, r := range w.log.take() {
		if r.message == "stream replayed" {
			n += r.entries
		}
	}
	return n
}
