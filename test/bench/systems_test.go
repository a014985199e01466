package bench

import (
	"regexp"
	"testing"
	"time"

	"weir/test/cluster"
)

// system is one of the two under measurement, on a data directory of its own.
type system interface {
	start(t *testing.T)
	// bootstrap returns where the brokers are; it waits until the system says so, unless that is known beforehand.
	bootstrap(t *testing.T) string
	stop(t *testing.T)
	brokers() []int // process ids of brokers
	tree() []int    // of all processes
}

type kafkaSystem struct{ *cluster.Kafka }

func (k kafkaSystem) start(t *testing.T)          { k.Start(t) }
func (k kafkaSystem) bootstrap(*testing.T) string { return k.Bootstrap() }
func (k kafkaSystem) stop(t *testing.T)           { k.Stop(t) }
func (k kafkaSystem) brokers() []int              { return k.PIDs() }
func (k kafkaSystem) tree() []int                 { return k.PIDs() }

type weirSystem struct{ *cluster.Weir }

func (w weirSystem) start(t *testing.T) { w.Start(t) }
func (w weirSystem) stop(t *testing.T)  { w.Stop(t) }
func (w weirSystem) brokers() []int     { return w.Brokers() }
func (w weirSystem) tree() []int        { return w.PIDs() }

var addresses = regexp.MustCompile(`127\.\d+\.\d+\.\d+:\d+(,127\.\d+\.\d+\.\d+:\d+)+`)

// bootstrap is what `weir up` prints once its demo cluster is ACTIVE.
func (w weirSystem) bootstrap(t *testing.T) string {
	t.Helper()
	var found string
	// Looked at as often as ports are, so that neither system waits for its observer.
	for deadline := time.Now().Add(30 * time.Second); found == ""; <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("weir up has not printed a bootstrap string")
		}
		found = addresses.FindString(w.Process.Stdout() + w.Process.Stderr())
	}
	return found
}
