package node

import (
	"os"
	"os/exec"
	"path/filepath"
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
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	_ = w.Close()
	if _, err := r.Read(make([]byte, len(readyMessage))); err != nil {
		m.t.Fatal("orphan did not get ready: ", err)
	}
	_ = r.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	m.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, ended
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
	case <-time.After(10 * time.Second):
		t.Error("the adopted process runs on")
	}
}

func TestProcessOfAnotherBuildIsReplaced(t *testing.T) {
	m := newMachine(t)
	cmd, ended := m.orphan(m.leave())
	m.build = "b2"
	m.start()
	s := m.await("1", "RUNNING", running)
	if s.PID == cmd.Process.Pid {
		t.Error("a process of another build was adopted")
	}
	<-ended
}

func TestForeignProcessIsLeftAlone(t *testing.T) {
	m := newMachine(t)
	h := m.leave()
	// The recorded id now belongs to a process that has nothing to do with us.
	other := exec.Command("sleep", "60")
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
