package ownership

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"weir/metadata"
)

// opsMax is how many writes one transaction makes: etcd's limit is far above, but one transaction holds up all others.
const opsMax = 128

// triesMax bounds how often a transaction is tried that meets changes of others.
const triesMax = 20

// take makes the older streams SEALED and ours OPEN, forgets those that nothing needs, and gives our partitions their next leader
// epochs. It returns the revision from which on the metadata show it.
func (o *Owner) take(ctx context.Context, k *keys) (metadata.Revision, error) {
	var first metadata.Txn // conditions and writes of the streams
	for i := range k.streams {
		old := &k.streams[i]
		next, ok, err := toSealed(old.record, old.end())
		switch {
		case err != nil:
			return 0, fmt.Errorf("seal stream %s: %w", old.record.ID, err)
		case old.drop:
			first.If = append(first.If, metadata.Cond{Key: old.key, Modified: old.modified})
			first.Then = append(first.Then, metadata.Delete(old.key))
		case ok:
			old.record = next
			change(&first, old.key, old.modified, next)
		}
		if len(first.Then) == opsMax-1 {
			if _, err := o.store.Commit(ctx, first); err != nil {
				return 0, fmt.Errorf("seal the older streams: %w", err)
			}
			first = metadata.Txn{}
		}
	}
	own := toOpen(o.cfg.Broker, o.incarnation)
	change(&first, metadata.StreamKey(o.cfg.Cluster, own.ID), 0, own)
	o.record.Stream = own

	var newest metadata.Revision
	left := k.assignments
	for txn := first; len(txn.Then) > 0 || len(left) > 0; txn = (metadata.Txn{}) {
		n := min(len(left), opsMax-len(txn.Then))
		revision, err := o.bump(ctx, txn, left[:n])
		if err != nil {
			return 0, err
		}
		if o.record.modified == 0 {
			o.record.modified = revision // the first one has it
		}
		newest, left = max(newest, revision), left[n:]
	}
	return newest, nil
}

// bump commits txn together with the next epochs of as, which it updates. Packs that others changed meanwhile are read again; those
// that are gone, with their topic, are left without partitions.
func (o *Owner) bump(ctx context.Context, txn metadata.Txn, as []assignmentKey) (metadata.Revision, error) {
	for range triesMax {
		t := metadata.Txn{If: append([]metadata.Cond(nil), txn.If...), Then: append([]metadata.Op(nil), txn.Then...)}
		next := make([]metadata.Assignment, len(as))
		for i := range as {
			if !as[i].leads(o.cfg.Broker) {
				continue
			}
			next[i] = as[i].bumped(o.cfg.Broker)
			t.If = append(t.If, metadata.Cond{Key: as[i].key, Modified: as[i].modified})
			t.Then = append(t.Then, metadata.Put(as[i].key, metadata.Encode(next[i])))
		}
		if len(t.Then) == 0 {
			return 0, nil
		}
		revision, err := o.store.Commit(ctx, t)
		if err == nil {
			for i := range as {
				as[i].record = next[i]
			}
			return revision, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return 0, fmt.Errorf("take the partitions: %w", err)
		}
		for i := range as {
			if err := o.reread(ctx, &as[i]); err != nil {
				return 0, err
			}
		}
	}
	return 0, fmt.Errorf("take the partitions: they changed %d times meanwhile: %w", triesMax, metadata.ErrConflict)
}

func (o *Owner) reread(ctx context.Context, a *assignmentKey) error {
	kv, found, err := o.store.Get(ctx, a.key)
	if err != nil {
		return fmt.Errorf("read the partitions again: %w", err)
	}
	if !found {
		a.record, a.modified = metadata.Assignment{}, 0
		return nil
	}
	*a, err = o.assignment(kv)
	return err
}

// assignment decodes one pack.
func (o *Owner) assignment(kv metadata.KV) (assignmentKey, error) {
	a := assignmentKey{key: kv.Key, modified: kv.Modified}
	name := strings.TrimPrefix(kv.Key, metadata.ClusterPrefix(o.cfg.Cluster)+"asg/")
	id, pack, _ := strings.Cut(name, "/")
	if err := a.topic.UnmarshalText([]byte(id)); err != nil {
		return a, fmt.Errorf("%s: %w", kv.Key, err)
	}
	n, err := strconv.ParseUint(pack, 10, 16)
	if err != nil {
		return a, fmt.Errorf("%s: %w", kv.Key, err)
	}
	a.first = int32(n) * metadata.AssignmentsPerKey
	a.record, err = metadata.Decode[metadata.Assignment](kv)
	return a, err
}

func (a *assignmentKey) leads(b metadata.BrokerID) bool {
	for _, p := range a.record.Partitions {
		if p.Leader == b {
			return true
		}
	}
	return false
}

// bumped is the pack with the next epoch for each partition that b leads.
func (a *assignmentKey) bumped(b metadata.BrokerID) metadata.Assignment {
	next := metadata.Assignment{Partitions: append([]metadata.PartitionAssignment(nil), a.record.Partitions...)}
	for i := range next.Partitions {
		if next.Partitions[i].Leader == b {
			next.Partitions[i].Epoch++
		}
	}
	return next
}
