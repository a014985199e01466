package etcd

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// A new version of etcd may have moved its ticker.
func TestTicksAreSlowedDown(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir") // a socket's name must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := Start(t.Context(), Config{Dir: filepath.Join(dir, "etcd"), Socket: filepath.Join(dir, "s"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if !slowDown(s.etcd) {
		t.Error("the ticker was not found")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
