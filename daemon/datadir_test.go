package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/metadata"
	"weir/metadata/etcd"
)

func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openDataDir(dir)
	if p, ok := IsProblem(err); !ok || !strings.Contains(p.Why, "thesis.txt") {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was written: %v", entries)
	}
}

func TestFirstStartThatDidNotGetFarMayBeRepeated(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"LOCK", formatNew} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	d, err = openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.close()
}

func TestLongPathGetsShortSockets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	d, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(d.sockets)
	if s := filepath.Join(d.sockets, metadataSocket); len(s) > etcd.SocketPathMax {
		t.Errorf("socket %s has %d bytes", s, len(s))
	}
	if got := findSocket(dir, statusSocket); filepath.Dir(got) != d.sockets {
		t.Errorf("findSocket = %s; want it in %s", got, d.sockets)
	}
	again := d.sockets
	_ = d.close()
	if d, err = openDataDir(dir); err != nil || d.sockets != again {
		t.Errorf("next start: %v, %v; want the same sockets", d, err)
	}
	_ = d.close()
	// A directory that others may have prepared is not used.
	if err := os.Chmod(again, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(dir); err == nil {
		t.Error("a directory open to others was taken for sockets")
	}
}

func TestLogRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := bytes.Repeat([]byte("x"), logBytesMax/3)
	for range 20 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) != 1+logFilesMax {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > logBytesMax {
			t.Errorf("%s: %v, %v", f, info.Size(), err)
		}
	}
}

func TestOrphanWatch(t *testing.T) {
	tests := []struct {
		name                  string
		parentEnds, storeEnds time.Duration // zero: never
		storeBack             time.Duration
		want                  time.Duration // about when it ends; zero: not within the hour
	}{
		{name: "looked after"},
		{name: "node gone, metadata there", parentEnds: time.Minute},
		{name: "metadata gone, node there", storeEnds: time.Minute},
		{name: "both gone", parentEnds: time.Minute, storeEnds: time.Minute, want: 90 * time.Second},
		{name: "the next node comes", parentEnds: time.Minute, storeEnds: time.Minute, storeBack: 80 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := metadata.NewMem()
				defer store.Close()
				began := time.Now()
				passed := func(d time.Duration) bool { return d > 0 && time.Since(began) >= d }
				store.SetFault(func(metadata.Call) metadata.Fault {
					if passed(tt.storeEnds) && !passed(tt.storeBack) {
						return metadata.Fault{Before: errors.New("away")}
					}
					return metadata.Fault{}
				})
				w := newOrphanWatch(store, slog.New(slog.DiscardHandler))
				w.started = 10
				w.parent = func() int {
					if passed(tt.parentEnds) {
						return 1
					}
					return 10
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				orphan, took := w.run(ctx), time.Since(began).Round(5*time.Second)
				if orphan != (tt.want > 0) || (orphan && took != tt.want) {
					t.Errorf("orphan: %v after %s", orphan, took)
				}
			})
		})
	}
}
