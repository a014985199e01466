package etcd

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/metadata"
)

// A server that cannot write its data keeps its locks. Its process must be able to end all the same.
func TestFailedServerLetsItsCallersGo(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := Start(t.Context(), Config{Dir: filepath.Join(dir, "etcd"), Socket: filepath.Join(dir, "s"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	changes := s.Store().Watch(t.Context(), "", 0)
	<-changes // it runs: a watch from now on says so
	s.fail("no space left")
	if err := <-s.Failed(); err == nil || err.Error() != "no space left" {
		t.Errorf("Failed = %v", err)
	}
	for range 1000 { // the server itself could still answer
		if _, _, err := s.Store().Get(t.Context(), "a"); !errors.Is(err, metadata.ErrUnavailable) {
			t.Fatalf("Get = %v; want ErrUnavailable", err)
		}
	}
	for b := range changes {
		if b.Err != nil && !errors.Is(b.Err, metadata.ErrUnavailable) {
			t.Errorf("the watch ended with %v", b.Err)
		}
	}
	closed := make(chan struct{})
	go func() {
		_ = s.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(time.Minute): // closeTimeout, and all the time that a busy machine may take
		t.Error("Close does not return")
	}
}
