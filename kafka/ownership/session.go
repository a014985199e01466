package ownership

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"weir/metadata"
)

// session is this broker's registration.
type session struct {
	turn     chan struct{} // holds a token while nobody talks to the store about the session; the fields below belong to who has it
	lease    metadata.LeaseID
	modified metadata.Revision // of the key
	record   metadata.Session
	former   metadata.KV // of the incarnation that left its session to us, until MarkReady replaces it; Key "" if there is none
	leave    bool        // goodbye keeps the key
}

const (
	// goodbyeTimeout bounds what is said to the store on the way out.
	goodbyeTimeout = 2 * time.Second
	// callTimeout bounds one call to the store while the broker runs.
	callTimeout = 5 * time.Second
	// aloneMax is how long a broker serves without reaching the store (design, rule R6).
	aloneMax = 24 * time.Hour
)

// take waits for the turn; give must follow. It is no mutex because its holder does I/O.
func (s *session) take(ctx context.Context) error {
	select {
	case <-s.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) give() { s.turn <- struct{}{} }

func (o *Owner) sessionKey() string { return metadata.SessionKey(o.cfg.Cluster, o.cfg.Broker) }

// register creates the session, instead of that of a dead incarnation, and begins to seal the older streams.
func (o *Owner) register(ctx context.Context, k *keys) error {
	s := &o.session
	s.record = metadata.Session{Broker: o.cfg.Broker, Rack: o.cfg.Rack, Started: o.started.UTC()}
	txn := metadata.Txn{Then: []metadata.Op{metadata.Put(metadata.RegistrationKey(o.cfg.Cluster, o.cfg.Broker),
		metadata.Encode(metadata.Registration{Broker: o.cfg.Broker, Rack: o.cfg.Rack}))}}
	switch {
	case k.session.Key != "" && o.cfg.TakeOver:
		s.former = k.session
	case k.session.Key != "":
		o.log.Info("taking over from an incarnation that did not say goodbye", "revision", int64(k.session.Created))
		_, err := o.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: k.session.Key, Modified: k.session.Modified}},
			Then: []metadata.Op{metadata.Delete(k.session.Key)},
		})
		// A conflict is its lease running out just now, or someone else: creating the key tells.
		if err != nil && !errors.Is(err, metadata.ErrConflict) {
			return fmt.Errorf("take over the session: %w", err)
		}
	}
	if s.former.Key == "" {
		txn.If = append(txn.If, metadata.Cond{Key: o.sessionKey()})
	}
	var sealing []*streamKey
	for i := range k.streams {
		old := &k.streams[i]
		// Those beyond the limit of a transaction stay OPEN a little longer: step 5 seals them from either state.
		if next, ok := toSealing(old.record); ok && len(txn.Then) < opsMax-1 {
			old.record = next
			change(&txn, old.key, old.modified, next)
			sealing = append(sealing, old)
		}
	}
	revision, err := o.commitLeased(ctx, txn)
	if errors.Is(err, metadata.ErrConflict) {
		return fmt.Errorf("register: %w", ErrSuperseded)
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	for _, old := range sealing {
		old.modified = revision
	}
	o.incarnation, s.record.Incarnation = revision, revision
	if s.former.Key == "" {
		s.modified = revision
	}
	return nil
}

// commitLeased takes a lease and commits txn, with the session under that lease unless the former one still stands. Nobody renews the lease yet: where
// the store or this machine is so slow that it runs out before it is used, another is taken.
func (o *Owner) commitLeased(ctx context.Context, txn metadata.Txn) (metadata.Revision, error) {
	s := &o.session
	for try := 1; ; try++ {
		lease, err := o.store.Grant(ctx, o.cfg.LeaseTTL)
		if err != nil {
			return 0, fmt.Errorf("take a lease: %w", err)
		}
		s.lease = lease
		t := txn
		if s.former.Key == "" {
			t.Then = append(slices.Clip(txn.Then), metadata.PutLeased(o.sessionKey(), metadata.Encode(s.record), lease))
		}
		revision, err := o.store.Commit(ctx, t)
		if !errors.Is(err, metadata.ErrLeaseNotFound) || try == triesMax {
			return revision, err
		}
		o.log.Warn("the lease ran out before the session was registered, another is taken", "try", try)
	}
}

