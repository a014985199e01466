package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Options say how `weir up` is started; the zero value is a demo cluster of three brokers.
type Options struct {
	NoDemo  bool   // --demo=false
	Brokers int    // --brokers; 0 leaves the default
	Storage string // --storage; "" leaves the default
	Dir     string // where the data directory is made; "" is a temporary folder. Its path must be short.
}

// Weir is one `weir up` with its data directory.
type Weir struct {
	Process *Process // of the current `weir up`
	Data    string
	API     string // host:port of the AWS APIs

	options Options
	binary  string
	mark    string
	env     []string
}

var _ Cluster = (*Weir)(nil)

// Name is "weir".
func (w *Weir) Name() string { return "weir" }

// Replicas is the number of brokers.
func (w *Weir) Replicas() int {
	if w.options.Brokers == 0 {
		return 3
	}
	return w.options.Brokers
}

// StartWeir starts `weir up` on an empty data directory and returns once it is ready.
func StartWeir(t testing.TB, o Options) *Weir {
	t.Helper()
	w := NewWeir(t, o)
	w.Up(t)
	return w
}

// starting is held while a Weir starts: two that choose their addresses at the same moment do not see each other's claims
// (node/claims.go), and one that starts again later may find that the other has its address.
var starting sync.Mutex

// Up starts `weir up` and returns once it is ready.
func (w *Weir) Up(t testing.TB) {
	t.Helper()
	starting.Lock()
	defer starting.Unlock()
	w.Start(t)
	w.AwaitReady(t)
}

// NewWeir makes an empty data directory for a `weir up` that Start starts. The test's end stops it and checks that nothing is left.
func NewWeir(t testing.TB, o Options) *Weir {
	t.Helper()
	if o.Dir == "" {
		o.Dir = ShortDir(t)
	}
	w := &Weir{
		options: o,
		binary:  Binary(t),
		Data:    filepath.Join(o.Dir, "data"),
		API:     net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t, "127.0.0.1"))),
		mark:    newMark(t),
	}
	t.Cleanup(func() {
		if w.Process == nil {
			return
		}
		if t.Failed() {
			w.logTail(t)
		}
		select {
		case <-w.Process.Exited():
		default:
			w.Stop(t)
		}
		w.CheckNothingRuns(t)
	})
	return w
}

// Start starts `weir up` on the data directory and returns at once.
func (w *Weir) Start(t testing.TB) {
	t.Helper()
	w.env = nil
	w.Process = spawn(t, []string{mark + "=" + w.mark}, append([]string{w.binary}, w.UpArgs()...)...)
}

// UpArgs are the arguments of `weir up`.
func (w *Weir) UpArgs() []string {
	args := []string{"up", "--data", w.Data, "--api", w.API}
	if w.options.NoDemo {
		args = append(args, "--demo=false")
	}
	if w.options.Brokers != 0 {
		args = append(args, "--brokers", strconv.Itoa(w.options.Brokers))
	}
	if w.options.Storage != "" {
		args = append(args, "--storage", w.options.Storage)
	}
	return args
}

// startLimit and stopLimit bound what takes a second or two on a machine that has nothing else to do.
const (
	startLimit = 4 * time.Minute
	stopLimit  = time.Minute
)

// AwaitReady waits until the API answers and, unless there is no demo cluster, its bootstrap string is known and answers.
func (w *Weir) AwaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, startLimit, func() error {
		select {
		case <-w.Process.Exited():
			t.Fatalf("weir up ended at its start:\n%s%s", w.Process.Stdout(), w.Process.Stderr())
		default:
		}
		env, err := w.readEnv()
		if err != nil {
			return err
		}
		if !Listening(t.Context(), w.API) {
			return fmt.Errorf("the API at %s does not answer", w.API)
		}
		if w.options.NoDemo {
			w.env = env
			return nil
		}
		bootstrap := lookup(env, "WEIR_BOOTSTRAP")
		if bootstrap == "" {
			return fmt.Errorf("weir env has no WEIR_BOOTSTRAP: %q", env)
		}
		for address := range strings.SplitSeq(bootstrap, ",") {
			if !Listening(t.Context(), address) || !w.Listens(t, address) {
				return fmt.Errorf("broker %s does not answer", address)
			}
		}
		w.env = env
		return nil
	})
}

