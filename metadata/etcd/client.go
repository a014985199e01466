package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"weir/metadata"
)

// callTimeout bounds a call whose context has no deadline: nothing of Weir waits for ever on metadata.
const callTimeout = 5 * time.Second

// requestBytesMax is the largest transaction in bytes. The largest we make, 1,024 assignment records, stays well below.
const requestBytesMax = 10 << 20

// Store is a metadata.Store on etcd.
type Store struct {
	c *clientv3.Client
	// dead is closed when the server in this process failed. It may hold locks for ever then: calls of it end without regard to their
	// contexts only when they are left behind. Nil for a server elsewhere.
	dead <-chan struct{}

	ctx      context.Context // ends with Close, and with it every watch
	cancel   context.CancelFunc
	watchers sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

var _ metadata.Store = (*Store)(nil)

// Dial returns a Store on the etcd at endpoints, such as Server.Endpoint. It does not wait for the connection: calls do.
func Dial(endpoints []string, log *slog.Logger) (*Store, error) {
	cfg := clientv3.Config{
		Endpoints:          endpoints,
		Logger:             newLogger(log, nil),
		MaxCallSendMsgSize: requestBytesMax + 1<<20,
		// A metadata server that restarts is back within a second; grpc's own pauses grow to two minutes.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 5 * time.Second,
		})},
	}
	if len(endpoints) > 0 && !strings.HasPrefix(endpoints[0], "unix:") { // a socket of this machine cannot be half open
		cfg.DialKeepAliveTime, cfg.DialKeepAliveTimeout = 10*time.Second, 3*time.Second
	}
	c, err := clientv3.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("etcd client of %s: %w", strings.Join(endpoints, ","), err)
	}
	return newStore(c, nil), nil
}

func newStore(c *clientv3.Client, dead <-chan struct{}) *Store {
	s := &Store{c: c, dead: dead}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

var errDead = fmt.Errorf("%w: it cannot keep its data", metadata.ErrUnavailable)

// await returns what fn returns, or errDead if the server fails first.
func await[T any](s *Store, fn func() (T, error)) (T, error) {
	if s.dead == nil {
		return fn()
	}
	select {
	case <-s.dead: // for certain, even if it could answer still
		var none T
		return none, errDead
	default:
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() { // ends with the call, or with the process if the server is dead
		v, err := fn()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-s.dead:
		var none T
		return none, errDead
	}
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// mapError turns etcd's errors into those of package metadata.
func mapError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errDead):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", metadata.ErrUnavailable, ctx.Err())
	case errors.Is(err, rpctypes.ErrCompacted):
		return metadata.ErrCompacted
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return metadata.ErrLeaseNotFound
	}
	code := status.Code(err)
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		code = e.Code()
	}
	switch {
	// Unknown is what a server says of itself that is stopping.
	case code == codes.Unavailable, code == codes.DeadlineExceeded, code == codes.Canceled, code == codes.Unknown,
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", metadata.ErrUnavailable, err)
	}
	return fmt.Errorf("metadata: etcd: %w", err)
}

func fromEtcd(kv *mvccpb.KeyValue) metadata.KV {
	return metadata.KV{
		Key:      string(kv.Key),
		Value:    kv.Value,
		Created:  metadata.Revision(kv.CreateRevision),
		Modified: metadata.Revision(kv.ModRevision),
		Lease:    metadata.LeaseID(kv.Lease),
	}
}

// Get implements metadata.Store.
func (s *Store) Get(ctx context.Context, key string) (metadata.KV, bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := await(s, func() (*clientv3.GetResponse, error) { return s.c.Get(ctx, key) })
	if err != nil {
		return metadata.KV{}, false, mapError(ctx, err)
	}
	if len(resp.Kvs) == 0 {
		return metadata.KV{}, false, nil
	}
	return fromEtcd(resp.Kvs[0]), true, nil
}

// List implements metadata.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]metadata.KV, metadata.Revision, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := await(s, func() (*clientv3.GetResponse, error) { return s.c.Get(ctx, prefix, clientv3.WithPrefix()) })
	if err != nil {
		return nil, 0, mapError(ctx, err)
	}
	kvs := make([]metadata.KV, len(resp.Kvs))
	for i, kv := range resp.Kvs {
		kvs[i] = fromEtcd(kv)
	}
	return kvs, metadata.Revision(resp.Header.Revision), nil
}

// Commit implements metadata.Store.
func (s *Store) Commit(ctx context.Context, t metadata.Txn) (metadata.Revision, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	conds := make([]clientv3.Cmp, len(t.If))
	for i, c := range t.If {
		conds[i] = clientv3.Compare(clientv3.ModRevision(c.Key), "=", int64(c.Modified))
	}
	ops := make([]clientv3.Op, len(t.Then))
	for i, op := range t.Then {
		switch {
		case op.Delete && op.Prefix:
			ops[i] = clientv3.OpDelete(op.Key, clientv3.WithPrefix())
		case op.Delete:
			ops[i] = clientv3.OpDelete(op.Key)
		default:
			ops[i] = clientv3.OpPut(op.Key, string(op.Value), clientv3.WithLease(clientv3.LeaseID(op.Lease)))
		}
	}
	resp, err := await(s, func() (*clientv3.TxnResponse, error) { return s.c.Txn(ctx).If(conds...).Then(ops...).Commit() })
	if err != nil {
		return 0, mapError(ctx, err)
	}
	if !resp.Succeeded {
		return 0, metadata.ErrConflict
	}
	return metadata.Revision(resp.Header.Revision), nil
}

// Grant implements metadata.Store. etcd counts whole seconds: ttl is rounded up.
func (s *Store) Grant(ctx context.Context, ttl time.Duration) (metadata.LeaseID, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	seconds := int64((ttl + time.Second - 1) / time.Second)
	resp, err := await(s, func() (*clientv3.LeaseGrantResponse, error) { return s.c.Grant(ctx, seconds) })
	if err != nil {
		return 0, mapError(ctx, err)
	}
	return metadata.LeaseID(resp.ID), nil
}

// KeepAlive implements metadata.Store.
func (s *Store) KeepAlive(ctx context.Context, id metadata.LeaseID) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := await(s, func() (*clientv3.LeaseKeepAliveResponse, error) { return s.c.KeepAliveOnce(ctx, clientv3.LeaseID(id)) })
	return mapError(ctx, err)
}

// Revoke implements metadata.Store.
func (s *Store) Revoke(ctx context.Context, id metadata.LeaseID) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := await(s, func() (*clientv3.LeaseRevokeResponse, error) { return s.c.Revoke(ctx, clientv3.LeaseID(id)) })
	return mapError(ctx, err)
}

// Close implements metadata.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.cancel()
	s.watchers.Wait()
	_, err := await(s, func() (struct{}, error) { return struct{}{}, s.c.Close() })
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errDead) {
		return fmt.Errorf("metadata: close the etcd client: %w", err)
	}
	return nil
}
