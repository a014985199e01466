// Package cluster starts real clusters for tests: Weir from its built binary, and Apache Kafka from its Maven packages, so that one
// script can run against both. It is the only harness of everything under test/.
//
// What a test starts, it owns: at its end every process is gone, every port is free and every file is removed, and the test fails if
// that takes more than a clean stop. Tools that a test needs and the machine lacks skip it with the reason, or fail it where CI is set.
package cluster

import (
	"testing"
)

// Cluster is what a client needs of either system.
type Cluster interface {
	// Name says which system it is: "weir" or "kafka".
	Name() string
	// Bootstrap is the list of brokers as clients take it: host:port,host:port.
	Bootstrap() string
	// Replicas is the highest replication factor that topics can have.
	Replicas() int
}

// OnEach runs the same script against Apache Kafka and then against Weir, each as a subtest. Against Kafka first: a script that the
// original does not pass tells nothing about Weir.
func OnEach(t *testing.T, script func(t *testing.T, c Cluster)) {
	t.Helper()
	for _, system := range systems() {
		t.Run(system, func(t *testing.T) {
			var c Cluster
			if system == "kafka" {
				c = StartKafka(t)
			} else {
				c = StartWeir(t, Options{})
			}
			script(t, c)
		})
	}
}
