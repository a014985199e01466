package image

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"weir/metadata"
)

// builder turns changes of keys into Images. It is used by one goroutine.
type builder struct {
	prefix string // of the cluster's keys
	topics map[metadata.TopicID]*draft
	names  map[string]metadata.TopicID
	last   *Image
}

// draft is what the store said of one topic so far. Its record and its assignments come as keys of their own, in any order.
type draft struct {
	record   *metadata.Topic
	revision metadata.Revision
	packs    []metadata.Assignment
}

func newBuilder(cluster string) *builder {
	return &builder{
		prefix: metadata.ClusterPrefix(cluster),
		topics: make(map[metadata.TopicID]*draft),
		names:  make(map[string]metadata.TopicID),
		last:   &Image{},
	}
}

// change collects what a batch of events touched.
type change struct {
	topics     map[metadata.TopicID]bool
	sessions   bool
	configs    bool
	quotas     *metadata.ClientQuotas
	admin      adminRecords
	brokers    []metadata.Session
	known      []metadata.Registration
	recoverers []metadata.Session
	dynamic    map[string]map[string]string
}

// reset forgets everything: a full listing follows.
func (b *builder) reset() {
	b.topics = make(map[metadata.TopicID]*draft)
	b.names = make(map[string]metadata.TopicID)
	b.last = &Image{Revision: b.last.Revision}
}

// apply takes whole revisions up to rev and returns the Image after them.
func (b *builder) apply(events []metadata.Event, rev metadata.Revision) (*Image, error) {
	c := change{topics: make(map[metadata.TopicID]bool), brokers: b.last.Brokers, known: b.last.known, recoverers: b.last.recoverers, dynamic: b.last.configs, quotas: b.last.quotas, admin: b.last.admin}
	for _, e := range events {
		rest, ok := strings.CutPrefix(e.Key, b.prefix)
		if !ok {
			continue
		}
		kind, name, _ := strings.Cut(rest, "/")
		var err error
		switch kind {
		case "topic":
			err = b.topic(&c, name, e)
		case "asg":
			err = b.assignment(&c, name, e)
		case "sess":
			err = c.session(name, e)
		case "reg":
			err = c.registration(name, e)
		case "config":
			err = c.config(name, e)
		case "features":
			err = c.admin.feature(e)
		case "acl":
			err = c.admin.acl(name, e)
		case "scram":
			err = c.admin.scramUser(name, e)
		case "settings":
			err = c.admin.setting(e)
		}
		if err != nil {
			return nil, fmt.Errorf("image: apply %s at revision %d: %w", e.Key, e.Modified, err)
		}
	}
	return b.finish(&c, rev), nil
}

func (b *builder) topic(c *change, name string, e metadata.Event) error {
	if old, ok := b.names[name]; ok {
		// A deletion, or a new topic of the same name in one batch with the deletion of the old one.
		c.topics[old] = true
		b.topics[old].record = nil
		delete(b.names, name)
	}
	if e.Deleted {
		return nil
	}
	t, err := metadata.Decode[metadata.Topic](e.KV)
	if err != nil {
		return err
	}
	d := b.draft(t.ID)
	d.record, d.revision = &t, e.Modified
	b.names[name] = t.ID
	c.topics[t.ID] = true
	return nil
}

func (b *builder) assignment(c *change, name string, e metadata.Event) error {
	idText, packText, _ := strings.Cut(name, "/")
	var id metadata.TopicID
	if err := id.UnmarshalText([]byte(idText)); err != nil {
		return err
	}
	pack, err := strconv.Atoi(packText)
	if err != nil || pack < 0 || pack > packsMax {
		return fmt.Errorf("assignment number %q is not within 0..%d", packText, packsMax)
	}
	d := b.draft(id)
	c.topics[id] = true
	var a metadata.Assignment
	if !e.Deleted {
		if a, err = metadata.Decode[metadata.Assignment](e.KV); err != nil {
			return err
		}
	}
	// Images hold flattened copies, never these packs.
	for len(d.packs) <= pack {
		d.packs = append(d.packs, metadata.Assignment{})
	}
	d.packs[pack] = a
	return nil
}

// packsMax bounds what one key can make us allocate: 10,000 packs of 256 are more partitions than a cluster can hold.
const packsMax = 9_999

func (b *builder) draft(id metadata.TopicID) *draft {
	d, ok := b.topics[id]
	if !ok {
		d = &draft{}
		b.topics[id] = d
	}
	return d
}

