package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/authn"
	"weir/aws/autoscaling"
	"weir/aws/ec2"
	awskafka "weir/aws/kafka"
	"weir/aws/kms"
	"weir/aws/logs"
	"weir/aws/secretsmanager"
	"weir/aws/sts"
	"weir/aws/weir"
	"weir/awsapi"
	"weir/awsapi/front"
	"weir/awsapi/gen/cloudwatch"
	"weir/awsapi/gen/iam"
	"weir/awsapi/gen/kafkaconnect"
	"weir/control"
	"weir/control/dataplane"
	"weir/control/resource"
	"weir/metadata"
	"weir/metadata/etcd"
	"weir/node"
	"weir/secret"
)

// Events tell whoever started Up how it gets on, in this order. They are called from several goroutines, one at a time, and must not block.
// A nil one is not called.
type Events struct {
	Opened func(dir string) // the data directory is locked
	// Ready says that the control plane and the APIs answer.
	Ready func(after time.Duration, s Status)
	// Cluster says that the demo cluster's brokers serve.
	Cluster func(after time.Duration, c ClusterStatus)
	// Trouble says that the demo cluster cannot be had; everything else runs.
	Trouble func(err error)
}

// Up is the role of everything on one machine.
type Up struct {
	cfg     Config
	events  Events
	began   time.Time
	kill    chan struct{}
	scope   resource.Scope
	started time.Time

	control control.Config // whose bounds tests lower
}

// NewUp checks cfg. It starts nothing.
func NewUp(cfg Config, events Events) (*Up, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Up{
		cfg: cfg, events: events, began: time.Now(), kill: make(chan struct{}),
		scope: resource.Scope{Account: authn.AccountID, Region: cfg.Region},
	}, nil
}

// Kill makes the stop of brokers a kill. It may be called once.
func (u *Up) Kill() { close(u.kill) }

// machine is the id of this machine as a node.
const machine = "local"

// Run runs until ctx ends and then stops everything in order. Run may be called once.
func (u *Up) Run(ctx context.Context) (err error) {
	dir, err := openDataDir(u.cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	if u.events.Opened != nil {
		u.events.Opened(dir.path)
	}
	log, closeLog, err := u.openLog(dir)
	if err != nil {
		return err
	}
	defer closeLog()
	log.Info("starting", "version", Version, "pid", os.Getpid(), "dir", dir.path)
	g, err := u.lay(ctx, dir, log)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, g.close())
		log.Info("stopped", "err", err)
	}()
	return u.serve(ctx, dir, log, g)
}

func (u *Up) openLog(dir *dataDir) (*slog.Logger, func(), error) {
	level, err := u.cfg.level()
	if err != nil {
		return nil, nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	if u.cfg.Log == "stderr" {
		return slog.New(slog.NewTextHandler(os.Stderr, options)), func() {}, nil
	}
	f, err := openLog(logPath(dir.path))
	if err != nil {
		return nil, nil, problem("cannot use the data directory "+dir.path, err, "make it writable for you")
	}
	return slog.New(slog.NewTextHandler(f, options)), func() { _ = f.Close() }, nil
}

// ground is what everything else stands on.
type ground struct {
	root   authn.Root
	master *secret.Master
	etcd   *etcd.Server
	api    net.Listener
	sock   net.Listener
}

// lay opens what takes time to open, at once.
func (u *Up) lay(ctx context.Context, dir *dataDir, log *slog.Logger) (_ *ground, err error) {
	gr := &ground{}
	defer func() {
		if err != nil {
			err = errors.Join(err, gr.close())
		}
	}()
	if gr.api, err = listenAPI(u.cfg.API); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if gr.root, err = authn.LoadOrCreateRoot(credentialsPath(dir.path)); err != nil {
			return problem("cannot use the account's credentials", err, "")
		}
		if gr.master, err = secret.LoadOrCreateMaster(masterKeyPath(dir.path)); err != nil {
			return problem("cannot use the key that secrets are kept under", err, "")
		}
		return nil
	})
	g.Go(func() error {
		s, err := etcd.Start(gctx, etcd.Config{
			Dir: filepath.Join(dir.path, "etcd"), Socket: filepath.Join(dir.sockets, metadataSocket), Log: log,
		})
		if err != nil {
			return problem("cannot open the metadata in "+dir.path, err, "see "+logPath(dir.path)+"; if a disk is full, make room")
		}
		gr.etcd = s
		return u.prepare(gctx, dir, s.Store())
	})
	g.Go(func() (err error) {
		gr.sock, err = listenSocket(filepath.Join(dir.sockets, statusSocket))
		return err
	})
	return gr, g.Wait()
}

