package upstream

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// onWeir are the systems to run on: Weir, unless WEIR_TEST_SYSTEMS says otherwise.
func onWeir() []string {
	if s := os.Getenv("WEIR_TEST_SYSTEMS"); s != "" {
		return strings.Split(s, ",")
	}
	return []string{"weir"}
}

// saramaFirstPort is where sarama's tests look for their first broker: 29091 to 29095.
const saramaFirstPort = 29091

// TestSarama runs sarama's functional tests on five brokers.
func TestSarama(t *testing.T) {
	// Some records have times of long ago, which a look for what retention drops would take away.
	w := cluster.StartWeir(t, cluster.Options{Brokers: 5, Storage: "retain-interval=24h"})
	cluster.NewestFeatures(t, w)
	proxies := newProxies(t, brokers(t, w), saramaFirstPort)
	api := &toxiproxy{proxies: proxies}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("/docker", func(rw http.ResponseWriter, r *http.Request) { docker(t, w, proxies, rw, r.Header.Get("X-Args")) })
	address := serve(t, mux)
	run(t, suite{
		pkg:  "github.com/IBM/sarama",
		args: []string{"-tags=functional", "-run=^(TestFunc|TestConsumer(HighWaterMarkOffset|PartialBatchRecovery|GroupDeadlock|FetchFollowerFailover)$|TestVersionMatrix|TestReadOnlyAndAllCommittedMessages$|TestInterceptors$|TestAsyncProducerRemoteBrokerClosed$|TestJava)"},
		env: []string{
			"TOXIPROXY_ADDR=http://" + address, "KAFKA_VERSION=4.3.1", "WEIR_TEST_DOCKER=" + strings.Replace(address, ":", "/", 1),
			"PATH=" + fakeDocker(t) + string(filepath.ListSeparator) + os.Getenv("PATH"),
		},
		limit: 10 * time.Minute,
		skip:  saramaSkips(),
		mutes: map[string]string{},
	})
}

// brokers are the addresses of all brokers by their ids; the bootstrap string names three.
func brokers(t *testing.T, w *cluster.Weir) (addresses []string) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(w.Bootstrap(), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	cluster.Eventually(t, time.Minute, func() error {
		found, err := kadm.NewClient(cl).ListBrokers(t.Context())
		if err == nil && len(found) != w.Replicas() {
			err = fmt.Errorf("%d of %d brokers are there", len(found), w.Replicas())
		}
		addresses = nil
		for _, b := range found { // sorted by id
			addresses = append(addresses, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
		}
		return err
	})
	return addresses
}

// saramaSkips are the tests that cannot run here.
func saramaSkips() map[string]string {
	const java = "runs Java inside the containers of its own harness; test/matrix has Java beside sarama"
	return map[string]string{
		"TestConsumerFetchFollowerFailover":       "consumes from a follower in the client's rack: replicas are virtual, and leaders alone serve",
		"TestFuncAdminIncrementalAlterConfigs":    "sets log.cleaner.backoff.ms on a running broker; Weir reads it at the start of brokers only",
		"TestReadOnlyAndAllCommittedMessages":     "skips itself everywhere",
		"TestFuncJavaInteropCooperativeRebalance": java,
		"TestJavaProducerCompressionRoundTrip":    java,
		"TestJavaConsumerCompressionRoundTrip":    java,
		"TestJavaMurmur2PartitionerInterop":       java,
	}
}

// docker does what the tests ask of containers: a broker that is stopped is killed, and its node starts it again at once. As with containers, the command
// ends when that has happened: the clients' connections are closed, or the broker serves.
func docker(t *testing.T, w *cluster.Weir, proxies map[string]*proxy, rw http.ResponseWriter, args string) {
	var id int
	switch {
	case strings.HasPrefix(args, "compose stop kafka-"), strings.HasPrefix(args, "compose start kafka-"):
		var verb string
		if _, err := fmt.Sscanf(args, "compose %s kafka-%d", &verb, &id); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		p := proxies["kafka"+strconv.Itoa(id)]
		if p == nil {
			http.Error(rw, "no such broker", http.StatusNotFound)
			return
		}
		err := started(p)
		if err == nil && verb == "stop" {
			err = stopped(w, p, id)
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
	case strings.HasPrefix(args, "compose logs"):
	default:
		t.Logf("docker %s: not known here", args)
		http.Error(rw, "not known here: "+args, http.StatusBadRequest)
	}
}

// started waits until the broker accepts connections.
func started(p *proxy) error {
	c, err := p.dial()
	if err != nil {
		return err
	}
	return c.Close()
}

// stopped kills the broker and waits until those who had connections to it have lost them.
func stopped(w *cluster.Weir, p *proxy, id int) error {
	before := p.connections()
	pid := brokerProcess(w, id)
	if pid == 0 {
		return fmt.Errorf("broker %d has no process", id)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for end := time.Now().Add(dialLimit); ; <-time.After(5 * time.Millisecond) {
		left := 0
		for c := range p.connections() {
			if before[c] {
				left++
			}
		}
		switch {
		case left == 0 && !cluster.Alive(pid):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("broker %d was killed, and %d connections are left", id, left)
		}
	}
}

// fakeDocker is a folder with a command called docker, which tells its arguments to the test.
func fakeDocker(t *testing.T) string {
	dir := t.TempDir()
	const script = `#!/usr/bin/env bash
exec 3<>"/dev/tcp/$WEIR_TEST_DOCKER" || exit 1
printf 'POST /docker HTTP/1.0\r\nX-Args: %s\r\nContent-Length: 0\r\n\r\n' "$*" >&3
read -r _ status _ <&3
[ "$status" = 200 ]
`
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
