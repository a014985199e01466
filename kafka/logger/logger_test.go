package logger

import (
	"bytes"
	"context"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"weir/metadata"
)

const metadataLogger = "org.apache.kafka.image.loader.MetadataLoader"

// in is a record that a function of package metadata made.
func in(level slog.Level, message string) slog.Record {
	pc := reflect.ValueOf(metadata.ClusterPrefix).Pointer() + 1
	return slog.NewRecord(time.Now(), level, message, pc)
}

func TestLoggersHaveLevelsOfTheirOwn(t *testing.T) {
	var out bytes.Buffer
	levels := New(slog.LevelInfo)
	h := levels.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: Trace})).WithAttrs([]slog.Attr{slog.Int("broker", 1)})
	log := func(level slog.Level) (fromMetadata, fromElsewhere bool) {
		t.Helper()
		out.Reset()
		var pcs [1]uintptr
		runtime.Callers(1, pcs[:])
		for _, r := range []slog.Record{in(level, "one"), slog.NewRecord(time.Now(), level, "two", pcs[0])} {
			if h.Enabled(context.Background(), level) {
				if err := h.Handle(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		return strings.Contains(out.String(), "msg=one"), strings.Contains(out.String(), "msg=two")
	}
	want := func(level slog.Level, one, two bool) {
		t.Helper()
		if gotOne, gotTwo := log(level); gotOne != one || gotTwo != two {
			t.Errorf("%v: got %v and %v, want %v and %v", level, gotOne, gotTwo, one, two)
		}
	}
	want(slog.LevelDebug, false, false)
	want(slog.LevelInfo, true, true)
	debug, warn := slog.LevelDebug, slog.LevelWarn
	levels.Set(map[string]*slog.Level{metadataLogger: &debug})
	want(slog.LevelDebug, true, false)
	if all := levels.All(); all[metadataLogger] != "DEBUG" || all[Root] != "INFO" || all["kafka.server.KafkaApis"] != "INFO" {
		t.Errorf("levels: %v", all)
	}
	levels.Set(map[string]*slog.Level{metadataLogger: &warn, Root: &debug})
	want(slog.LevelInfo, false, true)
	levels.Set(map[string]*slog.Level{metadataLogger: nil})
	want(slog.LevelDebug, true, true)
	if !levels.Exists(Root) || levels.Exists("nosuch") {
		t.Error("what exists")
	}
}

func TestLevelsAreNamedAsInKafka(t *testing.T) {
	for _, n := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		l, err := ParseLevel(n)
		if err != nil || name(l) != n {
			t.Errorf("%s: got %v (%s), %v", n, l, name(l), err)
		}
	}
	if _, err := ParseLevel("debug"); err == nil {
		t.Error("a level in small letters is taken")
	}
	if got := ValidLevels(); got != "DEBUG, ERROR, FATAL, INFO, TRACE, WARN" {
		t.Error(got)
	}
}
