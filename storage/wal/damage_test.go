package wal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/sim"
	"weir/storage/disk"
)

//nolint:gochecknoglobals // a flag
var damageStep = flag.Int64("damage.step", 61, "flip and cut at each so manieth byte; 1 is every byte and takes minutes")

// TestDamagedJournal flips one bit of bytes of the golden file, all eight in its headers, and cuts it, at each damage.step-th place. What is damaged is
// refused, or is what a crash leaves behind the last whole frame; what is read is what was written, or the beginning of it.
func TestDamagedJournal(t *testing.T) {
	kept, err := os.ReadFile("testdata/v1.wal")
	if err != nil {
		t.Fatal(err)
	}
	want, end := readDamaged(t, kept, Config{})
	if end == nil || len(want) != 7 {
		t.Fatalf("the golden file has %d entries", len(want))
	}
	used := int64(end.Off) + blockBytes // with the seal
	open := append([]byte(nil), kept...)
	clear(open[end.Off:used]) // as its writer left it
	last := int64(end.Off) - blockBytes

	for _, file := range []struct {
		name   string
		bytes  []byte
		sealed bool
	}{{"sealed", kept, true}, {"open", open, false}} {
		t.Run(file.name, func(t *testing.T) {
			damaged := append([]byte(nil), file.bytes...)
			for at := int64(0); at < used; at += *damageStep {
				bits := 1
				if at%blockBytes < frameHeaderBytes+recordBytes {
					bits = 8
				}
				for bit := range bits {
					flip := byte(1) << ((int(at) + bit) % 8)
					damaged[at] ^= flip
					got, _ := readDamaged(t, damaged, Config{})
					// Only the last frame of a log that was not sealed may go: it looks torn.
					whole := len(want)
					if !file.sealed && at >= last && at < int64(end.Off) {
						whole--
					}
					checkBeginning(t, fmt.Sprintf("bit %d of byte %d", bit, at), want, got, whole)
					if !file.sealed && at >= last {
						// Who knows how far the log reached does not take it for torn.
						if got, _ := readDamaged(t, damaged, Config{AtLeast: *end}); got != nil {
							checkBeginning(t, fmt.Sprintf("bit %d of byte %d, known to be durable", bit, at), want, got, len(want))
						}
					}
					damaged[at] ^= flip
				}
			}
			for n := int64(0); n < used; n += *damageStep {
				got, _ := readDamaged(t, file.bytes[:n], Config{})
				checkBeginning(t, fmt.Sprintf("cut at %d", n), want, got, 1)
			}
		})
	}
}

// checkBeginning checks that what was read, if anything, is at least whole entries of want, the seal included, and that none is another.
func checkBeginning(t *testing.T, what string, want, got []Entry, whole int) {
	t.Helper()
	if got == nil {
		return // refused
	}
	if len(got) < whole || len(got) > len(want) || got[len(got)-1].Type != Seal {
		t.Fatalf("%s: %d entries were read, at least %d are due", what, len(got), whole)
	}
	if diff := cmp.Diff(want[:len(got)-1], got[:len(got)-1]); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
}

// readDamaged recovers and reads a log of one file. It returns nothing if the log is refused.
func readDamaged(t *testing.T, b []byte, cfg Config) ([]Entry, *Position) {
	t.Helper()
	cfg.Stream = "3-1042"
	d := sim.NewDisk(1)
	write(t, d, "s/"+spanName(1), b)
	l, err := Recover(t.Context(), d, "s", cfg)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Fatalf("Recover: %v", err)
		}
		return nil, nil
	}
	defer closeLog(t, l)
	var got []Entry
	for e, err := range l.Read(context.Background(), Position{}) { //nolint:usetesting // as many as bytes
		if err != nil {
			t.Fatalf("Read of what Recover accepted: %v", err)
		}
		e.Payload = append([]byte(nil), e.Payload...)
		got = append(got, e)
	}
	end := l.End()
	return got, &end
}

func write(t *testing.T, d disk.FS, name string, b []byte) {
	t.Helper()
	if err := d.MkdirAll("s", 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
