// Package image is the broker's view of the cluster's metadata: an immutable Image per revision, kept current by following the
// metadata store. Readers take one Image and see topics, leaders, brokers and configs of one moment.
package image

import (
	"context"

	"weir/metadata"
)

// Image is the cluster's metadata at one revision. It is never modified.
type Image struct {
	Revision metadata.Revision
	// Brokers are those registered, in order of id. The controller that clients are told of is the first ready one.
	Brokers []metadata.Session
	topics  map[string]*Topic
	ids     map[metadata.TopicID]*Topic
	configs map[string]map[string]string // broker id or "" -> dynamic configs
}

// Topic is a topic with its partitions' leaders.
type Topic struct {
	Name       string
	ID         metadata.TopicID
	Internal   bool
	Configs    map[string]string // set on the topic only
	Partitions []metadata.PartitionAssignment
	Revision   metadata.Revision // of the topic record: guards changes
}

// Topic returns the topic of that name.
func (i *Image) Topic(name string) (*Topic, bool) { t, ok := i.topics[name]; return t, ok }

// TopicByID returns the topic with that id.
func (i *Image) TopicByID(id metadata.TopicID) (*Topic, bool) { t, ok := i.ids[id]; return t, ok }

// Topics returns all topics, sorted by name.
func (i *Image) Topics() []*Topic { panic("not built yet") }

// Broker returns the session of a registered broker.
func (i *Image) Broker(id metadata.BrokerID) (metadata.Session, bool) { panic("not built yet") }

// BrokerConfigs returns the dynamic configs of a broker, or the cluster-wide defaults for "".
func (i *Image) BrokerConfigs(name string) map[string]string { return i.configs[name] }

// Live is the current Image of a cluster.
type Live struct{}

// New returns a Live that follows the cluster once Run is called.
func New(store metadata.Store, cluster string) *Live { panic("not built yet") }

// Run follows the store until ctx ends.
func (l *Live) Run(ctx context.Context) error { panic("not built yet") }

// Current returns the newest Image; before the first one is there it returns an empty one.
func (l *Live) Current() *Image { panic("not built yet") }

// Await returns the first Image at revision r or later: what a broker uses to read its own write.
func (l *Live) Await(ctx context.Context, r metadata.Revision) (*Image, error) {
	panic("not built yet")
}

// OnChange calls fn with each new Image, from Run's goroutine, in order, until stop is called. fn must not block for long.
func (l *Live) OnChange(fn func(*Image)) (stop func()) { panic("not built yet") }
