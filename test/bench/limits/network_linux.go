package limits

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a loopback connection of blocking sockets.
func pair() (a, b int, err error) {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, err
	}
	if err := unix.Listen(listener, 1); err != nil {
		return 0, 0, err
	}
	address, err := unix.Getsockname(listener)
	if err != nil {
		return 0, 0, err
	}
	if a, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, err
	}
	if err := unix.Connect(a, address); err != nil {
		return 0, 0, errors.Join(err, unix.Close(a))
	}
	if b, _, err = unix.Accept(listener); err != nil {
		return 0, 0, errors.Join(err, unix.Close(a))
	}
	for _, fd := range []int{a, b} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return 0, 0, errors.Join(err, unix.Close(a), unix.Close(b))
		}
	}
	return a, b, nil
}

// stream has one thread send until span is over and another receive and discard, and returns the rates of both.
func stream(send func(fd int) (int, error)) (received, sent Rate, err error) {
	a, b, err := pair()
	if err != nil {
		return received, sent, err
	}
	defer unix.Close(b)
	done := make(chan error, 1)
	go func() {
		done <- onThread(func() error {
			buf := make([]byte, 256<<10)
			var n int64
			m := newMeter()
			for {
				got, err := unix.Read(b, buf)
				if err != nil || got == 0 {
					received = m.rate(n)
					return err
				}
				n += int64(got)
			}
		})
	}()
	var n int64
	m := newMeter()
	for m.running() {
		var put int
		if put, err = send(a); err != nil {
			break
		}
		n += int64(put)
	}
	sent = m.rate(n)
	err = errors.Join(err, unix.Close(a), <-done)
	return received, sent, err
}

func loopback() (received, sent Rate, err error) {
	buf := make([]byte, 64<<10)
	return stream(func(fd int) (int, error) { return unix.Write(fd, buf) })
}

func sendfile(path string) (Rate, error) {
	f, err := os.Open(path)
	if err != nil {
		return Rate{}, err
	}
	defer f.Close()
	const bytes = 64 << 20 // in the page cache once it is read
	if _, err := f.ReadAt(make([]byte, bytes), 0); err != nil {
		return Rate{}, err
	}
	var at int64
	_, sent, err := stream(func(fd int) (int, error) {
		from := at
		n, err := unix.Sendfile(fd, int(f.Fd()), &from, 1<<20)
		at = (at + int64(n)) % (bytes - 1<<20)
		return n, err
	})
	return sent, err
}

func roundTrip() (Latency, error) {
	a, b, err := pair()
	if err != nil {
		return Latency{}, err
	}
	defer unix.Close(b)
	done := make(chan error, 1)
	go func() {
		done <- onThread(func() error {
			buf := make([]byte, 64)
			for {
				n, err := unix.Read(b, buf)
				if err != nil || n == 0 {
					return err
				}
				if _, err := unix.Write(b, buf[:n]); err != nil {
					return err
				}
			}
		})
	}()
	buf := make([]byte, 64)
	var each []time.Duration
	m := newMeter()
	for m.running() && err == nil {
		begin := time.Now()
		if _, err = unix.Write(a, buf); err == nil {
			_, err = unix.Read(a, buf)
		}
		each = append(each, time.Since(begin))
	}
	latency := m.latency(each)
	return latency, errors.Join(err, unix.Close(a), <-done)
}
