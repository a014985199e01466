package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/storage/disk"
	"weir/storage/wal"
)

// filled is a broker with data in every tier: a bundle, segments, the journal, a base checkpoint and a delta.
func filled(t *testing.T) *rig {
	r := newRig(t, 4)
	for range 6 {
		r.produce(r.parts[0], 10, 1000) // a segment of its own
	}
	r.produce(r.parts[1], 3, 100) // in a bundle
	r.produce(r.parts[2], 3, 100)
	r.step("checkpoint", r.engine.Checkpoint)
	r.step("flush", r.engine.Flush)
	r.step("checkpoint", r.engine.Checkpoint)
	r.produce(r.parts[1], 2, 50) // in the journal, before the checkpoint
	r.step("checkpoint", r.engine.Checkpoint)
	r.produce(r.parts[3], 5, 50) // in the journal, behind the checkpoint
	r.produce(r.parts[0], 5, 50)
	r.stop()
	return r
}

func TestHealthyDirectoryHasNoFindings(t *testing.T) {
	r := filled(t)
	for _, known := range []Known{r.known(), {}} {
		report, err := Examine(t.Context(), disk.OS(r.dir), known, nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.Worst() != Note {
			t.Errorf("findings in a healthy directory: %+v", report.Findings)
		}
		if report.Partitions != 4 || report.Containers < 2 || report.Checkpoints < 2 || report.Entries == 0 {
			t.Errorf("not all was looked at: %+v", report)
		}
	}
}

func TestEveryPlantedFaultIsFound(t *testing.T) {
	r := filled(t)
	bundle, segment := r.files("blob/b/*"), r.files("blob/s/*/*/*")
	checkpoints, journal := r.files("blob/c/*/*"), r.files("wal/*/*.wal")
	if len(bundle) == 0 || len(segment) == 0 || len(checkpoints) < 2 || len(journal) == 0 {
		t.Fatalf("the broker has bundles %v, segments %v, checkpoints %v, journal %v", bundle, segment, checkpoints, journal)
	}
	base, newest := checkpoints[0], checkpoints[len(checkpoints)-1]
	p := func(i int32) wal.Partition { return wal.Partition{Topic: [16]byte{1}, Index: i} }
	tests := []struct {
		name  string
		file  string
		plant func(t *testing.T, path string)
		parts []wal.Partition // that must be named
	}{
		{"bit in a bundle", bundle[0], flip(100), nil},
		{"bit in a segment's data", segment[0], flip(5000), []wal.Partition{p(0)}},
		{"bit in a footer", segment[0], flip(-10), []wal.Partition{p(0)}},
		{"bundle gone", bundle[0], remove, []wal.Partition{p(1), p(2)}},
		{"segment gone", segment[0], remove, []wal.Partition{p(0)}},
		{"segment cut", segment[0], cut(1000), []wal.Partition{p(0)}},
		{"segment in the place of another", bundle[0], replace(filepath.Join(r.dir, segment[0])), []wal.Partition{p(1)}},
		{"bit in the base of the checkpoint", base, flip(200), nil},
		{"bit in the newest checkpoint", newest, flip(70), nil},
		{"checkpoint gone", newest, remove, nil},
		{"base of the checkpoint gone", base, remove, nil},
		{"checkpoint cut", newest, cut(50), nil},
		{"bit in the journal's header", journal[0], flip(20), nil},
		{"bit in a frame that others follow", journal[0], flip(4096 + 60), nil},
		{"journal behind the checkpoint's place", journal[len(journal)-1], zero(4096), nil},
		{"journal file gone", journal[len(journal)-1], remove, nil},
		{"journal gone", filepath.Dir(journal[0]), remove, nil},
		{"foreign file among the checkpoints", filepath.Dir(newest) + "/readme", put("hello"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := r.copyTo(t)
			tt.plant(t, filepath.Join(dir, tt.file))
			report, err := Examine(t.Context(), disk.OS(dir), r.known(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if report.Worst() == Note {
				t.Fatalf("nothing was found: %+v", report.Findings)
			}
			for _, want := range tt.parts {
				if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Severity > Note && slices.Contains(f.Partitions, want) }) {
					t.Errorf("partition %d is not named: %+v", want.Index, report.Findings)
				}
			}
			for _, f := range report.Findings {
				if f.Where == "" || f.What == "" || f.Do == "" {
					t.Errorf("a finding does not say where, what and what to do: %+v", f)
				}
			}
		})
	}
}

func TestOnlyWhatTwoLooksFindCounts(t *testing.T) {
	first := &Report{Findings: []Finding{{Severity: Damage, Where: "a"}, {Severity: Damage, Where: "b"}, {Severity: Note, Where: "c"}}}
	second := &Report{Findings: []Finding{{Severity: Damage, Where: "b"}, {Severity: Damage, Where: "c"}, {Severity: Warning, Where: "d"}, {Severity: Note, Where: "e"}}}
	second.Confirm(first)
	if len(second.Findings) != 2 || second.Findings[0].Where != "b" || second.Findings[1].Where != "e" {
		t.Errorf("left: %+v", second.Findings)
	}
}

func TestExaminationChangesNothing(t *testing.T) {
	r := filled(t)
	before := tree(t, r.dir)
	if _, err := Examine(t.Context(), disk.OS(r.dir), r.known(), nil); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, r.dir); after != before {
		t.Errorf("the directory changed from\n%s\nto\n%s", before, after)
	}
}

func TestReadYieldsEveryBatch(t *testing.T) {
	r := filled(t)
	c, err := Read(t.Context(), disk.OS(r.dir), r.known())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.parts {
		next := int64(0)
		for b, err := range c.Batches(t.Context(), p.name, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if b.Header.BaseOffset != next || b.File == "" {
				t.Fatalf("partition %d: batch at offset %d, expected %d", p.name.Index, b.Header.BaseOffset, next)
			}
			next = b.Header.LastOffset() + 1
		}
		if next != p.state.End {
			t.Errorf("partition %d: batches up to %d, it ends at %d", p.name.Index, next, p.state.End)
		}
	}
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.ModTime().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func edit(change func([]byte) []byte) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// flip flips a bit; a negative place counts from the end.
func flip(at int) func(t *testing.T, path string) {
	return edit(func(b []byte) []byte {
		if at < 0 {
			b[len(b)+at] ^= 4
		} else {
			b[at] ^= 4
		}
		return b
	})
}

// cut takes bytes off the end.
func cut(n int) func(t *testing.T, path string) {
	return edit(func(b []byte) []byte { return b[:len(b)-n] })
}

// zero overwrites all from a place on, as a disk that never wrote it.
func zero(from int) func(t *testing.T, path string) {
	return edit(func(b []byte) []byte { clear(b[from:]); return b })
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func replace(with string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		b, err := os.ReadFile(with)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func put(text string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
