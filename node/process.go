package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a running broker process, a child or an adopted one.
type process struct {
	pid       int
	started   time.Time
	adopted   bool
	standby   chan struct{} // of a successor: closed once it can take over
	ready     chan struct{} // closed once it serves
	done      chan struct{} // closed once it ended
	end       exit          // set before done is closed
	terminate func() error  // asks it to end
	kill      func() error
	quit      func() error // asks it to end and to say what it was doing; nil if that cannot be asked
	proceed   func() error // of a successor: gives it the word
	forget    func()       // of an adopted process: lets go of it without waiting for its end
}

// exit is how a process ended.
type exit struct {
	code   int    // -1 after a signal, or if unknown
	reason string // for people
	killed bool   // by SIGKILL
}

// stop asks the process to end, kills it at the deadline or when now is closed, and waits for its end.
func (p *process) stop(deadline time.Duration, now <-chan struct{}) error {
	if err := p.terminate(); err != nil && !isGone(err) {
		return fmt.Errorf("end process %d: %w", p.pid, err)
	}
	t := time.NewTimer(deadline)
	defer t.Stop()
	select {
	case <-p.done:
		return nil
	case <-t.C:
	case <-now:
	}
	if err := p.kill(); err != nil && !isGone(err) {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	<-p.done
	return nil
}

func isGone(err error) bool {
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}

// start runs `weir broker` for h as a child in a process group of its own: the terminal's Ctrl-C is for the node alone, which then
// stops its brokers in order.
func (n *Node) start(h *Handover, vcpu int) (*process, error) {
	logs, err := openStderr(h.Dir)
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	from, err := logs.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("start a broker: %w", err)
	}
	notify, child, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a broker: %w", err)
	}
	defer child.Close()
	cmd := exec.Command(ownProgram(n.cfg.Program), "broker", "--config", handoverPath(h.Dir))
	cmd.Args[0] = n.cfg.Program
	cmd.Dir = h.Dir
	cmd.Env = environment(vcpu, memoryLimit(h.MemoryBytes, n.cfg.MemoryBytes))
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.ExtraFiles = []*os.File{child} // file descriptor notifyFD
	var control *os.File
	if h.Successor {
		var word *os.File
		if word, control, err = os.Pipe(); err != nil {
			_ = notify.Close()
			return nil, fmt.Errorf("start a broker: %w", err)
		}
		defer word.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, word) // controlFD
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		_ = notify.Close()
		_ = control.Close() // nil is fine
		return nil, fmt.Errorf("start a broker: %w", err)
	}
	p := &process{
		pid:       cmd.Process.Pid,
		started:   time.Now(),
		standby:   make(chan struct{}),
		ready:     make(chan struct{}),
		done:      make(chan struct{}),
		terminate: func() error { return cmd.Process.Signal(syscall.SIGTERM) },
		kill:      cmd.Process.Kill,
		quit:      func() error { return cmd.Process.Signal(syscall.SIGQUIT) },
		proceed: func() error {
			_, err := control.WriteString(proceedMessage)
			return err
		},
	}
	var waits sync.WaitGroup
	waits.Go(func() {
		// It ends with the last message or with the process, whose end closes the pipe.
		lines, stood := bufio.NewReader(notify), !h.Successor
		for {
			switch line, err := lines.ReadString('\n'); {
			case line == standbyMessage && !stood:
				stood = true
				close(p.standby)
			case line == readyMessage:
				close(p.ready)
				return
			case err != nil:
				return
			}
		}
	})
	go func() { // ends with the process, which the supervisor waits for
		err := cmd.Wait()
		_ = notify.Close()
		_ = control.Close() // nil is fine
		waits.Wait()
		p.end = describe(cmd.ProcessState, err, reasonIn(StderrPath(h.Dir), from))
		close(p.done)
	}()
	return p, nil
}

// Descriptors of exec.Cmd's ExtraFiles.
const (
	notifyFD  = 3
	controlFD = 4
)

// environment is what a broker inherits: no credentials, and the limits of its instance type for the Go runtime.
func environment(vcpu int, memory int64) []string {
	var env []string
	for _, kv := range os.Environ() {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case "PATH", "HOME", "TMPDIR", "TZ", "LANG", "GOCOVERDIR", "GODEBUG", "GORACE":
		default:
			if !strings.HasPrefix(key, "WEIR_") { // none of which is a secret (design/cli.md)
				continue
			}
		}
		env = append(env, kv)
	}
	if vcpu > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(min(vcpu, runtime.NumCPU())))
	}
	if memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(memory, 10))
	}
	return env
}

// memoryLimit is what the Go heap may take of an instance's memory: the rest is for stacks, maps of files and the page cache.
func memoryLimit(instance, machine int64) int64 {
	if machine > 0 {
		instance = min(instance, machine)
	}
	return instance / 4 * 3
}

func describe(state *os.ProcessState, err error, reason string) exit {
	if state == nil {
		return exit{code: -1, reason: fmt.Sprint(err)}
	}
	e := exit{code: state.ExitCode(), reason: state.String()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.killed = ws.Signal() == syscall.SIGKILL
	}
	if reason != "" {
		e.reason += ": " + reason
	}
	return e
}

// stderrMax bounds the file before a process starts; the one before is kept.
const stderrMax = 1 << 20

func openStderr(dir string) (*os.File, error) {
	path := StderrPath(dir)
	if info, err := os.Stat(path); err == nil && info.Size() > stderrMax {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("rotate a broker's log: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open a broker's log: %w", err)
	}
	return f, nil
}

// reasonIn returns the first line that a process wrote to its error output, without the "error:" that the command puts there.
func reasonIn(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(io.NewSectionReader(f, from, 64<<10))
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			line = strings.TrimPrefix(line, "error: ")
			return line[:min(len(line), 500)]
		}
	}
	return ""
}
