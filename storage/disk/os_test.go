package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWritevAtWritesAllParts(t *testing.T) {
	tests := []struct {
		name  string
		parts int
		size  func(i int) int
	}{
		{"none", 0, nil},
		{"one", 1, func(int) int { return 10 }},
		{"with empty ones", 9, func(i int) int { return i % 3 * 100 }},
		{"only empty ones", 5, func(int) int { return 0 }},
		{"more than the kernel takes at once", 3000, func(i int) int { return i % 7 }},
		{"larger than a page", 5, func(i int) int { return 5000 * i }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := OS(t.TempDir()).Open("f", os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var bufs [][]byte
			for i := range tt.parts {
				bufs = append(bufs, bytes.Repeat([]byte{byte(i + 1)}, tt.size(i)))
			}
			want := bytes.Join(bufs, nil)
			if n, err := f.WritevAt(bufs, 100); err != nil || n != len(want) {
				t.Fatalf("WritevAt = %d, %v, want %d", n, err, len(want))
			}
			got := make([]byte, len(want))
			if len(want) > 0 {
				if _, err := f.ReadAt(got, 100); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Error("bytes differ")
			}
			if err := f.Datasync(); err != nil {
				t.Error(err)
			}
			if size, err := f.Size(); err != nil || (len(want) > 0 && size != int64(100+len(want))) {
				t.Errorf("Size = %d, %v", size, err)
			}
		})
	}
}

func TestDirectoryOperations(t *testing.T) {
	root := t.TempDir()
	d := OS(root)
	if err := d.MkdirAll("a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("a/b/x", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := d.Open("a/b/x", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive open of an existing file: %v", err)
	}
	if err := d.Rename("a/b/x", "a/y"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a", "a/b", "."} {
		if err := d.SyncDir(dir); err != nil {
			t.Error(err)
		}
	}
	es, err := d.ReadDir("a")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range es {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"b", "y"}, names); diff != "" {
		t.Error(diff)
	}
	if err := d.Remove("a/y"); err != nil {
		t.Error(err)
	}
	if _, err := d.Open("a/y", os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of a removed file: %v", err)
	}
	if n, total, err := d.Space(); err != nil || n <= 0 || total < n {
		t.Errorf("Free = %d, %v", n, err)
	}
	if err := d.CheckLocal(); err != nil {
		t.Errorf("CheckLocal = %v", err)
	}
}

func TestNamesStayBelowRoot(t *testing.T) {
	d := OS(t.TempDir())
	for _, name := range []string{"../x", "/etc/x", "a/../../x", ""} {
		if _, err := d.Open(name, os.O_RDWR|os.O_CREATE, 0o600); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q) = %v", name, err)
		}
	}
}

func TestFullDiskIsErrNoSpace(t *testing.T) {
	err := mapped(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if err := mapped(syscall.EIO); errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v", err)
	}
}

func TestLockIsExclusive(t *testing.T) {
	root := t.TempDir()
	d := OS(root)
	l, err := d.Lock("LOCK")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock("LOCK"); !errors.Is(err, ErrLocked) {
		t.Errorf("second lock in this process: %v", err)
	}
	if got := lockInChild(t, root); got != "locked" {
		t.Errorf("another process got %q", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := lockInChild(t, root); got != "free" {
		t.Errorf("another process got %q after Close", got)
	}
}

// lockInChild runs this test binary again, to try the lock from another process.
func lockInChild(t *testing.T, root string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockChild$")
	cmd.Env = append(os.Environ(), "WEIR_LOCK_CHILD="+root)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(root, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestLockChild is what lockInChild runs; on its own it has nothing to do.
func TestLockChild(t *testing.T) {
	root := os.Getenv("WEIR_LOCK_CHILD")
	if root == "" {
		return
	}
	out := "free"
	if _, err := OS(root).Lock("LOCK"); errors.Is(err, ErrLocked) {
		out = "locked"
	}
	if err := os.WriteFile(filepath.Join(root, "out"), []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkWritevDatasync(b *testing.B) {
	f, err := OS(b.TempDir()).Open("f", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	bufs := [][]byte{make([]byte, 64), make([]byte, 1024), make([]byte, 3008)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.WritevAt(bufs, 0); err != nil {
			b.Fatal(err)
		}
		if err := f.Datasync(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLinkGivesAFileASecondNameOnce(t *testing.T) {
	fsys := OS(t.TempDir())
	f, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := fsys.Link("a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Link("a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second link: %v", err)
	}
}

func TestWriteDirectIsReadBack(t *testing.T) {
	fsys := OS(t.TempDir())
	f, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := AlignedBuffer(3 * DirectAlign)
	for i := range want {
		want[i] = byte(i * 7)
	}
	if err := f.WriteDirect(want, DirectAlign); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("buffered"), 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, DirectAlign); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read back: %v", err)
	}
}

func TestSendToReachesTheOtherEnd(t *testing.T) {
	fsys := OS(t.TempDir())
	f, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: more than the socket takes at once
	if _, err := f.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan []byte, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			got <- nil
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c)
		got <- all
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n, err := f.SendTo(raw, 5, int64(len(want)-5))
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system has no sendfile that we use")
	}
	if err != nil || n != int64(len(want)-5) {
		t.Fatalf("sent %d: %v", n, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(<-got, want[5:]) {
		t.Fatal("other bytes arrived")
	}
}
