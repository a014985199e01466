package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A planned restart is a succession: the process that serves (the predecessor) goes on while the next one (the successor) starts and reads what
// it can; only then is the predecessor ended. Who may write the broker's directory is decided by the claim's lock alone, for which the successor
// waits. What is here is the part of both processes; the node's is in supervisor.go.
//
//	successor -> node         "standing by", then "ready"           NotifyFD
//	node -> successor         "go": the predecessor is being ended  ControlFD; its end without that word ends the successor
//	predecessor -> successor  the listening sockets                 run/next.sock
//
// The sockets are shared rather than opened again, so that a client that connects while neither process accepts waits in the queue
// of the socket, instead of being refused and backing off.

func successorPath(dir string) string { return filepath.Join(dir, "run", "successor.json") }

const (
	standbyMessage = "standing by\n"
	proceedMessage = "go\n"
	// relayName is the Unix socket on which a broker gives its listening sockets away.
	relayName = "run/next.sock"
	// relayTimeout bounds what the two processes say to each other. They do no work for it.
	relayTimeout = 20 * time.Second
	socketsMax   = 16
	claimPoll    = 500 * time.Microsecond
)

// ErrAbandoned means that the node ended before it gave its word: the predecessor serves on.
var ErrAbandoned = errors.New("the node ended before the predecessor was to be stopped")

// Standby is a successor that waits for its turn.
type Standby struct {
	h       *Handover
	control *os.File
	relay   net.Conn // open as long as we mean to take over; nil if the predecessor gives nothing away
	sockets []net.Listener
}

// StandBy makes this process known as the successor of the broker of h, and asks the predecessor for its listening sockets. A predecessor that
// has none to give, because it is an older program or is gone, is no error. Close must follow.
func StandBy(h *Handover) (*Standby, error) {
	id, err := self()
	if err == nil {
		err = writeFile(successorPath(h.Dir), encodeClaim(claimRecord{Identity: id, Build: h.Build, Config: h.hash(), Restart: h.Restart}))
	}
	if err != nil {
		return nil, fmt.Errorf("stand by for %s: %w", h.Dir, err)
	}
	s := &Standby{h: h, control: pipeEnd(h.ControlFD, "control")}
	if s.control == nil {
		return nil, fmt.Errorf("stand by for %s: no pipe to the node", h.Dir)
	}
	s.relay, s.sockets, err = askForSockets(h.Dir)
	if err != nil {
		s.relay, s.sockets = nil, nil
	}
	return s, nil
}

// pipeEnd is an inherited pipe that reads of which end with Close.
func pipeEnd(fd uintptr, name string) *os.File {
	if fd == 0 || unix.SetNonblock(int(fd), true) != nil {
		return nil
	}
	return os.NewFile(fd, name)
}

// Sockets are the predecessor's listening sockets, empty if it gave none away. They are the caller's.
func (s *Standby) Sockets() []net.Listener { return s.sockets }

// Await tells the node that this process can take over, and waits for its word, until ctx ends. It fails with ErrAbandoned if the node ends first.
func (s *Standby) Await(ctx context.Context) error {
	if s.h.NotifyFD != 0 {
		_, _ = unix.Write(int(s.h.NotifyFD), []byte(standbyMessage)) // a node that is gone is noticed below
	}
	defer context.AfterFunc(ctx, func() { _ = s.control.Close() })()
	line, err := bufio.NewReader(s.control).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case line == proceedMessage:
		return nil
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("wait for the node's word: %w", err)
	}
	return ErrAbandoned
}

