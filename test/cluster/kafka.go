package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Kafka is one Apache Kafka node in KRaft's combined mode, with the settings and JVM flags of its distribution.
type Kafka struct {
	Process *Process
	dir     string
	address string
	mark    string
}

var _ Cluster = (*Kafka)(nil)

// Name is "kafka".
func (k *Kafka) Name() string { return "kafka" }

// Bootstrap is the node's address.
func (k *Kafka) Bootstrap() string { return k.address }

// Replicas is 1: there is one node.
func (k *Kafka) Replicas() int { return 1 }

// StartKafka formats an empty directory and starts Apache Kafka on it; it returns once the broker serves. Settings are as NewKafka's.
func StartKafka(t testing.TB, settings ...string) *Kafka {
	t.Helper()
	k := NewKafka(t, settings...)
	k.Start(t)
	k.AwaitReady(t)
	return k
}

// AwaitReady waits until a started node serves.
func (k *Kafka) AwaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, startLimit, func() error {
		select {
		case <-k.Process.Exited():
			t.Fatalf("Apache Kafka ended at its start:\n%s", tail(k.Process.Stdout()+k.Process.Stderr()))
		default:
		}
		if !strings.Contains(k.Process.Stdout(), "Kafka Server started") {
			return fmt.Errorf("Apache Kafka has not started:\n%s", tail(k.Process.Stdout()))
		}
		return nil
	})
}

// NewKafka formats an empty directory for a node that Start starts. Settings are lines of server.properties beyond the distribution's, of
// which those that repeat a default are left out: a broker reports them as set.
func NewKafka(t testing.TB, settings ...string) *Kafka {
	t.Helper()
	k := &Kafka{dir: ShortDir(t), mark: newMark(t)}
	port, controller := FreePort(t, "127.0.0.1"), FreePort(t, "127.0.0.1")
	k.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	properties := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=%[3]s
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
`, port, controller, filepath.Join(k.dir, "data"))
	properties += strings.Join(settings, "\n") + "\n"
	if err := os.WriteFile(k.config(), []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, nil, "java", "-Xmx256m", "-cp", Jars(t, "kafka"), "kafka.tools.StorageTool",
		"format", "--standalone", "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qk", "--config", k.config())
	return k
}

func (k *Kafka) config() string { return filepath.Join(k.dir, "server.properties") }

// Dir is the folder of the node's files.
func (k *Kafka) Dir() string { return k.dir }

// Start starts the node and returns at once.
func (k *Kafka) Start(t testing.TB) {
	t.Helper()
	log4j := filepath.Join(Root(), "test", "tools", "kafka", "log4j2.yaml")
	// The flags of kafka-server-start.sh and kafka-run-class.sh.
	k.Process = Spawn(t, []string{mark + "=" + k.mark}, "java", "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile="+log4j, "-cp", Jars(t, "kafka"), "kafka.Kafka", k.config())
}

// Stop ends the node as an operator does and waits for it.
func (k *Kafka) Stop(t testing.TB) {
	t.Helper()
	k.Process.Signal(syscall.SIGTERM)
	k.Process.Wait(t, stopLimit)
}

// PIDs are its processes.
func (k *Kafka) PIDs() []int { return []int{k.Process.PID()} }

// LikeMSK are settings for NewKafka that make Kafka what users of Amazon MSK see, but that nobody waits for a group's other members or for
// its next assignment: Weir does not make them wait either.
func LikeMSK() []string {
	return []string{
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"allow.everyone.if.no.acl.found=true",
		"broker.rack=use1-az1",
		"unclean.leader.election.enable=true",
		"group.initial.rebalance.delay.ms=0",
		"group.streams.initial.rebalance.delay.ms=0",
		"group.consumer.assignment.interval.ms=0",
		"group.share.assignment.interval.ms=0",
		"group.streams.assignment.interval.ms=0",
		"group.consumer.assignor.offload.enable=false",
		"group.share.assignor.offload.enable=false",
		"group.streams.assignor.offload.enable=false",
	}
}