// prepare brings the metadata to where everything may use them.
func (u *Up) prepare(ctx context.Context, dir *dataDir, store metadata.Store) error {
	err := metadata.CheckFormat(ctx, store)
	var newer *metadata.NewerFormatError
	if errors.As(err, &newer) {
		return newerFormat(dir.path, newer)
	}
	if err == nil {
		err = resource.SeedNetwork(ctx, store, u.scope)
	}
	if err == nil {
		err = resource.SeedKeys(ctx, store, u.scope)
	}
	if err != nil && ctx.Err() == nil {
		return problem("cannot prepare the metadata", err, "")
	}
	return err
}

func (g *ground) close() error {
	var errs []error
	for _, l := range []net.Listener{g.api, g.sock} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if g.etcd != nil {
		errs = append(errs, g.etcd.Close())
	}
	return errors.Join(errs...)
}

func listenAPI(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	p := problem("cannot serve the AWS APIs at "+address, err, "choose another address with --api")
	if errors.Is(err, syscall.EADDRINUSE) {
		p.Code = ExitConflict
		p.Why = "the port is in use"
		p.Fix = "end the program that uses it, or choose another port with --api, such as --api 127.0.0.1:4567"
		if a, ok := tcpAddress(address); ok {
			if owner := node.PortOwner(a); owner != "" {
				p.Why += " by " + owner
			}
		}
	}
	return nil, p
}

func tcpAddress(address string) (node.Address, bool) {
	a, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return node.Address{}, false
	}
	return node.Address{IP: a.IP.String(), Port: int32(a.Port)}, true
}

// serve runs the planes until ctx ends or one of them fails.
func (u *Up) serve(ctx context.Context, dir *dataDir, log *slog.Logger, gr *ground) error {
	store := gr.etcd.Store()
	n, err := u.newNode(dir, log, gr)
	if err != nil {
		return err
	}
	brokers := dataplane.New(dataplane.Config{}, log)
	channels, closeStore, err := u.newChannels(log, store, brokers)
	if err != nil {
		return err
	}
	defer closeStore()
	quotas, err := resource.ParseQuotas(u.cfg.Quotas)
	if err != nil {
		return err
	}
	f, err := u.newFront(log, store, gr, awskafka.Deps{Brokers: brokers, ObjectStore: u.cfg.S3Endpoint != "", Master: gr.master, Quotas: quotas})
	if err != nil {
		return err
	}
	controller := control.New(u.control, store, log)
	reader := &statusReader{up: u, dir: dir.path, api: apiURL(gr.api), store: store}
	u.started = time.Now()

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		stopped := make(chan struct{})
		var killing sync.WaitGroup
		killing.Go(func() {
			select {
			case <-u.kill:
				n.Kill()
			case <-stopped:
			}
		})
		defer killing.Wait()
		defer close(stopped)
		return ended(gctx, n.Run(gctx))
	})
	g.Go(func() error { return ended(gctx, controller.Run(gctx)) })
	g.Go(func() error { return ended(gctx, brokers.Run(gctx)) })
	g.Go(func() error { return ended(gctx, channels.Run(gctx)) })
	g.Go(func() error { return serveHTTP(gctx, gr.api, front.NewServer(f)) })
	g.Go(func() error { return serveHTTP(gctx, gr.sock, front.NewServer(reader)) })
	g.Go(func() error {
		select {
		case err := <-gr.etcd.Failed():
			return problem("the metadata cannot be kept any more", err, "if the disk is full, make room; then start again: nothing acknowledged is lost")
		case <-gctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		select {
		case <-n.Registered():
			u.announce(gctx, reader)
		case <-gctx.Done():
		}
		return nil
	})
	return g.Wait()
}

