//go:build linux

package disk

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptors returns how many this process has of files below root.
func descriptors(t *testing.T, root string) int {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	n := 0
	for _, e := range es {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, root) {
			n++
		}
	}
	return n
}

// pattern returns aligned bytes that differ from page to page.
func pattern(pages int) []byte {
	b := AlignedBuffer(pages * DirectAlign)
	for i := range b {
		b[i] = byte(i*7 + i/DirectAlign)
	}
	return b
}

// TestWriteDirectOnEveryFileSystem runs where the tests' files are, and on tmpfs, which takes no direct writes or takes them for others.
func TestWriteDirectOnEveryFileSystem(t *testing.T) {
	roots := map[string]string{"tests": t.TempDir()}
	var st unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &st); err == nil && uint32(st.Type) == unix.TMPFS_MAGIC {
		dir, err := os.MkdirTemp("/dev/shm", "weir-disk-test-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		roots["tmpfs"] = dir
	}
	for name, root := range roots {
		t.Run(name, func(t *testing.T) {
			fsys := OS(root)
			f, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]byte, 9*DirectAlign+100)
			write := func(p []byte, off int) {
				t.Helper()
				copy(want[off:], p)
				if err := f.WriteDirect(p, int64(off)); err != nil {
					t.Fatal(err)
				}
			}
			write(pattern(3), DirectAlign)
			if err := fsys.Rename("a", "b"); err != nil { // the second descriptor may come after a rename
				t.Fatal(err)
			}
			write(pattern(1), 0)
			write(pattern(4)[:DirectAlign], 2*DirectAlign) // over what is there
			if err := fsys.Remove("b"); err != nil {       // and after a removal
				t.Fatal(err)
			}
			write(pattern(5), 4*DirectAlign)
			tail := bytes.Repeat([]byte{9}, 100) // the end of a file is seldom a multiple of a page
			copy(want[9*DirectAlign:], tail)
			if _, err := f.WriteAt(tail, 9*DirectAlign); err != nil {
				t.Fatal(err)
			}
			unaligned := pattern(2)[100 : 100+DirectAlign] // against the contract, but what is written must be right
			write(unaligned, 6*DirectAlign)
			if err := f.Datasync(); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read back: %v", err)
			}
			if size, err := f.Size(); err != nil || size != int64(len(want)) {
				t.Fatalf("size %d, %v", size, err)
			}
			if n := descriptors(t, root); n < 1 || n > 2 {
				t.Errorf("%d descriptors of one file", n)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if n := descriptors(t, root); n != 0 {
				t.Errorf("%d descriptors are left", n)
			}
		})
	}
}

func TestOnlyDirectWritesTakeASecondDescriptor(t *testing.T) {
	root := t.TempDir()
	fsys := OS(root)
	for i := range 5 {
		f, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, 100), 0); err != nil {
			t.Fatal(err)
		}
		f.Advise(0, 100, WillNeed)
		f.Advise(0, 100, DontNeed)
		if n := descriptors(t, root); n != i+1 {
			t.Errorf("%d descriptors of %d files", n, i+1)
		}
	}
}

func TestConcurrentDirectWrites(t *testing.T) {
	f, err := OS(t.TempDir()).Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const writers = 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			p := AlignedBuffer(DirectAlign)
			for j := range p {
				p[j] = byte(i)
			}
			if err := f.WriteDirect(p, int64(i)*DirectAlign); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := make([]byte, writers*DirectAlign)
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	for i := range writers {
		if !bytes.Equal(got[i*DirectAlign:][:DirectAlign], bytes.Repeat([]byte{byte(i)}, DirectAlign)) {
			t.Errorf("block %d has other bytes", i)
		}
	}
}

// pair returns two ends of a TCP connection.
func pair(t *testing.T) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func raw(t *testing.T, c *net.TCPConn) syscall.RawConn {
	t.Helper()
	r, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func filled(t *testing.T, n int) (File, []byte) {
	t.Helper()
	f, err := OS(t.TempDir()).Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	want := pattern((n + DirectAlign - 1) / DirectAlign)[:n]
	if _, err := f.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	return f, want
}

func TestSendToPastTheEndSaysHowMuchItSent(t *testing.T) {
	f, want := filled(t, 10_000)
	a, b := pair(t)
	n, err := f.SendTo(raw(t, a), 4000, 10_000)
	if n != 6000 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("sent %d: %v", n, err)
	}
	got := make([]byte, 6000)
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, want[4000:]) {
		t.Fatalf("received: %v", err)
	}
	if n, err := f.SendTo(raw(t, a), 0, 0); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
}

func TestSendToEndsWithTheDeadline(t *testing.T) {
	f, want := filled(t, 32<<20) // more than the sockets hold
	a, b := pair(t)
	if err := a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := f.SendTo(raw(t, a), 0, int64(len(want)))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n >= int64(len(want)) {
		t.Fatalf("sent %d: %v", n, err)
	}
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	if err != nil || int64(len(got)) != n || !bytes.Equal(got, want[:n]) {
		t.Fatalf("received %d of the %d that were said to be sent, %v", len(got), n, err)
	}
}

func TestSendToAClosedConnectionFails(t *testing.T) {
	f, want := filled(t, 8<<20)
	a, b := pair(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := f.SendTo(raw(t, a), 0, int64(len(want))); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("peer closed: sent %d, %v", n, err)
	}
	r := raw(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := f.SendTo(r, 0, int64(len(want))); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: sent %d, %v", n, err)
	}
}

func TestSendToRunsBesideItself(t *testing.T) {
	f, want := filled(t, 3<<20)
	var wg sync.WaitGroup
	for i := range 6 {
		a, b := pair(t)
		off := i * 10_000
		wg.Go(func() {
			if n, err := f.SendTo(raw(t, a), int64(off), int64(len(want)-off)); err != nil || n != int64(len(want)-off) {
				t.Errorf("sent %d: %v", n, err)
			}
			_ = a.CloseWrite()
		})
		wg.Go(func() {
			if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, want[off:]) {
				t.Errorf("from %d: received %d bytes, %v", off, len(got), err)
			}
		})
	}
	wg.Wait()
}

func TestReadOnlyFileRefusesDirectWrites(t *testing.T) {
	fsys := OS(t.TempDir())
	w, err := fsys.Open("a", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f, err := fsys.Open("a", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.WriteDirect(pattern(1), 0); err == nil {
		t.Error("a file opened for reading was written")
	}
	if size, err := w.Size(); size != 0 || err != nil {
		t.Errorf("it has %d bytes, %v", size, err)
	}
}

// BenchmarkWrite compares the ways that 1 MiB goes to a file and its medium.
func BenchmarkWrite(b *testing.B) {
	p := pattern(256)
	for name, write := range map[string]func(f File, off int64) error{
		"buffered": func(f File, off int64) error {
			_, err := f.WriteAt(p, off)
			return err
		},
		"direct": func(f File, off int64) error { return f.WriteDirect(p, off) },
	} {
		b.Run(name, func(b *testing.B) {
			f, err := OS(b.TempDir()).Open("f", os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var before, after unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(p)))
			at := int64(0)
			for b.Loop() {
				if err := write(f, at%64*int64(len(p))); err != nil {
					b.Fatal(err)
				}
				if err := f.Datasync(); err != nil {
					b.Fatal(err)
				}
				at++
			}
			if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
				b.Fatal(err)
			}
			used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(used)/float64(at*int64(len(p))), "cpu-s/GB")
		})
	}
}
