package disk

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
)

func TestWriteDirectSyncFromManyAtOnce(t *testing.T) {
	f, err := OS(t.TempDir()).Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const writers, pieces, piece = 4, 20, 3 * DirectAlign
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			p := AlignedBuffer(piece)
			for i := range pieces {
				for j := range p {
					p[j] = byte(w*pieces + i + j%7)
				}
				if err := f.(DirectSyncer).WriteDirectSync(p, int64(w*pieces+i)*piece); err != nil { //nolint:errcheck // it is one
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got := make([]byte, piece)
	for n := range writers * pieces {
		if _, err := f.ReadAt(got, int64(n)*piece); err != nil {
			t.Fatal(err)
		}
		for j := range got {
			if got[j] != byte(n+j%7) {
				t.Fatalf("piece %d, byte %d is %d", n, j, got[j])
			}
		}
	}
}

func TestWriteDirectSyncTellsErrors(t *testing.T) {
	fsys := OS(t.TempDir())
	f, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	p := AlignedBuffer(DirectAlign)
	if err := f.(DirectSyncer).WriteDirectSync(p, 1<<62); !errors.Is(err, syscall.EFBIG) { //nolint:errcheck // it is one
		t.Errorf("beyond the largest file: %v", err)
	}
	copy(p, "still good")
	if err := f.(DirectSyncer).WriteDirectSync(p, 0); err != nil { //nolint:errcheck // it is one
		t.Fatal(err)
	}
	got := make([]byte, DirectAlign)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, p) {
		t.Errorf("read back: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.(DirectSyncer).WriteDirectSync(p, 0); err == nil { //nolint:errcheck // it is one
		t.Error("write to a closed file")
	}
}
