package etcd_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/metadata"
	"weir/metadata/etcd"
	"weir/metadata/storetest"
)

func start(t testing.TB, dir string) *etcd.Server {
	t.Helper()
	s, err := etcd.Start(t.Context(), etcd.Config{
		Dir:    filepath.Join(dir, "etcd"),
		Socket: filepath.Join(dir, "s"),
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestInProcessKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) metadata.Store {
		s := start(t, shortDir(t))
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s.Store()
	})
}

func TestSocketKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) metadata.Store {
		s := start(t, shortDir(t))
		store, err := etcd.Dial([]string{s.Endpoint()}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(store.Close(), s.Close()); err != nil {
				t.Error(err)
			}
		})
		return store
	})
}

func TestStateSurvivesARestart(t *testing.T) {
	dir := shortDir(t)
	s := start(t, dir)
	store, err := etcd.Dial([]string{s.Endpoint()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put("a", []byte("1"))}})
	if err != nil {
		t.Fatal(err)
	}
	events := store.Watch(t.Context(), "", rev+1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	defer s.Close()
	if kv, ok, err := s.Store().Get(t.Context(), "a"); !ok || err != nil || kv.Modified != rev {
		t.Fatalf("after the restart: %+v, %v, %v", kv, ok, err)
	}
	// A client of the former server goes on, its watch too.
	if _, err := s.Store().Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put("b", nil)}}); err != nil {
		t.Fatal(err)
	}
	select {
	case b := <-events:
		if b.Err != nil || b.Events[0].Key != "b" {
			t.Errorf("got %+v", b)
		}
	case <-time.After(time.Minute):
		t.Error("the watch did not resume")
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s := start(b, shortDir(b))
		_, err := s.Store().Commit(b.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put("a", nil)}})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkCommit(b *testing.B) {
	s := start(b, shortDir(b))
	defer s.Close()
	for b.Loop() {
		if _, err := s.Store().Commit(b.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put("a", nil)}}); err != nil {
			b.Fatal(err)
		}
	}
}

// etcd's way out of damaged files is to end the process; here they are an error.
func TestDamagedFilesAreAnError(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string){
		"log": func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "etcd", "member", "wal", "*.wal"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			damage(t, files[0], 200)
		},
		"database": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "etcd", "member", "snap", "db")
			damage(t, path, 20)
			damage(t, path, 4096+20)
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			s := start(t, dir)
			for range 50 {
				_, err := s.Store().Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put("a", make([]byte, 100))}})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			spoil(t, dir)
			s, err := etcd.Start(t.Context(), etcd.Config{
				Dir: filepath.Join(dir, "etcd"), Socket: filepath.Join(dir, "s"), ReadyTimeout: time.Second, Log: slog.New(slog.DiscardHandler),
			})
			if err == nil {
				_ = s.Close()
				t.Fatal("it started on damaged files")
			}
			t.Log(err)
		})
	}
}

func damage(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damaged damaged damaged damaged "), at); err != nil {
		t.Fatal(err)
	}
}
