package bench

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/test/cluster"
)

// system is what is measured, on a data directory of its own.
type system interface {
	start(t *testing.T)
	// bootstrap returns where the brokers are; it waits until the system says so, unless that is known beforehand.
	bootstrap(t *testing.T) string
	stop(t *testing.T)
	kill(t *testing.T) // all its processes, as kill -9 does
	brokers() []int    // process ids of brokers
	tree() []int       // of all processes
	dir() string       // where its files are
}

// The systems by the names that -system takes.
const (
	onKafka = "kafka"       // with the settings of its distribution: acknowledges from the page cache
	onFlush = "kafka-flush" // the same with a flush for each append
	onWeir  = "weir"
)

// deleteSoon is the one setting that the distribution does not have: what a case leaves behind goes before the next begins, not a minute later.
const deleteSoon = "log.segment.delete.delay.ms=1000"

func newSystem(t *testing.T, name string) system {
	t.Helper()
	switch name {
	case onKafka:
		return kafkaSystem{cluster.NewKafka(t, deleteSoon)}
	case onFlush:
		return kafkaSystem{cluster.NewKafka(t, deleteSoon, "log.flush.interval.messages=1")}
	case onWeir:
		// One broker, as Kafka's one node is.
		return weirSystem{cluster.NewWeir(t, cluster.Options{Brokers: 1})}
	}
	t.Fatalf("no system %q: %s, %s or %s", name, onKafka, onFlush, onWeir)
	return nil
}

type kafkaSystem struct{ *cluster.Kafka }

func (k kafkaSystem) start(t *testing.T)          { k.Start(t) }
func (k kafkaSystem) bootstrap(*testing.T) string { return k.Bootstrap() }
func (k kafkaSystem) kill(*testing.T)             { k.Process.Kill() }
func (k kafkaSystem) brokers() []int              { return k.PIDs() }
func (k kafkaSystem) tree() []int                 { return k.PIDs() }
func (k kafkaSystem) dir() string                 { return k.Dir() }

// stop waits longer than tests do: with thousands of partitions it takes its time.
func (k kafkaSystem) stop(t *testing.T) {
	t.Helper()
	k.Process.Signal(syscall.SIGTERM)
	k.Process.Wait(t, 5*time.Minute)
}

type weirSystem struct{ *cluster.Weir }

func (w weirSystem) start(t *testing.T) { w.Start(t) }
func (w weirSystem) stop(t *testing.T)  { w.Stop(t) }
func (w weirSystem) brokers() []int     { return w.Brokers() }
func (w weirSystem) tree() []int        { return w.PIDs() }
func (w weirSystem) dir() string        { return w.Data }

// kill ends `weir up` first: it would start a broker that ends before it anew.
func (w weirSystem) kill(t *testing.T) {
	t.Helper()
	w.KillAll()
	pids := w.PIDs()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("kill -9 %d: %v", pid, err)
		}
	}
	for _, pid := range pids {
		for deadline := time.Now().Add(10 * time.Second); cluster.Alive(pid); <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d has survived kill -9", pid)
			}
		}
	}
}

var addresses = regexp.MustCompile(`bootstrap\s+(127\.\d+\.\d+\.\d+:\d+(?:,127\.\d+\.\d+\.\d+:\d+)*)\s`)

// bootstrap is what `weir up` prints once its demo cluster is ACTIVE.
func (w weirSystem) bootstrap(t *testing.T) string {
	t.Helper()
	// Looked at as often as ports are, so that neither system waits for its observer.
	for deadline := time.Now().Add(2 * time.Minute); ; <-time.After(2 * time.Millisecond) {
		if m := addresses.FindStringSubmatch(w.Process.Stdout() + w.Process.Stderr()); m != nil {
			return strings.TrimSpace(m[1])
		}
		if time.Now().After(deadline) {
			t.Fatal("weir up has not printed a bootstrap string")
		}
	}
}