// readEnv evaluates what `weir env` prints in a shell, as a user does.
func (w *Weir) readEnv() ([]string, error) {
	const script = `out=$("$0" env --data "$1") || exit 1; eval "$out"; env | grep -E '^(AWS_|WEIR_BOOTSTRAP)'`
	cmd := exec.Command("sh", "-c", script, w.binary, w.Data) //nolint:noctx // answers at once or fails
	cmd.Env = withoutCredentials(os.Environ())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("weir env: %w: %s", err, errs.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}

// withoutCredentials drops what the caller's shell may have set for AWS.
func withoutCredentials(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "WEIR_") {
			kept = append(kept, e)
		}
	}
	return kept
}

func lookup(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// Env is what `weir env` exports, for the programs that a test runs. No other AWS configuration of the machine reaches them.
func (w *Weir) Env() []string {
	return append([]string{
		"AWS_CONFIG_FILE=" + filepath.Join(w.Data, "none"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(w.Data, "none"),
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
	}, w.env...)
}

// Bootstrap is the demo cluster's bootstrap string.
func (w *Weir) Bootstrap() string { return lookup(w.env, "WEIR_BOOTSTRAP") }

// Getenv is one variable of Env.
func (w *Weir) Getenv(name string) string { return lookup(w.env, name) }

// Command runs `weir` with arguments; --data is added.
func (w *Weir) Command(t testing.TB, args ...string) string {
	t.Helper()
	return Run(t, w.env, append(append([]string{w.binary}, args...), "--data", w.Data)...)
}

// Stop presses Ctrl-C and waits for the clean end.
func (w *Weir) Stop(t testing.TB) {
	t.Helper()
	w.Process.Signal(os.Interrupt)
	if code := w.Process.Wait(t, stopLimit); code != 0 && code != 130 {
		t.Errorf("weir up ended with exit code %d after an interrupt\n%s", code, w.Process.Stderr())
	}
}

// KillAll ends `weir up` as kill -9 does. Its brokers are not touched: the next start must find them.
func (w *Weir) KillAll() { w.Process.Kill() }

// Brokers are the ids of the running broker processes, of all clusters of this data directory.
func (w *Weir) Brokers() []int {
	var pids []int
	for _, pid := range w.PIDs() {
		if pid != w.Process.PID() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// PIDs are all processes of this `weir up`, and of earlier ones on the same directory.
func (w *Weir) PIDs() []int {
	var live []int
	for _, pid := range Marked(w.mark) {
		if Alive(pid) {
			live = append(live, pid)
		}
	}
	return live
}

// KillBroker ends one broker process as kill -9 does.
func (w *Weir) KillBroker(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill -9 %d: %v", pid, err)
	}
}

// CheckNothingRuns fails the test for every process or open port that is left, and ends what is left. A process that was killed takes a moment to be gone.
func (w *Weir) CheckNothingRuns(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(stopLimit); len(w.PIDs()) > 0 && time.Now().Before(end); {
		<-time.After(10 * time.Millisecond)
	}
	for _, pid := range w.PIDs() {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it was just ending
		}
		t.Errorf("process %d is left behind: %s", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Logf("kill %d: %v", pid, err)
		}
	}
	addresses := []string{w.API}
	if b := w.Bootstrap(); b != "" {
		addresses = append(addresses, strings.Split(b, ",")...)
	}
	for _, a := range addresses {
		if w.Listens(t, a) {
			t.Errorf("%s still accepts connections", a)
		}
	}
}

// logTail shows what `weir up` and its brokers wrote last.
func (w *Weir) logTail(t testing.TB) {
	t.Helper()
	t.Logf("weir up, stdout:\n%s\nstderr:\n%s", tail(w.Process.Stdout()), tail(w.Process.Stderr()))
	for _, pattern := range []string{"log/*", "clusters/*/broker-*/log/*"} {
		logs, err := filepath.Glob(filepath.Join(w.Data, pattern))
		if err != nil {
			panic(err) // the pattern is constant
		}
		for _, path := range logs {
			if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
				t.Logf("%s:\n%s", strings.TrimPrefix(path, w.Data), tail(string(b)))
			}
		}
	}
}

// StatusJSON is what `weir status --output json` says.
func (w *Weir) StatusJSON(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(w.Command(t, "status", "--output", "json")), &v); err != nil {
		t.Fatalf("weir status --output json: %v", err)
	}
	return v
}

// ShortDir is a temporary folder with a short name: a data directory holds Unix sockets, whose names have a limit of about 100 bytes.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-") //nolint:usetesting // t.TempDir's names are too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("a file is left behind: %v", err)
		}
	})
	return dir
}

func newMark(t testing.TB) string {
	t.Helper()
	return uuid.NewString()
}

// Demo says whether the next Start makes the demo cluster.
func (w *Weir) Demo(on bool) { w.options.NoDemo = !on }