// ended makes the end that was asked for no error.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (u *Up) newNode(dir *dataDir, log *slog.Logger, gr *ground) (*node.Node, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	build, err := buildID(program)
	if err != nil {
		return nil, err
	}
	return node.New(node.Config{
		ID:          machine,
		Dir:         dir.path,
		Program:     program,
		Build:       build,
		Metadata:    []string{gr.etcd.Endpoint()},
		VCPU:        runtime.NumCPU(),
		MemoryBytes: machineMemory(),
		LogLevel:    u.cfg.LogLevel,
		Storage:     u.cfg.Storage,
	}, node.Deps{Store: gr.etcd.Store(), Log: log})
}

func (u *Up) newFront(log *slog.Logger, store metadata.Store, gr *ground, deps awskafka.Deps) (*front.Front, error) {
	keys := authn.NewKeys(gr.root)
	return front.New(front.Config{Region: u.cfg.Region, CallRate: u.cfg.APIRate}, front.Deps{
		Log:       log,
		Services:  services(store, gr.master, deps),
		AccessKey: keys.AccessKey,
		Now:       time.Now,
	})
}

// services are the AWS services that are served. The empty ones are known and answer that none of their operations is built yet.
func services(store metadata.Store, master *secret.Master, deps awskafka.Deps) []awsapi.Service {
	return []awsapi.Service{
		awskafka.New(store, deps),
		ec2.New(store),
		sts.New(),
		weir.New(store),
		autoscaling.New(store),
		&cloudwatch.Service{},
		&iam.Service{},
		&kafkaconnect.Service{},
		kms.New(store),
		logs.New(store),
		secretsmanager.New(store, master),
	}
}

// announce reports that the control plane is there, has the demo cluster made at the first start, and reports when it serves.
func (u *Up) announce(ctx context.Context, reader *statusReader) {
	s, err := reader.read(ctx)
	if err == nil && u.events.Ready != nil {
		u.events.Ready(time.Since(u.began), s)
	}
	if err == nil && u.cfg.Demo {
		err = u.demo(ctx, reader)
	}
	if err != nil && ctx.Err() == nil && u.events.Trouble != nil {
		u.events.Trouble(err)
	}
}

// demoKey remembers that the demo cluster was made: who deletes it does not get it again.
const demoKey = metadata.Root + "demo"

// demoName is the demo cluster's name.
const demoName = "demo"

func (u *Up) demo(ctx context.Context, reader *statusReader) error {
	store := reader.store
	_, made, err := store.Get(ctx, demoKey)
	if err != nil {
		return fmt.Errorf("look for the demo cluster: %w", err)
	}
	if made {
		if _, _, exists, err := resource.FindCluster(ctx, store, u.scope, demoName); err != nil || !exists {
			return err
		}
	}
	quotas, err := resource.ParseQuotas(u.cfg.Quotas)
	if err != nil {
		return err
	}
	c, err := awskafka.EnsureDemo(ctx, store, u.scope, awskafka.Demo{Name: demoName, Brokers: u.cfg.Brokers, Quotas: quotas})
	if err != nil {
		return err
	}
	if !made {
		if _, err := store.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(demoKey, metadata.Encode(c.UUID))}}); err != nil {
			return fmt.Errorf("record the demo cluster: %w", err)
		}
	}
	cs, err := reader.awaitCluster(ctx, c)
	if err == nil && u.events.Cluster != nil {
		u.events.Cluster(time.Since(u.began), cs)
	}
	return err
}

func apiURL(l net.Listener) string { return "http://" + l.Addr().String() }

func listenSocket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, problem("cannot open the socket "+path, err, "")
	}
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, problem("cannot open the socket "+path, err, "")
	}
	return l, nil
}

// machineMemory is the memory of the machine in bytes, zero if unknown.
func machineMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kib int64
	if _, err := fmt.Fscanf(strings.NewReader(string(b)), "MemTotal: %d kB", &kib); err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	return kib << 10
}
