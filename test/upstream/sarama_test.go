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
	w := cluster.StartWeir(t, cluster.Options{Brokers: 5})
	cluster.NewestFeatures(t, w)
	proxies := newProxies(t, brokers(t, w), saramaFirstPort)
	api := &toxiproxy{proxies: proxies}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("/docker", func(rw http.ResponseWriter, r *http.Request) { docker(t, w, rw, r.Header.Get("X-Args")) })
	address := serve(t, mux)
	run(t, suite{
		pkg:  "github.com/IBM/sarama",
		args: []string{"-tags=functional", "-run=^(TestFunc|TestConsumer(HighWaterMarkOffset|PartialBatchRecovery|GroupDeadlock|FetchFollowerFailover)$|TestVersionMatrix|TestReadOnlyAndAllCommittedMessages$|TestInterceptors$|TestAsyncProducerRemoteBrokerClosed$|TestJava)"},
		env: []string{
			"TOXIPROXY_ADDR=http://" + address, "KAFKA_VERSION=4.3.1", "WEIR_TEST_DOCKER=" + strings.Replace(address, ":", "/", 1),
			"PATH=" + fakeDocker(t) + string(filepath.ListSeparator) + os.Getenv("PATH"),
		},
		limit: 5 * time.Minute,
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
	cluster.Eventually(t, 20*time.Second, func() error {
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

// docker does what the tests ask of containers: a broker that is stopped is killed, and its node starts it again at once.
func docker(t *testing.T, w *cluster.Weir, rw http.ResponseWriter, args string) {
	var id int
	switch words := strings.Fields(args); {
	case strings.HasPrefix(args, "compose stop kafka-") && len(words) == 3:
		if _, err := fmt.Sscanf(words[2], "kafka-%d", &id); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		pid := brokerProcess(w, id)
		if pid == 0 {
			http.Error(rw, "no such broker", http.StatusNotFound)
			return
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	case strings.HasPrefix(args, "compose start kafka-"), strings.HasPrefix(args, "compose logs"):
	default:
		t.Logf("docker %s: not known here", args)
		http.Error(rw, "not known here: "+args, http.StatusBadRequest)
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