func (c *change) session(name string, e metadata.Event) error {
	if !c.sessions {
		c.brokers, c.sessions = slices.Clone(c.brokers), true
	}
	n, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return err
	}
	id := metadata.BrokerID(n)
	at, found := slices.BinarySearchFunc(c.brokers, id, func(s metadata.Session, id metadata.BrokerID) int { return int(s.Broker) - int(id) })
	var s metadata.Session
	if !e.Deleted {
		if s, err = metadata.Decode[metadata.Session](e.KV); err != nil {
			return err
		}
		s.Broker, s.Incarnation = id, e.Created // the key is the authority
	}
	c.recoverer(id, s)
	gone := e.Deleted || s.Recovering
	switch {
	case gone && found:
		c.brokers = slices.Delete(c.brokers, at, at+1)
	case gone:
	case found:
		c.brokers[at] = s
	default:
		c.brokers = slices.Insert(c.brokers, at, s)
	}
	return nil
}

// recoverer notes the broker's session if it is a recoverer's.
func (c *change) recoverer(id metadata.BrokerID, s metadata.Session) {
	is := func(s metadata.Session) bool { return s.Broker == id }
	if !s.Recovering && !slices.ContainsFunc(c.recoverers, is) {
		return
	}
	c.recoverers = slices.DeleteFunc(slices.Clone(c.recoverers), is)
	if s.Recovering {
		c.recoverers = append(c.recoverers, s)
		slices.SortFunc(c.recoverers, func(a, b metadata.Session) int { return cmp.Compare(a.Broker, b.Broker) })
	}
}

func (c *change) config(name string, e metadata.Event) error {
	kind, broker, _ := strings.Cut(name, "/")
	switch kind {
	case metadata.BrokerConfigs:
	case "client-quotas":
		return c.clientQuotas(e)
	case metadata.GroupConfigs, metadata.ClientMetricsConfigs:
		return c.admin.config(kind, broker, e)
	default:
		return nil
	}
	if !c.configs {
		c.dynamic, c.configs = maps.Clone(c.dynamic), true
		if c.dynamic == nil {
			c.dynamic = make(map[string]map[string]string)
		}
	}
	if e.Deleted {
		delete(c.dynamic, broker)
		return nil
	}
	entry, err := metadata.Decode[metadata.ConfigEntry](e.KV)
	if err != nil {
		return err
	}
	c.dynamic[broker] = entry.Values
	return nil
}

func (c *change) clientQuotas(e metadata.Event) error {
	c.quotas = nil
	if e.Deleted {
		return nil
	}
	r, err := metadata.Decode[metadata.ClientQuotas](e.KV)
	c.quotas = &r
	return err
}

// finish makes the Image of what the drafts say now.
func (b *builder) finish(c *change, rev metadata.Revision) *Image {
	c.admin.copied, c.admin.aclsCopied, c.admin.scramCopied = nil, false, false
	img := &Image{Revision: rev, Brokers: c.brokers, known: c.known, recoverers: c.recoverers, configs: c.dynamic, quotas: c.quotas, admin: c.admin, topics: b.last.topics, ids: b.last.ids, count: b.last.count}
	if len(c.topics) > 0 {
		b.finishTopics(c, img)
	}
	b.last = img
	return img
}

func (b *builder) finishTopics(c *change, img *Image) {
	names, ids := edit[string]{shards: img.topics}, edit[metadata.TopicID]{shards: img.ids}
	// Removals first: a topic that was made anew shares its name with the one that went.
	for id := range c.topics {
		old, ok := img.TopicByID(id)
		if !ok {
			continue
		}
		names.remove(old.Name, hashName(old.Name))
		ids.remove(id, hashID(id))
		img.count--
	}
	for id := range c.topics {
		d := b.topics[id]
		if d.record == nil {
			if d.empty() {
				delete(b.topics, id)
			}
			continue
		}
		t := d.build()
		names.put(t.Name, hashName(t.Name), t)
		ids.put(id, hashID(id), t)
		img.count++
	}
	img.topics, img.ids = names.shards, ids.shards
}

func (d *draft) empty() bool {
	for _, p := range d.packs {
		if len(p.Partitions) > 0 {
			return false
		}
	}
	return true
}

// build flattens the packs. A topic never shows more partitions than its record says, nor partitions that nobody was assigned to.
func (d *draft) build() *Topic {
	want := int(d.record.Partitions)
	t := &Topic{
		Name: d.record.Name, ID: d.record.ID, Internal: IsInternal(d.record.Name), Configs: d.record.Configs, Revision: d.revision,
		Partitions: make([]metadata.PartitionAssignment, 0, min(max(want, 0), len(d.packs)*metadata.AssignmentsPerKey)),
	}
	for i, p := range d.packs {
		if len(t.Partitions) != i*metadata.AssignmentsPerKey {
			break // a hole: what follows would get wrong numbers
		}
		t.Partitions = append(t.Partitions, p.Partitions...)
	}
	if len(t.Partitions) > want {
		t.Partitions = t.Partitions[:max(want, 0)]
	}
	return t
}
