package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// Health sums up a Status.
type Health string

// The healths.
const (
	Healthy  Health = "healthy"
	Degraded Health = "degraded" // some cluster or broker is not as it should be
	Down     Health = "down"     // nothing answers
)

// Status is what `weir status` shows. Field names are stable.
type Status struct {
	Health   Health          `json:"health"`
	Version  string          `json:"version"`
	PID      int             `json:"pid"`
	Started  time.Time       `json:"started"`
	Data     string          `json:"data"`
	API      string          `json:"api"` // URL
	Account  string          `json:"account"`
	Region   string          `json:"region"`
	Clusters []ClusterStatus `json:"clusters"`
}

// ClusterStatus is one cluster of a Status.
type ClusterStatus struct {
	Name         string         `json:"name"`
	ARN          string         `json:"arn"`
	State        string         `json:"state"`
	StateInfo    string         `json:"stateInfo,omitempty"`
	KafkaVersion string         `json:"kafkaVersion"`
	Bootstrap    string         `json:"bootstrap,omitempty"` // of the plaintext listener
	Brokers      []BrokerStatus `json:"brokers"`
}

// BrokerStatus is one broker of a ClusterStatus.
type BrokerStatus struct {
	ID       int32  `json:"id"`
	Ready    bool   `json:"ready"`           // it serves
	State    string `json:"state,omitempty"` // of its process
	Address  string `json:"address,omitempty"`
	PID      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts"`
	LastExit string `json:"lastExit,omitempty"`
}

// Bootstrap is the bootstrap string to start from: the demo cluster's if there is one, or else that of the first cluster that has one.
func (s *Status) Bootstrap() string {
	first := ""
	for _, c := range s.Clusters {
		if c.Name == demoName && c.Bootstrap != "" {
			return c.Bootstrap
		}
		if first == "" {
			first = c.Bootstrap
		}
	}
	return first
}

// ready tells whether everything of the cluster serves.
func (c *ClusterStatus) ready() bool {
	return c.State == string(resource.Active) && len(c.Brokers) > 0 && !slices.ContainsFunc(c.Brokers, func(b BrokerStatus) bool { return !b.Ready })
}

// clientListener is the name of the plaintext listener.
const clientListener = "CLIENT"

// statusReader puts a Status together from the metadata.
type statusReader struct {
	up    *Up
	dir   string
	api   string
	store metadata.Store
}

func (r *statusReader) read(ctx context.Context) (Status, error) {
	s := Status{
		Health: Healthy, Version: Version, PID: os.Getpid(), Started: r.up.started, Data: r.dir, API: r.api,
		Account: r.up.scope.Account, Region: r.up.scope.Region, Clusters: []ClusterStatus{},
	}
	clusters, err := resource.ListClusters(ctx, r.store, r.up.scope)
	if err != nil {
		return s, err
	}
	for _, c := range clusters {
		cs, err := r.cluster(ctx, &c)
		if err != nil {
			return s, err
		}
		if !cs.ready() && !cs.IsStopped() {
			s.Health = Degraded
		}
		s.Clusters = append(s.Clusters, cs)
	}
	slices.SortFunc(s.Clusters, func(a, b ClusterStatus) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

func (r *statusReader) cluster(ctx context.Context, c *resource.Cluster) (ClusterStatus, error) {
	cs := ClusterStatus{Name: c.Name, ARN: c.ARN(), State: string(c.State), KafkaVersion: c.KafkaVersion, Brokers: []BrokerStatus{}}
	if c.StateInfo != nil {
		cs.StateInfo = c.StateInfo.Code + ": " + c.StateInfo.Message
	}
	var bootstrap []string
	for _, e := range c.BootstrapEndpoints(clientListener) {
		bootstrap = append(bootstrap, net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
	}
	cs.Bootstrap = strings.Join(bootstrap, ",")
	processes, err := records[resource.BrokerStatus](ctx, r.store, resource.BrokerStatusPrefix(machine, c.UUID))
	if err != nil {
		return cs, err
	}
	sessions, err := records[metadata.Session](ctx, r.store, metadata.ClusterPrefix(c.UUID)+"sess/")
	if err != nil {
		return cs, err
	}
	for _, n := range c.Nodes {
		id := strconv.Itoa(int(n.Broker))
		p := processes[id]
		b := BrokerStatus{
			ID: int32(n.Broker), Ready: sessions[id].Ready && p.State == resource.BrokerRunning, State: string(p.State), PID: p.PID,
			Restarts: p.Restarts, LastExit: p.LastExit,
		}
		if p.Address != "" {
			b.Address = net.JoinHostPort(p.Address, strconv.Itoa(int(p.Port)))
		}
		cs.Brokers = append(cs.Brokers, b)
	}
	return cs, nil
}

// records decodes what is under prefix, by the last segment of the key.
func records[T any](ctx context.Context, store metadata.Store, prefix string) (map[string]T, error) {
	kvs, _, err := store.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	all := make(map[string]T, len(kvs))
	for _, kv := range kvs {
		if all[metadata.LastSegment(kv.Key)], err = metadata.Decode[T](kv); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// awaitCluster waits until everything of the cluster serves, or it failed.
func (r *statusReader) awaitCluster(ctx context.Context, c resource.Cluster) (ClusterStatus, error) {
	c, err := resource.Await(ctx, r.store, c.Key(), func(c resource.Cluster, ok bool) bool {
		return !ok || (c.State != resource.Creating && c.State != resource.Healing)
	})
	if err != nil {
		return ClusterStatus{}, err
	}
	if c.State == resource.Failed {
		why := "its creation failed"
		if c.StateInfo != nil {
			why = c.StateInfo.Message
		}
		return ClusterStatus{}, &Problem{What: "cluster " + c.Name + " failed", Why: why, Fix: "see the log; the next start tries anew"}
	}
	// A cluster that was ACTIVE when weir up ended still is: its brokers may be starting.
	var cs ClusterStatus
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if cs, err = r.cluster(ctx, &c); err != nil || cs.ready() || c.State != resource.Active {
			return cs, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return cs, ctx.Err()
		}
	}
}

// ServeHTTP answers GET /status on the socket of the data directory, which only its owner can open.
func (r *statusReader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/status" || req.Method != http.MethodGet {
		http.NotFound(w, req)
		return
	}
	s, err := r.read(req.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // the reader is gone: nobody to tell
}

// statusTimeout bounds a question to a weir up on the same machine.
const statusTimeout = 5 * time.Second

// ReadStatus asks the weir up that runs on the data directory.
func ReadStatus(ctx context.Context, data string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var s Status
	notRunning := func(err error) error {
		return &Problem{
			What: "nothing runs on the data directory " + data, Why: err.Error(),
			Fix: "start it with weir up, or name the directory of one that runs with --data", Code: ExitCannotConnect, Err: err,
		}
	}
	if _, err := os.Stat(formatPath(data)); err != nil {
		return s, notRunning(err)
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", findSocket(data, statusSocket))
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://weir/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := client.Do(req)
	if err != nil {
		var call *url.Error
		if errors.As(err, &call) {
			err = call.Err // without the URL, which means nothing to a reader
		}
		return s, notRunning(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, &Problem{
			What: "weir up does not know its status", Why: "it answered " + resp.Status, Fix: "see " + logPath(data), Code: ExitCannotConnect,
		}
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, statusBytesMax)).Decode(&s); err != nil {
		return s, fmt.Errorf("read the status: %w", err)
	}
	return s, nil
}

// statusBytesMax bounds what is read as a status.
const statusBytesMax = 16 << 20
