package topic

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

// Ref names a topic by name, or by id if the name is empty.
type Ref struct {
	Name string
	ID   metadata.TopicID
}

// Deleted is the outcome for one Ref, with what was found.
type Deleted struct {
	Ref
	Err error // a Fault
}

// Delete deletes topics, each on its own merits. The leaders drop the partitions when their images show it.
func (a *Admin) Delete(ctx context.Context, refs []Ref) []Deleted {
	img := a.image.Current()
	out := make([]Deleted, len(refs))
	var found []*Deleted
	for i, r := range refs {
		out[i].Ref = r
		if r.Name == "" {
			t, ok := img.TopicByID(r.ID)
			if !ok {
				out[i].Err = fault(kerr.UnknownTopicID, "This server does not host this topic ID.")
				continue
			}
			out[i].Name = t.Name
		}
		if image.IsInternal(out[i].Name) {
			out[i].Err = fault(kerr.InvalidRequest, "Topic '%s' holds the cluster's own state and cannot be deleted.", out[i].Name)
			continue
		}
		found = append(found, &out[i])
	}
	if !a.layers(img).BrokerBool("delete.topic.enable") {
		for _, d := range found {
			d.Err = fault(kerr.TopicDeletionDisabled, "Topic deletion is disabled.")
		}
		return out
	}
	rules := a.ruled(img)
	found = slices.DeleteFunc(found, func(d *Deleted) bool {
		if t, ok := img.Topic(d.Name); ok {
			if d.Err = rules.change(len(t.Partitions)); d.Err == nil {
				d.Err = a.allow(len(t.Partitions))
			}
		}
		return d.Err != nil
	})
	var newest metadata.Revision
	for len(found) > 0 {
		n := min(len(found), opsMax/2)
		newest = max(newest, a.commitDeletions(ctx, found[:n]))
		found = found[n:]
	}
	a.settle(ctx, newest)
	return out
}

func (a *Admin) commitDeletions(ctx context.Context, ds []*Deleted) metadata.Revision {
	for range tries {
		var txn metadata.Txn
		var left []*Deleted
		for _, d := range ds {
			t, kv, err := a.read(ctx, d.Name)
			switch {
			case err != nil:
				d.Err = err
				continue
			case d.ID != (metadata.TopicID{}) && t.ID != d.ID: // deleted and created anew since the image was made
				d.Err = fault(kerr.UnknownTopicID, "This server does not host this topic ID.")
				continue
			}
			d.ID = t.ID
			txn.If = append(txn.If, metadata.Cond{Key: kv.Key, Modified: kv.Modified})
			// One range deletion for all packs, though they are not in the conditions: a pack that others change meanwhile goes too.
			txn.Then = append(txn.Then, metadata.Delete(kv.Key), metadata.DeletePrefix(assignmentsPrefix(a.cfg.Cluster, t.ID)))
			left = append(left, d)
		}
		if ds = left; len(ds) == 0 {
			return 0
		}
		rev, err := a.store.Commit(ctx, txn)
		if err == nil {
			return rev
		}
		if !errors.Is(err, metadata.ErrConflict) {
			for _, d := range ds {
				d.Err = unavailable(err)
			}
			return 0
		}
	}
	for _, d := range ds {
		d.Err = unavailable(metadata.ErrConflict)
	}
	return 0
}

func assignmentsPrefix(cluster string, id metadata.TopicID) string {
	return metadata.ClusterPrefix(cluster) + "asg/" + id.String() + "/"
}

// read returns the topic's record as it is in the store now, or a Fault.
func (a *Admin) read(ctx context.Context, name string) (metadata.Topic, metadata.KV, error) {
	kv, ok, err := a.store.Get(ctx, metadata.TopicKey(a.cfg.Cluster, name))
	if err != nil {
		return metadata.Topic{}, kv, unavailable(err)
	}
	if !ok {
		return metadata.Topic{}, kv, fault(kerr.UnknownTopicOrPartition, "This server does not host this topic-partition.")
	}
	t, err := metadata.Decode[metadata.Topic](kv)
	return t, kv, err
}
