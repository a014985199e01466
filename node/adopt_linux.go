package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// self is the identity of this process.
func self() (Identity, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return Identity{}, err
	}
	boot, err := bootID()
	return Identity{PID: os.Getpid(), StartTime: start, Boot: boot}, err
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// startTime is field 22 of /proc/<pid>/stat. The second field, the program's name, may hold anything: count from its end.
func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: stat has %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// open returns the process if it is the one of id, and runs the broker of that hand-over file.
func open(id Identity, config string) (*process, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if id.Boot != boot || id.PID <= 1 {
		return nil, errNotRunning
	}
	// First the handle, then the proof: from here on the handle means this process even if its id is given to another.
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, errNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("open a handle: %w", err)
	}
	handle := os.NewFile(uintptr(fd), "pidfd")
	if !isProcess(id, config) || ended(fd) {
		_ = handle.Close()
		return nil, errNotRunning
	}
	p := adoptedProcess(id.PID)
	p.terminate = func() error { return sendSignal(handle, unix.SIGTERM) }
	p.kill = func() error { return sendSignal(handle, unix.SIGKILL) }
	p.quit = func() error { return sendSignal(handle, unix.SIGQUIT) }
	p.forget = func() { _ = handle.Close() }
	go func() { // ends with the process, which the supervisor waits for, or when it is forgotten
		defer close(p.done)
		p.end = exit{code: -1, reason: "ended; how is unknown, as it was started by an earlier run"}
		if err := waitFor(handle); err != nil {
			p.end.reason = "lost sight of it: " + err.Error()
		}
		_ = handle.Close()
	}()
	return p, nil
}

// sendSignal signals the process of the handle, whatever has its id by now. A closed handle is one of a process that ended.
func sendSignal(handle *os.File, sig unix.Signal) error {
	conn, err := handle.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return os.ErrProcessDone
	}
	return sent
}

// isProcess compares what is known of the process with the process that has its id now.
func isProcess(id Identity, config string) bool {
	start, err := startTime(id.PID)
	if err != nil || start != id.StartTime {
		return false
	}
	args, err := os.ReadFile("/proc/" + strconv.Itoa(id.PID) + "/cmdline")
	if err != nil {
		return false
	}
	return bytes.HasSuffix(args, []byte("\x00broker\x00--config\x00"+config+"\x00"))
}

func ended(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// waitFor returns when the process of the handle has ended: then the handle is readable.
func waitFor(handle *os.File) error {
	conn, err := handle.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Read(func(fd uintptr) bool { return ended(int(fd)) })
}

// processState is what the kernel says that a process does, for people: running, sleeping, stopped, waiting for a disk.
func processState(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			return strings.TrimSpace(state)
		}
	}
	return ""
}
