package resource

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"weir/metadata"
)

// ChannelState is a channel's state as the model names it.
type ChannelState string

// The states that channels go through here.
const (
	ChannelCreating  ChannelState = "CREATING"
	ChannelActive    ChannelState = "ACTIVE"
	ChannelUpdating  ChannelState = "UPDATING"
	ChannelSuspended ChannelState = "SUSPENDED" // the destination cannot be used; delivery goes on when it can again
	ChannelFailed    ChannelState = "FAILED"
	ChannelDeleting  ChannelState = "DELETING"
)

// Channel is the record of a channel, which delivers a topic's records to objects in a bucket. The AWS face writes what is desired; state, state
// info and operation are written by what delivers too, each write guarded by the record's last revision.
type Channel struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Cluster string    `json:"cluster"` // uuid
	Created time.Time `json:"created"`

	Topic            string            `json:"topic"`
	TopicID          metadata.TopicID  `json:"topicId"`   // a topic that was deleted and made again is another
	Converter        string            `json:"converter"` // BYTE_ARRAY, JSON or STRING
	Storage          ChannelStorage    `json:"storage"`
	DeadLetter       ChannelStorage    `json:"deadLetter"`
	Role             string            `json:"role"` // recorded only
	FreshnessSeconds int32             `json:"freshnessSeconds"`
	KMSKey           string            `json:"kmsKey,omitempty"` // recorded only
	Logging          []LogDestination  `json:"logging,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`

	State     ChannelState `json:"state"`
	StateInfo *StateInfo   `json:"stateInfo,omitempty"`
	Operation string       `json:"operation,omitempty"` // while CREATING, UPDATING or DELETING
}

// ChannelStorage is where objects go. Of the dead letters' only bucket and prefix are used.
type ChannelStorage struct {
	Bucket      string `json:"bucket"`
	Prefix      string `json:"prefix,omitempty"`
	KeyTemplate string `json:"keyTemplate,omitempty"`
	Compression string `json:"compression,omitempty"` // NONE, GZIP or ZSTD
	Class       string `json:"class,omitempty"`
}

// ChannelProgress is how far a channel is with one partition. What delivers writes it, guarded.
type ChannelProgress struct {
	Next     int64          `json:"next"`     // the first offset that is not delivered
	Sequence int64          `json:"sequence"` // of the next object of the partition
	Object   *ChannelObject `json:"object,omitempty"`
}

// ChannelObject is the object that is being written, from ChannelProgress.Next on. It is recorded before a byte of it is sent, so that whoever takes
// over writes the same object, under the same key.
type ChannelObject struct {
	End int64     `json:"end"` // the first offset that is not in it
	At  time.Time `json:"at"`  // of the key
}

// ChannelsPrefix is the prefix of all Channel records of the scope.
func (s Scope) ChannelsPrefix() string { return s.Prefix() + "channel/" }

// ClusterChannelsPrefix is the prefix of the Channel records of one cluster.
func (s Scope) ClusterChannelsPrefix(cluster string) string {
	return s.ChannelsPrefix() + cluster + "/"
}

// ChannelKey holds a Channel record.
func (s Scope) ChannelKey(cluster, id string) string { return s.ClusterChannelsPrefix(cluster) + id }

// ChannelNameKey makes names of channels unique within a cluster.
func (s Scope) ChannelNameKey(cluster, name string) string {
	return s.Prefix() + "channel-name/" + cluster + "/" + name
}

// ChannelProgressPrefix is the prefix of all ChannelProgress of a channel.
func (s Scope) ChannelProgressPrefix(id string) string {
	return s.Prefix() + "channel-progress/" + id + "/"
}

// ChannelProgressKey holds a ChannelProgress.
func (s Scope) ChannelProgressKey(id string, partition int32) string {
	return s.ChannelProgressPrefix(id) + strconv.Itoa(int(partition))
}

// Scope is the account and region that the channel belongs to.
func (c *Channel) Scope() Scope { return Scope{Account: c.Account, Region: c.Region} }

// Key is the key of the channel's record.
func (c *Channel) Key() string { return c.Scope().ChannelKey(c.Cluster, c.ID) }

// Freshness is how old data may become before they are delivered.
func (c *Channel) Freshness() time.Duration { return time.Duration(c.FreshnessSeconds) * time.Second }

// ARN is the channel's ARN.
func (c *Channel) ARN() string { return arn(c.Scope(), "channel/"+c.Name+"/"+c.ID) }

// ParseChannelARN takes a channel's ARN apart.
func ParseChannelARN(text string) (s Scope, name, id string, ok bool) {
	s, parts, ok := parseARN(text)
	if !ok || len(parts) != 3 || parts[0] != "channel" || len(parts[2]) != 36 || uuid.Validate(parts[2]) != nil {
		return Scope{}, "", "", false
	}
	return s, parts[1], parts[2], true
}

// ReadChannel returns a channel and the revision to guard its next change with; ok is false if there is none.
func ReadChannel(ctx context.Context, store metadata.Store, key string) (c Channel, at metadata.Revision, ok bool, err error) {
	return read[Channel](ctx, store, key)
}

// ListChannels returns the channels of a cluster, in no order that means anything.
func ListChannels(ctx context.Context, store metadata.Store, s Scope, cluster string) ([]Channel, error) {
	return list[Channel](ctx, store, s.ClusterChannelsPrefix(cluster))
}

// ReadChannelProgress returns how far the channel is with the partition; ok is false if it has not begun.
func ReadChannelProgress(ctx context.Context, store metadata.Store, c *Channel, partition int32) (
	p ChannelProgress, at metadata.Revision, ok bool, err error,
) {
	return read[ChannelProgress](ctx, store, c.Scope().ChannelProgressKey(c.ID, partition))
}
