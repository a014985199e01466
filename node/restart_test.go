package node

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/control/resource"
)

// answers connects to the broker and returns the id of the process that answers: 0 if it was closed by one that ended just then, -1 if there is none.
func answers(s resource.BrokerStatus) int {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(s.Address, fmt.Sprint(s.Port)), patience)
	if err != nil {
		return -1
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	line, _ := bufio.NewReader(c).ReadString('\n')
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	return pid
}

// ask is answers for a broker that refuses nobody.
func ask(t *testing.T, s resource.BrokerStatus) int {
	t.Helper()
	pid := answers(s)
	if pid < 0 {
		t.Fatal("the broker refuses connections")
	}
	return pid
}

func TestRestartRefusesNobody(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{Restart: 1})
	before := m.await("1", "RUNNING", running)
	for restart := int64(2); restart < 5; restart++ {
		m.want("1", resource.BrokerSpec{Restart: restart})
		deadline := time.Now().Add(patience)
		for pid := before.PID; pid == before.PID || pid == 0; pid = ask(t, before) {
			if time.Now().After(deadline) {
				t.Fatal("no other process answers")
			}
		}
		after := m.await("1", "RUNNING for the restart", func(s resource.BrokerStatus) bool { return running(s) && s.Restart == restart })
		if after.PID == before.PID || after.Address != before.Address || after.Refused != 0 || alive(before.PID) {
			t.Errorf("before %+v, after %+v", before, after)
		}
		before = after
	}
}

func TestSuccessorThatFailsCostsNothing(t *testing.T) {
	for _, mode := range []string{"fail", "slow"} {
		t.Run(mode, func(t *testing.T) {
			m := newMachine(t)
			m.standBy = 300 * time.Millisecond // it never can
			if mode == "fail" {
				m.standBy = patience
			}
			m.start()
			m.want("1", resource.BrokerSpec{Restart: 1})
			before := m.await("1", "RUNNING", running)
			m.want("1", resource.BrokerSpec{Restart: 2, Properties: map[string]string{"mode": mode}})
			after := m.await("1", "a refused restart", func(s resource.BrokerStatus) bool { return s.Refused == 2 })
			want := map[string]string{"fail": "the log is corrupt", "slow": "could not take over within"}[mode]
			if !running(after) || after.PID != before.PID || after.Restart != 1 || !strings.Contains(after.LastExit, want) {
				t.Errorf("before %+v, after %+v; want the same process, and %q", before, after, want)
			}
			if pid := ask(t, before); pid != before.PID {
				t.Errorf("process %d answers, want %d", pid, before.PID)
			}
			// Another number is another try.
			m.want("1", resource.BrokerSpec{Restart: 3})
			if mode == "slow" {
				return // this one may be late as well
			}
			after = m.await("1", "RUNNING for restart 3", func(s resource.BrokerStatus) bool { return running(s) && s.Restart == 3 })
			if after.Refused != 0 || after.PID == before.PID {
				t.Errorf("after %+v", after)
			}
		})
	}
}

func TestStoppedBrokerKeepsItsDataAndAddress(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{})
	before := m.await("1", "RUNNING", running)
	data := filepath.Join(BrokerDir(m.dir, "c1", 1), "data")
	if err := os.WriteFile(data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stopped := func(s resource.BrokerStatus) bool { return s.State == resource.BrokerStopped }
	m.want("1", resource.BrokerSpec{Stopped: true})
	s := m.await("1", "STOPPED", stopped)
	if s.PID != 0 || s.Address != before.Address || alive(before.PID) {
		t.Errorf("before %+v, stopped %+v", before, s)
	}
	// Neither a restart nor another node starts it.
	m.want("1", resource.BrokerSpec{Stopped: true, Restart: 7})
	m.end()
	m.start()
	m.await("1", "STOPPED still", stopped)
	m.want("1", resource.BrokerSpec{Restart: 7})
	after := m.await("1", "RUNNING", running)
	if after.Address != before.Address || after.Restart != 7 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if _, err := os.Stat(data); err != nil {
		t.Error(err)
	}
	m.want("1", resource.BrokerSpec{Restart: 7, Stopped: true})
	m.await("1", "STOPPED", stopped)
	m.unwant("1")
	m.awaitGone("1")
}

func TestStoppedWhileNoNodeRan(t *testing.T) {
	m := newMachine(t)
	h := m.leave()
	_, ended := m.orphan(h)
	m.want("1", resource.BrokerSpec{Stopped: true})
	m.start()
	m.await("1", "STOPPED", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerStopped })
	awaitEnd(t, ended, "the process of a stopped broker")
}

func awaitEnd(t *testing.T, ended <-chan error, what string) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal(what + " runs on")
	}
}

func TestReplacedBrokerGetsAnotherAddressIfItsOwnIsWrong(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{})
	before := m.await("1", "RUNNING", running)
	m.end()
	occupy(t, before)
	m.start()
	m.await("1", "BACKOFF", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerBackOff })
	m.want("1", resource.BrokerSpec{Replace: 1})
	after := m.await("1", "RUNNING elsewhere", func(s resource.BrokerStatus) bool { return running(s) && s.Replaced == 1 })
	if after.Address == before.Address {
		t.Errorf("before %+v, after %+v; want another address", before, after)
	}
	// It keeps that one, and serving there it is only started anew.
	m.want("1", resource.BrokerSpec{Replace: 2})
	last := m.await("1", "RUNNING anew", func(s resource.BrokerStatus) bool { return running(s) && s.Replaced == 2 && s.PID != after.PID })
	if last.Address != after.Address {
		t.Errorf("before %+v, after %+v; want the same address", after, last)
	}
	m.end()
	m.start()
	if again := m.await("1", "RUNNING", running); again.Address != after.Address {
		t.Errorf("address %s after a restart of the node, want %s", again.Address, after.Address)
	}
}

func TestReplacedBrokerThatCannotStart(t *testing.T) {
	m := newMachine(t)
	m.start()
	bad := map[string]string{"mode": "fail"}
	m.want("1", resource.BrokerSpec{Properties: bad})
	before := m.await("1", "BACKOFF", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerBackOff && s.Restarts > 0 })
	m.want("1", resource.BrokerSpec{Replace: 1, Properties: bad})
	after := m.await("1", "BACKOFF elsewhere", func(s resource.BrokerStatus) bool {
		return s.State == resource.BrokerBackOff && s.Replaced == 1 && s.Restarts > before.Restarts
	})
	if after.Address == before.Address || !strings.Contains(after.LastExit, "the log is corrupt") {
		t.Errorf("before %+v, after %+v; want another address and the reason", before, after)
	}
	m.want("1", resource.BrokerSpec{Replace: 1})
	if last := m.await("1", "RUNNING", running); last.Address != after.Address {
		t.Errorf("after %+v, last %+v; want the address of the replacement", after, last)
	}
}

func TestPredecessorThatDiesIsFollowedAtOnce(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{Restart: 1})
	before := m.await("1", "RUNNING", running)
	// The predecessor may be gone before, while or after it is told to end: in each case somebody serves.
	m.want("1", resource.BrokerSpec{Restart: 2})
	_ = syscall.Kill(before.PID, syscall.SIGKILL)
	after := m.await("1", "RUNNING for restart 2", func(s resource.BrokerStatus) bool {
		return running(s) && s.Restart == 2 && s.PID != before.PID
	})
	if pid := ask(t, after); pid != after.PID {
		t.Errorf("process %d answers, want %d", pid, after.PID)
	}
}
