package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/metadata"
)

// patience is what a busy machine may take for what is done in seconds.
const patience = 2 * time.Minute

// running is an Up under test with real broker processes.
type running struct {
	t       *testing.T
	up      *Up
	cancel  context.CancelFunc
	stopped bool
	result  chan error
	ready   chan ClusterStatus
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func testConfig(t *testing.T) Config {
	cfg := Default()
	cfg.Data = filepath.Join(shortDir(t), "data")
	cfg.API = "127.0.0.1:0"
	cfg.LogLevel = "debug"
	return cfg
}

func startUp(t *testing.T, cfg Config, adjust ...func(*Up)) *running {
	t.Helper()
	r := &running{t: t, result: make(chan error, 1), ready: make(chan ClusterStatus, 1)}
	trouble := make(chan error, 1)
	up, err := NewUp(cfg, Events{
		Cluster: func(_ time.Duration, c ClusterStatus) { r.ready <- c },
		Trouble: func(err error) { trouble <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range adjust {
		a(up)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.up, r.cancel = up, cancel
	go func() { r.result <- up.Run(ctx) }()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			showLogs(t, cfg.Data)
		}
	})
	select {
	case c := <-r.ready:
		r.ready <- c
	case err := <-trouble:
		t.Fatal(err)
	case err := <-r.result:
		r.result <- err
		t.Fatal("up ended: ", err)
	case <-time.After(patience):
		t.Fatal("the demo cluster did not come")
	}
	return r
}

func (r *running) cluster() ClusterStatus {
	c := <-r.ready
	r.ready <- c
	return c
}

// stop ends it and may be called more than once.
func (r *running) stop() {
	if r.stopped {
		return
	}
	r.stopped = true
	r.cancel()
	select {
	case err := <-r.result:
		if err != nil {
			r.t.Errorf("Run = %v", err)
		}
	case <-time.After(patience):
		r.t.Fatal("up did not end")
	}
}

func showLogs(t *testing.T, data string) {
	files, _ := filepath.Glob(filepath.Join(data, "clusters", "*", "*", "log", "*"))
	for _, f := range append(files, logPath(data)) {
		b, _ := os.ReadFile(f)
		t.Logf("%s:\n%s", f, b[max(0, len(b)-4000):])
	}
}

func client(t *testing.T, bootstrap string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(bootstrap, ",")...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// consume reads n records of the topic from its start.
func consume(t *testing.T, bootstrap, topic string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl := client(t, bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var values []string
	for len(values) < n {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records came: %v", len(values), n, fs.Errors())
		}
		fs.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func TestUpServesKeepsAndRecovers(t *testing.T) {
	cfg := testConfig(t)
	r := startUp(t, cfg)
	bootstrap := r.cluster().Bootstrap
	ctx := t.Context()
	cl := client(t, bootstrap)
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 3, -1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	produce := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for i := range n {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	produce(20)
	// A broker is killed: its node restarts it, and the client goes on.
	killed := r.cluster().Brokers[0]
	if err := syscall.Kill(killed.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	produce(20)
	if n := len(consume(t, bootstrap, "orders", 40)); n != 40 {
		t.Errorf("%d records; want 40", n)
	}
	var s Status
	var err error
	soon(t, "the status says that all brokers serve, the first after a restart", func() bool { // the node reports a moment after the fact
		s, err = ReadStatus(ctx, cfg.Data)
		return err == nil && s.Health == Healthy && len(s.Clusters) == 1 && s.Clusters[0].Brokers[0].Restarts > 0
	})
	if s.Clusters[0].Brokers[0].Address != killed.Address {
		t.Errorf("status = %+v; want broker 1 restarted at its address", s)
	}
	env, err := ReadEnv(ctx, cfg.Data)
	if err != nil || len(env) != 6 || env[5].Value != bootstrap || env[0].Value != s.API {
		t.Errorf("env of %d variables, %v", len(env), err)
	}
	r.stop()
	for _, b := range s.Clusters[0].Brokers {
		if syscall.Kill(b.PID, 0) == nil {
			t.Errorf("broker process %d is left behind", b.PID)
		}
	}
	if _, err := ReadStatus(ctx, cfg.Data); err == nil {
		t.Error("a status after the end")
	}
	// Everything is there after a restart, at the same addresses.
	r = startUp(t, cfg)
	if again := r.cluster().Bootstrap; again != bootstrap {
		t.Errorf("bootstrap was %s and is %s", bootstrap, again)
	}
	consume(t, bootstrap, "orders", 40)
	produce(1)
}

func TestSecondUpIsRefused(t *testing.T) {
	cfg := testConfig(t)
	cfg.Brokers = 1
	startUp(t, cfg)
	up, err := NewUp(cfg, Events{})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := IsProblem(up.Run(t.Context()))
	if !ok || p.Code != ExitConflict || !strings.Contains(p.Why, fmt.Sprint(os.Getpid())) {
		t.Errorf("second up: %+v; want a conflict that names the process", p)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := testConfig(t)
	cfg.API = l.Addr().String()
	up, err := NewUp(cfg, Events{})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := IsProblem(up.Run(t.Context()))
	if !ok || p.Code != ExitConflict || !strings.Contains(p.What, cfg.API) || !strings.Contains(p.Fix, "--api") {
		t.Errorf("got %+v", p)
	}
}

func TestNewerFormatIsRefusedUntouched(t *testing.T) {
	cfg := testConfig(t)
	if err := os.Mkdir(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(formatPath(cfg.Data), []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	up, err := NewUp(cfg, Events{})
	if err != nil {
		t.Fatal(err)
	}
	err = up.Run(t.Context())
	var newer *metadata.NewerFormatError
	if !errors.As(err, &newer) || newer.Found != 2 {
		t.Errorf("Run = %v; want a NewerFormatError", err)
	}
	entries, _ := os.ReadDir(cfg.Data)
	if len(entries) != 1 {
		t.Errorf("something was written: %v", entries)
	}
}
