package daemon

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/storage/disk"
	"weir/storage/wal"
)

// JournalFile is what `weir wal inspect` shows of one file of a journal.
type JournalFile struct {
	File    string `json:"file"` // below the data directory
	Stream  string `json:"stream"`
	Bytes   int64  `json:"bytes"`
	Frames  int    `json:"frames"`
	Entries int    `json:"entries"`
	End     int64  `json:"end"` // where the last good frame ends
	Sealed  bool   `json:"sealed"`
	Torn    bool   `json:"torn"` // something that is no frame lies behind the end
	Problem string `json:"problem,omitempty"`
}

// JournalEntry is one entry of a journal.
type JournalEntry struct {
	File        string    `json:"file"`
	Offset      uint32    `json:"offset"` // of the payload
	Type        string    `json:"type"`
	Topic       string    `json:"topic,omitempty"` // name, or id if it has none any more
	Partition   int32     `json:"partition"`
	LeaderEpoch int32     `json:"leaderEpoch"`
	BaseOffset  int64     `json:"baseOffset"`
	LastOffset  int64     `json:"lastOffset"`
	Batches     uint32    `json:"batches"`
	Bytes       int       `json:"bytes"`
	Time        time.Time `json:"time"`
}

// InspectJournals reads the journals below dir, or those of all brokers of the data directory if dir is "", without changing anything. file is called
// for each file once its entries, if entry is not nil, were shown. It reports whether all can be read.
func InspectJournals(ctx context.Context, data, dir string, entry func(JournalEntry), file func(JournalFile)) (sound bool, err error) {
	x, err := examine(ctx, data)
	if err != nil {
		return false, err
	}
	defer func() {
		if closeErr := x.close(); err == nil {
			err = closeErr
		}
	}()
	root := x.path
	if dir != "" {
		if root, err = filepath.Abs(dir); err != nil {
			return false, problem("cannot read "+dir, err, "")
		}
	}
	streams, err := journalDirs(root)
	if err != nil {
		return false, problem("cannot look for journals below "+root, err, "name a directory that you may read")
	}
	if len(streams) == 0 {
		return false, &Problem{What: "there is no journal below " + root, Why: "no file there ends in .wal", Fix: "name a directory of a broker, or none for all"}
	}
	sound = true
	for _, s := range streams {
		ok, err := x.inspectJournal(ctx, s, entry, file)
		if err != nil {
			return false, err
		}
		sound = sound && ok
	}
	return sound, nil
}

// journalDirs finds the directories that hold journal files.
func journalDirs(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if dir := filepath.Dir(path); !d.IsDir() && filepath.Ext(path) == ".wal" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		return nil
	})
	return dirs, err
}

func (x *examined) inspectJournal(ctx context.Context, dir string, entry func(JournalEntry), file func(JournalFile)) (sound bool, err error) {
	var visit func(*wal.Entry)
	if entry != nil {
		name, err := x.namer(ctx, dir)
		if err != nil {
			return false, err
		}
		visit = func(e *wal.Entry) { entry(x.journalEntry(dir, e, name)) }
	}
	reports, err := wal.Inspect(ctx, disk.OS(filepath.Dir(dir)), filepath.Base(dir), visit)
	sound = err == nil
	for _, r := range reports {
		f := JournalFile{
			File: x.relative(filepath.Join(filepath.Dir(dir), filepath.FromSlash(r.Name))), Stream: r.Stream, Bytes: r.Bytes,
			Frames: r.Frames, Entries: r.Entries, End: r.End, Sealed: r.Sealed, Torn: r.Torn,
		}
		if r.Problem != nil {
			f.Problem = r.Problem.Error()
			sound = false
		}
		file(f)
	}
	if err != nil {
		file(JournalFile{File: x.relative(dir), Stream: filepath.Base(dir), Problem: err.Error()})
	}
	return sound, nil
}

// namer turns the topic ids of a journal into names.
func (x *examined) namer(ctx context.Context, dir string) (func(id [16]byte) string, error) {
	cluster := ""
	if parts := strings.Split(x.relative(dir), string(filepath.Separator)); len(parts) > 1 && parts[0] == "clusters" {
		cluster = parts[1]
	}
	names, err := x.topicNames(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return func(id [16]byte) string {
		if n, ok := names[id]; ok {
			return n
		}
		return hex.EncodeToString(id[:])
	}, nil
}

func (x *examined) journalEntry(dir string, e *wal.Entry, name func(id [16]byte) string) JournalEntry {
	j := JournalEntry{
		File: x.relative(filepath.Join(dir, fmt.Sprintf("%016x.wal", e.At.Seq))), Offset: e.At.Off, Type: e.Type.String(), Partition: e.Partition.Index,
		LeaderEpoch: e.LeaderEpoch, BaseOffset: e.BaseOffset, LastOffset: e.BaseOffset, Batches: e.Batches, Bytes: len(e.Payload),
		Time: time.UnixMilli(e.AppendMs).UTC(),
	}
	if e.Type != wal.Noop && e.Type != wal.Seal {
		j.Topic = name(e.Partition.Topic)
	}
	if e.Type == wal.Data {
		j.LastOffset += int64(e.LastDelta)
	}
	return j
}
