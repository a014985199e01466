// Package etcd is the metadata.Store on etcd: a client of any etcd, and a server embedded in this process for one machine.
// It is the only package that imports etcd.
//
// The server is assembled from etcd's own server package, not from its "embed" package: this one opens no port (clients come over
// a unix socket or in process, a cluster of one has no peers), serves no HTTP, and does not end the process when its disk fails.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3compactor"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/features"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"weir/metadata"
)

// Config of the embedded server.
type Config struct {
	Dir    string // of etcd's data; created with mode 0700
	Socket string // unix socket that clients of other processes use; at most SocketPathMax bytes
	// QuotaBytes is the most the data may take on disk before writes are refused; zero means 8 GiB.
	QuotaBytes int64
	// CompactAfter is how long history is kept for watches; zero means 5 minutes.
	CompactAfter time.Duration
	// ReadyTimeout bounds the time from opened files to the first answer, which damaged ones may never give; zero means 30 s.
	ReadyTimeout time.Duration
	Log          *slog.Logger
}

// SocketPathMax is the longest path of a unix socket that all systems take, without the closing zero byte.
const SocketPathMax = 103

// Server is an etcd cluster of one member inside this process.
type Server struct {
	cfg    Config
	etcd   *etcdserver.EtcdServer
	grpc   *grpc.Server
	store  *Store
	failed chan error
	reason atomic.Pointer[string] // first failure
	dead   chan struct{}          // closed after reason is set
	served sync.WaitGroup
}

// A single member elects itself one or two ticks after it opened its files, and every start waits for that: ticks of 20 ms made the demo cluster
// ACTIVE after 99 ms (median of 10) instead of 77. From then on ticks are good for nothing, since there is nobody to send heartbeats to, but at
// 10 ms each cost an idle machine 1.6 % of a core: see slowDown.
const (
	tickMillis    = 10
	electionTicks = 2
	idleTick      = 250 * time.Millisecond
)

// memberName and peerURL are recorded in the data directory at first start and must stay as they are. Nothing listens there.
const (
	memberName = "weir"
	peerURL    = "http://weir.invalid:2380"
)

// Start opens the data directory, creating it if need be, and returns when the server answers. Close must be called.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if len(cfg.Socket) > SocketPathMax {
		return nil, fmt.Errorf("etcd: socket path %s is longer than %d bytes", cfg.Socket, SocketPathMax)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("etcd: make the data directory: %w", err)
	}
	s := &Server{cfg: cfg, failed: make(chan error, 1), dead: make(chan struct{})}
	listener, err := listen(cfg.Socket)
	if err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("etcd: open %s: %w", cfg.Dir, err)
	}
	s.etcd.Start()
	s.grpc = v3rpc.Server(s.etcd, nil, nil, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}))
	s.store = newStore(v3client.New(s.etcd), s.dead)
	s.served.Go(func() { _ = s.grpc.Serve(listener) }) // it ends with Close only, and its error says just that
	timeout := cfg.ReadyTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case <-s.etcd.ReadyNotify():
		if !slowDown(s.etcd) {
			cfg.Log.Debug("etcd keeps its fast ticks: it is not built as this version of ours expects")
		}
		return s, nil
	case err = <-s.failed:
	case <-late.C:
		err = fmt.Errorf("it opened its files but did not answer within %v: they may be damaged", timeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("etcd: start: %w", err), s.end(closeTimeout))
}

// slowDown makes the ticks of a member that is its own leader rare. Etcd has no setting for that, so its ticker is found by reflection; if it is
// not where it was, nothing happens, and false says so. Asking raft for an election at once instead, with rare ticks from the start, ended etcd
// now and then: it compacts its log in memory while raft still counts on it.
func slowDown(server *etcdserver.EtcdServer) bool {
	node := reflect.ValueOf(server).Elem().FieldByName("r")
	if node.Kind() != reflect.Struct {
		return false
	}
	field := node.FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() || field.IsNil() {
		return false
	}
	(*time.Ticker)(field.UnsafePointer()).Reset(idleTick)
	return true
}

// listen takes the socket. A stale one of a process that was killed is replaced: the caller holds the data directory's lock.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("etcd: remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("etcd: %w", err), l.Close())
	}
	return l, nil
}

