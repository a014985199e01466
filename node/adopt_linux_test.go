package node

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// orphan starts a broker process as an earlier node, since killed, would have left it.
func (m *machine) orphan(h Handover) (*exec.Cmd, <-chan error) {
	m.t.Helper()
	for _, d := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(h.Dir, d), 0o700); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := h.write(); err != nil {
		m.t.Fatal(err)
	}
	program, _ := os.Executable()
	cmd := exec.Command(program, "broker", "--config", handoverPath(h.Dir))
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stderr = m.t.Output()
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	_ = w.Close()
	if _, err := r.Read(make([]byte, len(readyMessage))); err != nil {
		m.t.Fatal("orphan did not get ready: ", err)
	}
	_ = r.Close()
	return cmd, m.wait(cmd)
}

// wait returns how the process ends, which it does before the machine's directory is removed.
func (m *machine) wait(cmd *exec.Cmd) <-chan error {
	ended, gone := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(gone)
		ended <- cmd.Wait()
	}()
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-gone
	})
	return ended
}

// leave prepares a broker whose node was killed, and returns what its process was told.
func (m *machine) leave() Handover {
	m.t.Helper()
	m.start()
	m.want("1", resource.BrokerSpec{})
	m.await("1", "RUNNING", running)
	h, err := ReadHandover(handoverPath(BrokerDir(m.dir, "c1", 1)))
	if err != nil {
		m.t.Fatal(err)
	}
	m.end()
	return *h
}

func TestMatchingProcessIsAdopted(t *testing.T) {
	m := newMachine(t)
	cmd, ended := m.orphan(m.leave())
	m.start()
	s := m.await("1", "RUNNING", running)
	if s.PID != cmd.Process.Pid {
		t.Fatalf("pid %d runs; want the process left over, %d", s.PID, cmd.Process.Pid)
	}
	// Its end is noticed at once.
	_ = cmd.Process.Kill()
	<-ended
	s = m.await("1", "RUNNING anew", func(s resource.BrokerStatus) bool { return running(s) && s.PID != cmd.Process.Pid })
	m.end()
	if alive(s.PID) {
		t.Error("the new process was left behind")
	}
}

func TestAdoptedProcessIsStopped(t *testing.T) {
	m := newMachine(t)
	_, ended := m.orphan(m.leave())
	m.start()
	m.await("1", "RUNNING", running)
	m.end()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the adopted process ended with %v; want a graceful end", err)
		}
	case <-time.After(patience):
		t.Error("the adopted process runs on")
	}
}

func TestProcessOfAnotherBuildIsReplaced(t *testing.T) {
	m := newMachine(t)
	cmd, ended := m.orphan(m.leave())
	m.build = "b2"
	m.start()
	m.await("1", "RUNNING anew", func(s resource.BrokerStatus) bool { return running(s) && s.PID != cmd.Process.Pid })
	awaitEnd(t, ended, "a process of another build")
}

func TestForeignProcessIsLeftAlone(t *testing.T) {
	m := newMachine(t)
	h := m.leave()
	// The recorded id now belongs to a process that has nothing to do with us.
	other := exec.Command("sleep", "3600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	c, ok, err := readClaim(h.Dir)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for _, sameStart := range []bool{false, true} {
		c.Identity.PID = other.Process.Pid
		if sameStart { // not even then
			if c.Identity.StartTime, err = startTime(other.Process.Pid); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(claimPath(h.Dir), metadata.Encode(c)); err != nil {
			t.Fatal(err)
		}
		m.build += "x"
		m.start()
		m.await("1", "RUNNING", running)
		m.end()
		if !alive(other.Process.Pid) {
			t.Fatal("a foreign process was killed")
		}
		c, _, _ = readClaim(h.Dir)
	}
}

// successor starts a process that stands by for the broker of h, as an earlier node, since killed, would have left it. Closing word is the node's end.
func (m *machine) successor(h Handover) (cmd *exec.Cmd, word *os.File, ended <-chan error) {
	m.t.Helper()
	h.Restart++
	h.Successor, h.ControlFD = true, controlFD
	if err := h.write(); err != nil {
		m.t.Fatal(err)
	}
	program, _ := os.Executable()
	cmd = exec.Command(program, "broker", "--config", handoverPath(h.Dir))
	says, notify, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	control, word, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{notify, control}
	cmd.Stderr = m.t.Output()
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	_, _ = notify.Close(), control.Close()
	if line, err := bufio.NewReader(says).ReadString('\n'); line != standbyMessage {
		m.t.Fatalf("the successor says %q, %v; want %q", line, err, standbyMessage)
	}
	_ = says.Close()
	m.t.Cleanup(func() { _ = word.Close() })
	return cmd, word, m.wait(cmd)
}

// TestNodeDiesInAHandOver has the next node find two processes of one broker: exactly one serves in the end, the one that is wanted.
func TestNodeDiesInAHandOver(t *testing.T) {
	tests := []struct {
		name string
		die  func(predecessor *exec.Cmd, word *os.File)
	}{
		{"before its word", func(_ *exec.Cmd, word *os.File) { _ = word.Close() }},
		{"after its word", func(_ *exec.Cmd, word *os.File) {
			_, _ = word.WriteString(proceedMessage)
			_ = word.Close()
		}},
		{"after it ended the predecessor", func(p *exec.Cmd, word *os.File) {
			_, _ = word.WriteString(proceedMessage)
			_ = p.Process.Signal(syscall.SIGTERM)
			_ = word.Close()
		}},
	}
	for _, tt := range tests {
		for _, wanted := range []int64{0, 1} { // the restart, or what was before it
			t.Run(fmt.Sprintf("%s, restart %d", tt.name, wanted), func(t *testing.T) {
				m := newMachine(t)
				h := m.leave()
				predecessor, predecessorEnded := m.orphan(h)
				successor, word, successorEnded := m.successor(h)
				tt.die(predecessor, word)
				m.want("1", resource.BrokerSpec{Restart: wanted})
				m.start()
				s := m.awaitAnswer(wanted)
				for name, p := range map[string]struct {
					cmd   *exec.Cmd
					ended <-chan error
				}{"predecessor": {predecessor, predecessorEnded}, "successor": {successor, successorEnded}} {
					if p.cmd.Process.Pid != s.PID {
						awaitEnd(t, p.ended, name)
					}
				}
			})
		}
	}
}

// awaitAnswer waits until the process that the status names, and that was started for the restart, answers. One that is just ending may be named before.
func (m *machine) awaitAnswer(restart int64) resource.BrokerStatus {
	m.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		s, _ := m.status("1")
		if running(s) && s.Restart == restart && s.Refused == 0 && answers(s) == s.PID {
			return s
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("status %+v, and process %d answers", s, answers(s))
		}
	}
	panic("a ticker does not end")
}
