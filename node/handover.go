package node

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"weir/metadata"
)

// Handover is what a broker process is told, in a file only its user can read: nothing of it is in arguments or environment.
type Handover struct {
	Cluster     string              `json:"cluster"` // uuid
	ClusterID   string              `json:"clusterId"`
	ClusterName string              `json:"clusterName"`
	Broker      metadata.BrokerID   `json:"broker"`
	Rack        string              `json:"rack"`
	Endpoints   []metadata.Endpoint `json:"endpoints"` // listen here and advertise it
	Dir         string              `json:"dir"`       // the broker's directory
	Metadata    []string            `json:"metadata"`  // etcd endpoints
	MemoryBytes int64               `json:"memoryBytes"`
	Properties  map[string]string   `json:"properties"`
	LogLevel    string              `json:"logLevel,omitempty"`
	Storage     string              `json:"storage,omitempty"`
	Restart     int64               `json:"restart"`  // BrokerSpec.Restart that this process is for
	Build       string              `json:"build"`    // of the program that should run
	NotifyFD    uintptr             `json:"notifyFD"` // NotifyReady writes here

	KafkaVersion string `json:"kafkaVersion,omitempty"` // of the cluster; "" is the newest

	// Successor says that another process serves still: this one stands by until the node says that it is being ended (succession.go).
	Successor bool    `json:"successor,omitempty"`
	ControlFD uintptr `json:"controlFD,omitempty"` // the node's word comes from here

	// Recoverer says that the broker cannot serve: this process gives what it leads to other brokers, and ends with ExitRecovered.
	Recoverer bool `json:"recoverer,omitempty"`
}

// Exit codes of a broker process that mean something to its node.
const (
	ExitClaimed      = 80 // another process runs this broker
	ExitAddressInUse = 81
	ExitRecovered    = 82 // of a recoverer: other brokers lead all that the broker led
)

// BrokerDir is where a broker keeps everything, below the data directory.
func BrokerDir(data, cluster string, b metadata.BrokerID) string {
	return filepath.Join(data, "clusters", cluster, "broker-"+strconv.Itoa(int(b)))
}

func handoverPath(dir string) string { return filepath.Join(dir, "run", "broker.json") }
func claimPath(dir string) string    { return filepath.Join(dir, "run", "claim.json") }
func lockPath(dir string) string     { return filepath.Join(dir, "run", "claim.lock") }

// StderrPath is where the process's standard output and error go; LogPath is for its logger.
func StderrPath(dir string) string { return filepath.Join(dir, "log", "stderr.log") }

// LogPath is the file of the broker's log.
func LogPath(dir string) string { return filepath.Join(dir, "log", "broker.log") }

func (h *Handover) encode() []byte {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		panic("node: a hand-over is plain data: " + err.Error())
	}
	return append(b, '\n')
}

// hash tells two configurations apart. How the process came to its turn is none of it.
func (h *Handover) hash() string {
	c := *h
	c.Successor, c.ControlFD = false, 0
	sum := sha256.Sum256(c.encode())
	return hex.EncodeToString(sum[:12])
}

func (h *Handover) write() error {
	return writeFile(handoverPath(h.Dir), h.encode())
}

// ReadHandover reads the file that `weir broker --config` names.
func ReadHandover(path string) (*Handover, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the broker's configuration: %w", err)
	}
	h := new(Handover)
	if err := json.Unmarshal(b, h); err != nil {
		return nil, fmt.Errorf("read the broker's configuration %s: %w", path, err)
	}
	if h.Cluster == "" || h.Broker == 0 || len(h.Endpoints) == 0 || h.Dir == "" || len(h.Metadata) == 0 {
		return nil, fmt.Errorf("read the broker's configuration %s: cluster, broker, endpoints, dir and metadata must be set", path)
	}
	return h, nil
}

// writeFile replaces a small file, readable by its user only, so that readers see the old or the new content.
func writeFile(path string, content []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// claimRecord says which process runs a broker.
type claimRecord struct {
	Identity Identity `json:"identity"`
	Build    string   `json:"build"`
	Config   string   `json:"config"` // Handover.hash
	Restart  int64    `json:"restart"`

	Recoverer bool `json:"recoverer,omitempty"`
}

// Identity tells a process from all others that ever ran on the machine.
type Identity struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // ticks since boot
	Boot      string `json:"boot"`      // the kernel's boot id
}

// ErrClaimed means that another process runs the broker.
var ErrClaimed = errors.New("another process runs this broker")

// Claim makes this process the one that runs the broker, until it ends or calls release, which may be done twice. It comes before all else that a broker
// process does to its directory, but for its log and, of a successor, run/successor.json.
func Claim(h *Handover) (release func(), err error) {
	lock, err := lockFile(lockPath(h.Dir))
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", h.Dir, err)
	}
	id, err := self()
	if err == nil {
		err = writeFile(claimPath(h.Dir), encodeClaim(claimRecord{Identity: id, Build: h.Build, Config: h.hash(), Restart: h.Restart, Recoverer: h.Recoverer}))
	}
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("claim %s: %w", h.Dir, err)
	}
	return sync.OnceFunc(func() { _ = lock.Close() }), nil
}

func encodeClaim(c claimRecord) []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("node: a claim is plain data: " + err.Error())
	}
	return b
}

// readClaim returns the claim of the process that last ran the broker; ok is false if there is none.
func readClaim(dir string) (c claimRecord, ok bool, err error) {
	return readRecord(claimPath(dir))
}

func readRecord(path string) (c claimRecord, ok bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return claimRecord{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return claimRecord{}, false, fmt.Errorf("read the claim %s: %w", path, err)
	}
	return c, true, nil
}

// NotifyReady tells the node that the broker serves. A node that is gone is no error.
func NotifyReady(h *Handover) {
	if h.NotifyFD == 0 {
		return
	}
	f := os.NewFile(h.NotifyFD, "notify")
	if f == nil {
		return
	}
	_, _ = f.WriteString(readyMessage)
	_ = f.Close()
}

const readyMessage = "ready\n"