// open makes the server in a goroutine of its own, because etcd ends a goroutine when it finds its files unusable: this one, or another
// for which this one then waits in vain. It is left behind in that case; the process is about to end.
func (s *Server) open() error {
	result := make(chan error, 1)
	go func() {
		cfg, err := s.serverConfig()
		if err == nil {
			s.etcd, err = etcdserver.NewServer(cfg)
		}
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case err := <-s.failed:
		return err
	}
}

func (s *Server) serverConfig() (config.ServerConfig, error) {
	peers, err := types.NewURLsMap(memberName + "=" + peerURL)
	if err != nil {
		return config.ServerConfig{}, err
	}
	log := newLogger(s.cfg.Log, s.fail)
	compactAfter := s.cfg.CompactAfter
	if compactAfter == 0 {
		compactAfter = 5 * time.Minute
	}
	quota := s.cfg.QuotaBytes
	if quota == 0 {
		quota = 8 << 30
	}
	return config.ServerConfig{
		Name:                memberName,
		DataDir:             s.cfg.Dir,
		ClientURLs:          types.URLs{url.URL{Scheme: "unix", Path: s.cfg.Socket}},
		PeerURLs:            peers[memberName],
		InitialPeerURLsMap:  peers,
		InitialClusterToken: memberName,
		NewCluster:          true,

		TickMs:                     tickMillis,
		ElectionTicks:              electionTicks,
		InitialElectionTickAdvance: true,
		PreVote:                    true,
		StrictReconfigCheck:        true,
		MaxLearners:                1,

		SnapshotCount:          etcdserver.DefaultSnapshotCount,
		SnapshotCatchUpEntries: 1000, // for followers, which do not exist; the applied entries stay in memory
		MaxSnapFiles:           2,
		MaxWALFiles:            2,

		AutoCompactionMode:      v3compactor.ModePeriodic,
		AutoCompactionRetention: compactAfter,
		CompactionBatchLimit:    1000,
		CompactionSleepInterval: 10 * time.Millisecond,
		CompactHashCheckTime:    time.Minute,
		DowngradeCheckTime:      time.Minute,
		QuotaBackendBytes:       quota,

		MaxTxnOps:            metadata.TxnOpsMax,
		MaxRequestBytes:      requestBytesMax,
		MaxConcurrentStreams: math.MaxUint32,

		WarningApplyDuration:        500 * time.Millisecond,
		WarningUnaryRequestDuration: time.Second,
		WatchProgressNotifyInterval: 10 * time.Minute,

		BcryptCost:        10,
		V2Deprecation:     config.V2DeprDefault,
		Metrics:           "basic",
		Logger:            log,
		ServerFeatureGate: features.NewDefaultServerFeatureGate(memberName, log),
	}, nil
}

func (s *Server) fail(msg string) {
	if s.reason.CompareAndSwap(nil, &msg) {
		close(s.dead)
	}
	select {
	case s.failed <- errors.New(msg):
	default:
	}
}

// Store returns the store of this server for use in this process. It is closed by Close.
func (s *Server) Store() *Store { return s.store }

// Endpoint is what other processes give to Dial.
func (s *Server) Endpoint() string { return "unix://" + s.cfg.Socket }

// Failed yields an error if the server can no longer keep its data, after which nothing it is asked succeeds.
func (s *Server) Failed() <-chan error { return s.failed }

const (
	// closeTimeout bounds the end of a server that met a failure: its goroutines may wait for each other.
	closeTimeout = 3 * time.Second
	// stopTimeout bounds that of any other. It writes what it has, for which a slow disk takes its time.
	stopTimeout = 30 * time.Second
)

// Close ends the store, the connections and the server, in this order.
func (s *Server) Close() error { return s.end(stopTimeout) }

func (s *Server) end(patience time.Duration) error {
	err := s.store.Close()
	s.grpc.Stop()
	s.served.Wait()
	stopped := make(chan struct{})
	go func() {
		s.etcd.Stop()
		close(stopped)
	}()
	dead, late := s.dead, time.After(patience)
	for {
		select {
		case <-stopped:
			return err
		case <-dead:
			dead, late = nil, time.After(min(patience, closeTimeout))
		case <-late:
			return errors.Join(err, s.late())
		}
	}
}

// late says that the server did not stop, and why, if that is known.
func (s *Server) late() error {
	if reason := s.reason.Load(); reason != nil {
		return fmt.Errorf("etcd: the server could not keep its data: %s", *reason)
	}
	return errors.New("etcd: the server did not stop in time")
}