// Claim is the function Claim for a successor: it waits for the end of the predecessor, or of ctx.
func (s *Standby) Claim(ctx context.Context) (release func(), err error) {
	t := time.NewTicker(claimPoll)
	defer t.Stop()
	for {
		release, err := Claim(s.h)
		if !errors.Is(err, ErrClaimed) {
			return release, err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close lets go of the predecessor and of the node, but for the sockets and NotifyReady.
func (s *Standby) Close() {
	if s.relay != nil {
		_ = s.relay.Close()
	}
	_ = s.control.Close()
}

// Relay gives a broker's listening sockets to its successor.
type Relay struct {
	l         *net.UnixListener
	sockets   []*net.TCPListener
	successor atomic.Int32
	dir       *os.File
}

// NewRelay prepares to give the sockets of the broker in dir away; Run does it. Listeners that are not of TCP are left out.
func NewRelay(dir string, listeners []net.Listener) (*Relay, error) {
	r := &Relay{}
	for _, l := range listeners {
		if t, ok := l.(*net.TCPListener); ok && len(r.sockets) < socketsMax {
			r.sockets = append(r.sockets, t)
		}
	}
	if err := os.Remove(filepath.Join(dir, relayName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("give listening sockets away: %w", err)
	}
	at, handle, err := relayAddress(dir)
	if err != nil {
		return nil, fmt.Errorf("give listening sockets away: %w", err)
	}
	r.dir = handle
	if r.l, err = net.ListenUnix("unix", at); err != nil {
		_ = handle.Close()
		return nil, fmt.Errorf("give listening sockets away: %w", err)
	}
	return r, nil
}

// Run serves one successor after the other until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	defer r.dir.Close()
	defer context.AfterFunc(ctx, func() { _ = r.l.Close() })()
	for {
		c, err := r.l.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("give listening sockets away: %w", err)
		}
		r.serve(ctx, c)
	}
}

// serve gives the sockets to the process at the other end, and waits until that, or this one, ends.
func (r *Relay) serve(ctx context.Context, c *net.UnixConn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(relayTimeout))
	if err := sendSockets(c, r.sockets); err != nil {
		return // it opens sockets of its own, or is gone
	}
	_ = c.SetDeadline(time.Time{})
	r.successor.Add(1)
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	_, _ = c.Read(make([]byte, 1)) // nothing is ever sent
	if ctx.Err() == nil {
		r.successor.Add(-1)
	}
}

// HasSuccessor says whether another process has the sockets and stands by, or did when Run's ctx ended.
func (r *Relay) HasSuccessor() bool { return r.successor.Load() > 0 }

// sendSockets sends descriptors without making files of them, which would make the sockets block.
func sendSockets(c *net.UnixConn, sockets []*net.TCPListener) error {
	var fds []int
	var send func(i int) error
	send = func(i int) error { // the descriptors are held while they are sent
		if i == len(sockets) {
			_, _, err := c.WriteMsgUnix([]byte{byte(len(sockets))}, unix.UnixRights(fds...), nil)
			return err
		}
		raw, err := sockets[i].SyscallConn()
		if err != nil {
			return err
		}
		var sent error
		if err := raw.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			sent = send(i + 1)
		}); err != nil {
			return err
		}
		return sent
	}
	return send(0)
}

func askForSockets(dir string) (net.Conn, []net.Listener, error) {
	at, handle, err := relayAddress(dir)
	if err != nil {
		return nil, nil, err
	}
	defer handle.Close()
	c, err := net.DialUnix("unix", nil, at)
	if err != nil {
		return nil, nil, err
	}
	sockets, err := receiveSockets(c)
	if err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	return c, sockets, nil
}

func receiveSockets(c *net.UnixConn) (sockets []net.Listener, err error) {
	_ = c.SetDeadline(time.Now().Add(relayTimeout))
	oob := make([]byte, unix.CmsgSpace(4*socketsMax))
	_, n, _, _, err := c.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "listener")
			if l, err := net.FileListener(f); err == nil {
				sockets = append(sockets, l)
			}
			_ = f.Close() // FileListener has its own
		}
	}
	if len(sockets) == 0 {
		return nil, syscall.ENOTSOCK
	}
	return sockets, c.SetDeadline(time.Time{})
}

// relayAddress names the Unix socket of the broker in dir as long as handle is open. Such names have a limit of about 100 bytes, which the directory's
// own name may pass.
func relayAddress(dir string) (at *net.UnixAddr, handle *os.File, err error) {
	handle, err = os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Join(dir, relayName)
	if runtime.GOOS == "linux" {
		name = fmt.Sprintf("/proc/self/fd/%d/%s", handle.Fd(), relayName)
	}
	return &net.UnixAddr{Net: "unix", Name: name}, handle, nil
}

// readSuccessor returns who stood by for the broker last; ok is false if nobody ever did.
func readSuccessor(dir string) (c claimRecord, ok bool, err error) {
	return readRecord(successorPath(dir))
}

// endSuccessor ends a process that stands by for the broker since an earlier node started it. One that has claimed the broker by now is none of them.
func endSuccessor(dir string, deadline time.Duration, now <-chan struct{}) (ended bool, err error) {
	next, ok, err := readSuccessor(dir)
	if err != nil || !ok {
		return false, err
	}
	p, err := open(next.Identity, handoverPath(dir))
	if errors.Is(err, errNotRunning) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for process %d that stood by: %w", next.Identity.PID, err)
	}
	// It may claim the broker right after this. Then it serves for a moment and ends in good order: nothing is lost by it.
	if c, ok, err := readClaim(dir); err == nil && ok && c.Identity == next.Identity {
		p.forget()
		return false, nil
	}
	return true, p.stop(deadline, now)
}
