package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a started program whose output is kept.
type Process struct {
	cmd    *exec.Cmd
	out    output
	errs   output
	exited chan struct{} // closed once Wait has returned
	err    error         // of Wait; read after exited is closed
}

// output collects what a process writes; it may be read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Spawn starts a program. It is killed at the end of the test if it still runs then.
func Spawn(t testing.TB, env []string, argv ...string) *Process {
	t.Helper()
	p := spawn(t, env, argv...)
	t.Cleanup(p.Kill)
	return p
}

// spawn starts a program whose end is the caller's to see to.
func spawn(t testing.TB, env []string, argv ...string) *Process {
	t.Helper()
	p := &Process{exited: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...) //nolint:noctx // its end is ours: Kill or Interrupt
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	p.cmd.WaitDelay = 5 * time.Second // a grandchild may hold the pipes open
	// A group of its own, so that a test's Ctrl-C goes only where the test sends it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", argv[0], err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout is what it has printed so far.
func (p *Process) Stdout() string { return p.out.String() }

// Stderr is what it has printed to standard error so far.
func (p *Process) Stderr() string { return p.errs.String() }

// Exited is closed once the process has ended and its output is complete.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Signal sends a signal; a process that has ended takes none.
func (p *Process) Signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(fmt.Sprintf("signal %v to process %d: %v", s, p.PID(), err)) // our own child: can only be a bug
	}
}

// Kill ends the process as kill -9 does and waits for it.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.exited
}

// Wait returns the exit code once the process has ended by itself; it fails the test when that takes longer than limit.
func (p *Process) Wait(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.Signal(syscall.SIGQUIT) // Go and Java print what they were doing
		<-time.After(time.Second)
		p.Kill()
		t.Fatalf("%s did not end within %v\nstdout: %s\nstderr: %s", filepath.Base(p.cmd.Path), limit, p.Stdout(), p.Stderr())
	}
	return p.cmd.ProcessState.ExitCode()
}

// Run runs a program to its end and returns its standard output; it fails the test unless the exit code is 0.
func Run(t testing.TB, env []string, argv ...string) string {
	t.Helper()
	return RunInput(t, env, nil, argv...)
}

// RunLimit bounds every program that Run runs.
const RunLimit = 6 * time.Minute

// RunInput is Run with standard input.
func RunInput(t testing.TB, env []string, stdin io.Reader, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), RunLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = Root()
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\nstdout: %s\nstderr: %s", strings.Join(argv, " "), err, tail(out.String()), tail(errs.String()))
	}
	return out.String()
}

// tail is the end of a long text.
func tail(s string) string {
	const limit = 6000
	if len(s) > limit {
		return "..." + s[len(s)-limit:]
	}
	return s
}

// Eventually polls until condition returns nil, and fails the test with its last error once limit has passed.
func Eventually(t testing.TB, limit time.Duration, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not after %v: %v", limit, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// FreePort is a port on host that nothing listens on, below the range that outgoing connections use: above, a client's own connection
// may sit on it by the time that the server starts.
func FreePort(t testing.TB, host string) int {
	t.Helper()
	start := 20000 + os.Getpid()%6000
	for port := start; port < 32000; port++ {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		l.Close()
		if !slices.Contains(handedOut(port), port) {
			return port
		}
	}
	t.Fatal("no free port below 32000")
	return 0
}

var ports struct {
	mu    sync.Mutex
	given []int
}

// handedOut returns the ports given so far and adds port to them.
func handedOut(port int) []int {
	ports.mu.Lock()
	defer ports.mu.Unlock()
	before := slices.Clone(ports.given)
	ports.given = append(ports.given, port)
	return before
}

// Listening says whether something accepts connections at host:port.
func Listening(ctx context.Context, address string) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// mark is the environment variable by which a test finds every process that its own processes started, adopted ones included.
const mark = "WEIR_TEST_MARK"

// Marked returns the ids of the running processes that carry the mark (on Linux; elsewhere none).
func Marked(value string) []int {
	entries, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		panic(err) // the pattern is constant
	}
	var pids []int
	for _, e := range entries {
		env, err := os.ReadFile(e)
		if err != nil || !bytes.Contains(env, []byte(mark+"="+value+"\x00")) {
			continue // ended meanwhile, or another user's
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(e))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Alive says whether a process runs; a zombie does not.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !isLinux()
	}
	after := stat[bytes.LastIndexByte(stat, ')')+1:]
	return !bytes.HasPrefix(bytes.TrimSpace(after), []byte("Z"))
}

func isLinux() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}
