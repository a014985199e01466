package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffConfigurations(t *testing.T) {
	tests := []struct {
		name, from, to string
		want           []PropertyChange
		restart        bool
	}{
		{name: "nothing", from: "num.partitions=3", to: "# three\nnum.partitions: 3"},
		{
			name: "followed by running brokers", from: "log.retention.ms=1000\nmin.insync.replicas=2", to: "log.retention.ms=2000",
			want: []PropertyChange{
				{Name: "log.retention.ms", From: "1000", To: "2000", Applies: AppliesLive},
				{Name: "min.insync.replicas", From: "2", To: "1", ToDefault: true, Applies: AppliesLive},
			},
		},
		{
			name: "no value and no default", to: "log.retention.ms=2000",
			want: []PropertyChange{{Name: "log.retention.ms", From: "-", FromDefault: true, To: "2000", Applies: AppliesLive}},
		},
		{
			name: "read at the start", from: "num.partitions=3", to: "num.partitions=4",
			want:    []PropertyChange{{Name: "num.partitions", From: "3", To: "4", Applies: AppliesRestart}},
			restart: true,
		},
		{
			name: "the default said aloud", to: "num.partitions=1",
			want: []PropertyChange{{Name: "num.partitions", From: "1", FromDefault: true, To: "1", Applies: AppliesSameness}},
		},
		{
			name: "no effect", from: "num.io.threads=8", to: "num.io.threads=16",
			want: []PropertyChange{{Name: "num.io.threads", From: "8", To: "16", Applies: AppliesLive, NoEffect: true}},
		},
		{
			name: "no property", to: "no.such=1",
			want:    []PropertyChange{{Name: "no.such", From: "-", FromDefault: true, To: "1", Applies: AppliesRestart}},
			restart: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ref := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return fileScheme + path
			}
			d, err := DiffConfigurations(t.Context(), filepath.Join(dir, "none"), "", ref("from", tt.from), ref("to", tt.to))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]PropertyChange{}, tt.want...), d.Changes); diff != "" {
				t.Error(diff)
			}
			if d.Restart != tt.restart {
				t.Errorf("restart %v", d.Restart)
			}
		})
	}
}

func TestConfigurationsThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("#", PropertiesBytesMax+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]ExitCode{long: ExitFailed, filepath.Join(dir, "none"): ExitNotFound, dir: ExitFailed} {
		_, err := ReadProperties(path, nil)
		if p, ok := IsProblem(err); !ok || p.Code != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, err := ReadProperties("-", strings.NewReader("a=b")); err != nil || text != "a=b" {
		t.Errorf("standard input: %q, %v", text, err)
	}
}