// replaceFormer makes the session ours that the incarnation before left, if it did: for a moment there is none. The caller has the turn. It is two
// transactions because etcd does not let one delete and create a key, and the key's creation tells everyone of the new incarnation.
func (o *Owner) replaceFormer(ctx context.Context) error {
	s := &o.session
	if s.former.Key == "" {
		return nil
	}
	_, err := o.store.Commit(ctx, metadata.Txn{
		If:   []metadata.Cond{{Key: s.former.Key, Modified: s.former.Modified}},
		Then: []metadata.Op{metadata.Delete(s.former.Key)},
	})
	// A conflict is its lease that ran out, or somebody else: creating the key tells.
	if err != nil && !errors.Is(err, metadata.ErrConflict) {
		return fmt.Errorf("take over the session: %w", err)
	}
	s.former = metadata.KV{}
	return nil
}

// MarkReady publishes the endpoints and that the broker serves, or, of a recoverer, that it can be asked, once everything queued so far is durable. A full disk does not
// keep a broker from being ready: it can still be read from.
func (o *Owner) MarkReady(ctx context.Context, endpoints []metadata.Endpoint) error {
	if err := o.barrier(ctx); err != nil {
		return err
	}
	s := &o.session
	if err := s.take(ctx); err != nil {
		return fmt.Errorf("ownership: broker %d: mark ready: %w", o.cfg.Broker, err)
	}
	defer s.give()
	s.record.Endpoints, s.record.Ready, s.record.Recovering = endpoints, !o.cfg.Recover, o.cfg.Recover
	err := o.replaceFormer(ctx)
	if err == nil {
		err = o.putSession(ctx)
	}
	if err != nil {
		return fmt.Errorf("ownership: broker %d: mark ready: %w", o.cfg.Broker, err)
	}
	return nil
}

// putSession writes the session, or makes it anew if it is gone. The caller has the turn.
func (o *Owner) putSession(ctx context.Context) error {
	s := &o.session
	revision, err := o.store.Commit(ctx, metadata.Txn{
		If:   []metadata.Cond{{Key: o.sessionKey(), Modified: s.modified}},
		Then: []metadata.Op{metadata.PutLeased(o.sessionKey(), metadata.Encode(s.record), s.lease)},
	})
	switch {
	case errors.Is(err, metadata.ErrConflict), errors.Is(err, metadata.ErrLeaseNotFound):
		return o.reregister(ctx)
	case err != nil:
		return err
	}
	s.modified = revision
	return nil
}

// reregister brings the session back after its lease ran out, unless another incarnation is registered. The caller has the turn.
func (o *Owner) reregister(ctx context.Context) error {
	s := &o.session
	if s.former.Key != "" { // nothing to bring back yet
		lease, err := o.store.Grant(ctx, o.cfg.LeaseTTL)
		if err == nil {
			s.lease = lease
		}
		return err
	}
	kv, found, err := o.store.Get(ctx, o.sessionKey())
	if err != nil {
		return err
	}
	cond := metadata.Cond{Key: o.sessionKey()}
	if found {
		there, err := metadata.Decode[metadata.Session](kv)
		if err != nil {
			return err
		}
		// What we wrote at registration could not name the incarnation: it is the revision of that write.
		if there.Incarnation != o.incarnation && kv.Created != o.incarnation {
			return fmt.Errorf("%w: incarnation %d, this one is %d", ErrSuperseded, there.Incarnation, o.incarnation)
		}
		cond.Modified = kv.Modified // our own write, of which we did not hear
	}
	lease, err := o.store.Grant(ctx, o.cfg.LeaseTTL)
	if err != nil {
		return err
	}
	revision, err := o.store.Commit(ctx, metadata.Txn{
		If:   []metadata.Cond{cond},
		Then: []metadata.Op{metadata.PutLeased(o.sessionKey(), metadata.Encode(s.record), lease)},
	})
	if err != nil {
		return err // a conflict too: look again at the next turn
	}
	s.lease, s.modified = lease, revision
	o.log.Warn("session was lost and is registered again", "revision", int64(revision))
	return nil
}

// keepAlive renews the lease until ctx ends, and then returns nil. It gives up if the broker is superseded, or alone for too long.
func (o *Owner) keepAlive(ctx context.Context) error {
	pause := o.cfg.LeaseTTL / 3
	reached := time.Now()
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		err := o.renew(ctx)
		next := pause
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			reached = time.Now()
		case errors.Is(err, ErrSuperseded):
			return err
		case time.Since(reached) > aloneMax:
			return fmt.Errorf("metadata were out of reach for %v: %w", aloneMax, err)
		default:
			o.log.Warn("session could not be renewed", "err", err)
			next = pause/4 + rand.N(pause/4)
		}
		t.Reset(next)
	}
}

func (o *Owner) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s := &o.session
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	err := o.store.KeepAlive(ctx, s.lease)
	if errors.Is(err, metadata.ErrLeaseNotFound) {
		return o.reregister(ctx)
	}
	return err
}
