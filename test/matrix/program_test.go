package matrix

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A program is a running client.
type program struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // of standard output; closed at its end
	log   tail
}

// tail keeps the end of what a program writes to standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	const limit = 4000
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text = append(l.text, p...); len(l.text) > limit {
		l.text = l.text[len(l.text)-limit:]
	}
	return len(p), nil
}

func (l *tail) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := string(l.text)
	l.text = nil
	return s
}

func start(dir string, env, argv []string) (*program, error) {
	p := &program{cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 16)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p, nil
}

// errLost says that a program gave no answer: it ended or hangs, and was killed.
var errLost = errors.New("the program gave no answer")

// ask sends a line and returns the rest of the line that answers it: the first one that begins with the same word.
func (p *program) ask(line string, limit time.Duration) (string, error) {
	word, _, _ := strings.Cut(line, " ")
	p.log.take()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.kill()
		return "", fmt.Errorf("%w: %w\n%s", errLost, err, p.log.take())
	}
	deadline := time.After(limit)
	for {
		select {
		case answer, ok := <-p.lines:
			if !ok {
				p.kill()
				return "", fmt.Errorf("%w: it ended\n%s", errLost, p.log.take())
			}
			if rest, ok := strings.CutPrefix(answer, word+" "); ok {
				return rest, nil
			}
		case <-deadline:
			p.kill()
			return "", fmt.Errorf("%w within %v\n%s", errLost, limit, p.log.take())
		}
	}
}

// stop ends the program: it reads the end of its input.
func (p *program) stop() {
	p.in.Close()
	quiet := time.AfterFunc(10*time.Second, p.kill)
	defer quiet.Stop()
	for range p.lines { //revive:disable-line:empty-block // to its end
	}
	_ = p.cmd.Wait() // killed or not, its answers were read
}

func (p *program) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // ended already is fine
}
