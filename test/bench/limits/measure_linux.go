package limits

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// span is how long one probe takes.
const span = 700 * time.Millisecond

// Measure runs every probe; files are made in dir and removed.
func Measure(dir string) (Machine, error) {
	var m Machine
	var failed error
	step := func(name string, probe func() error) {
		if err := onThread(probe); err != nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", name, err))
		}
	}
	file := filepath.Join(dir, "probe")
	defer os.Remove(file)
	step("memory copy", func() (err error) { m.Copy, err = copyMemory(); return })
	step("checksum", func() (err error) { m.Checksum, err = checksum(); return })
	step("synced write", func() (err error) { m.SyncedWrite, err = syncedWrite(file); return })
	step("direct write", func() (err error) { m.DirectWrite, err = directWrite(file); return })
	step("sync", func() (err error) { m.Sync, err = syncLatency(file); return })
	step("cold read", func() (err error) { m.ColdRead, err = coldRead(file); return })
	step("loopback", func() (err error) { m.Receive, m.Send, err = loopback(); return })
	step("sendfile", func() (err error) { m.Sendfile, err = sendfile(file); return })
	step("round trip", func() (err error) { m.RoundTrip, err = roundTrip(); return })
	return m, failed
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// meter measures the thread that it is used on.
type meter struct {
	begin time.Time
	cpu   time.Duration
}

func newMeter() meter { return meter{time.Now(), threadCPU()} }

func (m meter) rate(bytes int64) Rate {
	wall, cpu := time.Since(m.begin), threadCPU()-m.cpu
	return Rate{MBps: float64(bytes) / 1e6 / wall.Seconds(), CPUPerGB: cpu.Seconds() / (float64(bytes) / 1e9)}
}

func (m meter) running() bool { return time.Since(m.begin) < span }

func (m meter) latency(each []time.Duration) Latency {
	if len(each) == 0 {
		return Latency{}
	}
	cpu := (threadCPU() - m.cpu) / time.Duration(len(each))
	slices.Sort(each)
	return Latency{P50: each[len(each)/2], P99: each[len(each)*99/100], CPU: cpu}
}

func threadCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		panic(err) // the arguments are constant
	}
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}

func copyMemory() (Rate, error) {
	from, to := make([]byte, 64<<20), make([]byte, 64<<20)
	for i := range from {
		from[i] = byte(i) // a page that nothing was written to is the one page of zeros
	}
	copy(to, from)
	var n int64
	m := newMeter()
	for m.running() {
		n += int64(copy(to, from))
	}
	return m.rate(n), nil
}

func checksum() (Rate, error) {
	b, table := make([]byte, 64<<10), crc32.MakeTable(crc32.Castagnoli)
	var n int64
	m := newMeter()
	for m.running() {
		for range 64 {
			b[0] ^= byte(crc32.Checksum(b, table))
			n += int64(len(b))
		}
	}
	return m.rate(n), nil
}

// fileBytes is the size of the file that is written and read.
const fileBytes = 512 << 20

// aligned is a buffer that direct I/O takes.
func aligned(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func syncedWrite(path string) (Rate, error) {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return Rate{}, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 1<<20)
	m := newMeter()
	var n int64
	for n < fileBytes { // all of it: the other probes need the file
		if _, err := unix.Write(fd, buf); err != nil {
			return Rate{}, err
		}
		if err := unix.Fdatasync(fd); err != nil {
			return Rate{}, err
		}
		n += int64(len(buf))
	}
	return m.rate(n), nil
}

func directWrite(path string) (Rate, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EINVAL) {
		return Rate{CPUPerGB: 1e9}, nil // the file system has no direct I/O: never the best
	}
	if err != nil {
		return Rate{}, err
	}
	defer unix.Close(fd)
	buf, err := aligned(1 << 20)
	if err != nil {
		return Rate{}, err
	}
	defer unix.Munmap(buf)
	var n int64
	m := newMeter()
	for m.running() {
		if _, err := unix.Pwrite(fd, buf, n%fileBytes); err != nil {
			return Rate{}, err
		}
		if err := unix.Fdatasync(fd); err != nil {
			return Rate{}, err
		}
		n += int64(len(buf))
	}
	return m.rate(n), nil
}

func syncLatency(path string) (Latency, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Latency{}, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4<<10)
	var each []time.Duration
	m := newMeter()
	for at := int64(0); m.running(); at += int64(len(buf)) {
		begin := time.Now()
		if _, err := unix.Pwrite(fd, buf, at%fileBytes); err != nil {
			return Latency{}, err
		}
		if err := unix.Fdatasync(fd); err != nil {
			return Latency{}, err
		}
		each = append(each, time.Since(begin))
	}
	return m.latency(each), nil
}

// coldRead reads past the page cache where the file system can, which is the cheapest way to read what is not in it.
func coldRead(path string) (Rate, error) {
	if err := evict(path); err != nil {
		return Rate{}, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return Rate{}, err
	}
	defer unix.Close(fd)
	buf, err := aligned(1 << 20)
	if err != nil {
		return Rate{}, err
	}
	defer unix.Munmap(buf)
	var n int64
	m := newMeter()
	for {
		got, err := unix.Read(fd, buf)
		if err != nil {
			return Rate{}, err
		}
		if got == 0 {
			return m.rate(n), nil
		}
		n += int64(got)
	}
}

// Evict writes what is dirty and drops every file below dir from the page cache.
func Evict(dir string) error {
	unix.Sync()
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			err = evict(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		return err
	})
}

func evict(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
