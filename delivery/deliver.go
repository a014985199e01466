// Package delivery brings the records of topics to where they are wanted: a Source is read in ranges, each range becomes an object, and the object
// goes to a Sink. Channels (Kafka to S3) are its first user.
//
// # Non-obvious
//
//   - Exactly once is made of three writes. The range of the next object is recorded (resource.ChannelObject), the object is put, and the progress is
//     recorded. A crash between any two leads whoever comes next to the same range and the same key. If the object is there, it is whole, because a
//     put is atomic, and it is ours, because it says so (Object.Mark): it is not written again. So no record is in two objects, or in none.
//   - The object that is found is not compared with the topic: retention or compaction may have taken records meanwhile, and what was delivered stays.
//   - Nothing is held in memory between two deliveries: records wait in the topic. Retention that is shorter than the channel's freshness loses them.
//   - Each write of the progress is guarded by the one before, so that a second deliverer of the same channel, which should not be, stops.
//   - An object under our key without our mark is somebody's: it is left as it is, and the channel stops.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// ErrRefused means that the store would not have it, now or if it is asked again: there is no such bucket, or the credentials may not use it.
var ErrRefused = errors.New("delivery: the object store refuses")

// ErrTaken means that an object that is not ours has the key of one of ours.
var ErrTaken = errors.New("delivery: another object has the key")

// Source is the topic that is delivered.
type Source interface {
	// Partitions is how many there are.
	Partitions(ctx context.Context) (int32, error)
	// End is the offset behind the last record of the partition that may be read: the last stable offset.
	End(ctx context.Context, partition int32) (int64, error)
	// Read returns the committed records of [from, until) in order, at least one batch and not much more than bytesMax, and the offset behind what it
	// looked at: records may be missing before it.
	Read(ctx context.Context, partition int32, from, until int64, bytesMax int) ([]Record, int64, error)
}

// Object is what a Sink keeps.
type Object struct {
	Bucket, Key    string
	Mark           string // whose object it is
	Type, Encoding string // of its content
	Class          string // of its storage
	Body           []byte
}

// Sink keeps objects.
type Sink interface {
	// Check tells whether the bucket can be used: ErrRefused, or an error that may pass, if it cannot.
	Check(ctx context.Context, bucket string) error
	// Stat returns the mark of the object with that key: "" if there is none, and "?" if it has none.
	Stat(ctx context.Context, bucket, key string) (mark string, err error)
	// Put writes an object. It is there whole and durable when Put returns nil, and whole or not at all otherwise.
	Put(ctx context.Context, o Object) error
}

// objectBytesMax is about how much an object holds before compression.
const objectBytesMax = 16 << 20

// Deliverer delivers one channel.
type Deliverer struct {
	channel  resource.Channel
	store    metadata.Store
	source   Source
	sink     Sink
	bytesMax int
}

// NewDeliverer starts nothing.
func NewDeliverer(c resource.Channel, store metadata.Store, source Source, sink Sink) *Deliverer {
	return &Deliverer{channel: c, store: store, source: source, sink: sink, bytesMax: objectBytesMax}
}

// Begin records the end of each partition that has no progress yet as where its delivery starts; of partitions that came after the channel, the
// start. first says that the channel is new.
func (d *Deliverer) Begin(ctx context.Context, first bool) error {
	n, err := d.source.Partitions(ctx)
	if err != nil {
		return fmt.Errorf("look at topic %s: %w", d.channel.Topic, err)
	}
	for p := range n {
		_, _, begun, err := resource.ReadChannelProgress(ctx, d.store, &d.channel, p)
		if err != nil || begun {
			if err != nil {
				return err
			}
			continue
		}
		var start resource.ChannelProgress
		if first {
			if start.Next, err = d.source.End(ctx, p); err != nil {
				return fmt.Errorf("look for the end of partition %d: %w", p, err)
			}
		}
		if err := d.commit(ctx, p, 0, start); err != nil {
			return err
		}
	}
	return nil
}

// commit records the progress over the one that was last changed at revision at.
func (d *Deliverer) commit(ctx context.Context, partition int32, at metadata.Revision, p resource.ChannelProgress) error {
	key := d.channel.Scope().ChannelProgressKey(d.channel.ID, partition)
	_, err := d.store.Commit(ctx, metadata.Txn{
		If: []metadata.Cond{{Key: key, Modified: at}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(p))},
	})
	if err != nil {
		return fmt.Errorf("record the progress of partition %d: %w", partition, err)
	}
	return nil
}

// Deliver brings everything of the partition that is there when it is called to the sink.
func (d *Deliverer) Deliver(ctx context.Context, partition int32, now time.Time) error {
	end, err := d.source.End(ctx, partition)
	if err != nil {
		return fmt.Errorf("look for the end of partition %d: %w", partition, err)
	}
	for {
		more, err := d.step(ctx, partition, end, now)
		if err != nil || !more {
			return err
		}
	}
}

// step writes one object, the one that is recorded if there is one.
func (d *Deliverer) step(ctx context.Context, partition int32, end int64, now time.Time) (more bool, err error) {
	p, at, begun, err := resource.ReadChannelProgress(ctx, d.store, &d.channel, partition)
	switch {
	case err != nil:
		return false, err
	case !begun:
		return false, fmt.Errorf("delivery: partition %d has not begun", partition)
	case p.Object == nil && p.Next >= end:
		return false, nil
	}
	var rs []Record
	if p.Object == nil {
		var next int64
		if rs, next, err = d.source.Read(ctx, partition, p.Next, end, d.bytesMax); err != nil {
			return false, fmt.Errorf("read partition %d at %d: %w", partition, p.Next, err)
		}
		if next <= p.Next {
			return false, fmt.Errorf("delivery: partition %d: nothing could be read at %d", partition, p.Next)
		}
		if len(rs) == 0 { // markers, and what compaction took
			return next < end, d.commit(ctx, partition, at, resource.ChannelProgress{Next: next, Sequence: p.Sequence})
		}
		p.Object = &resource.ChannelObject{End: next, At: now.UTC()}
		if err := d.commit(ctx, partition, at, p); err != nil {
			return false, err
		}
		// The revision of what was just written is that of the next guard.
		if _, at, _, err = resource.ReadChannelProgress(ctx, d.store, &d.channel, partition); err != nil {
			return false, err
		}
	}
	if err := d.put(ctx, partition, &p, rs); err != nil {
		return false, err
	}
	next := resource.ChannelProgress{Next: p.Object.End, Sequence: p.Sequence + 1}
	return next.Next < end, d.commit(ctx, partition, at, next)
}

// put writes the objects of the recorded range. rs are its records; nil: they are to be read again, if they are needed.
func (d *Deliverer) put(ctx context.Context, partition int32, p *resource.ChannelProgress, rs []Record) error {
	s, dead := &d.channel.Storage, &d.channel.DeadLetter
	at := place{
		channel: d.channel.ID, topic: d.channel.Topic, partition: partition, offset: p.Next, sequence: p.Sequence, at: p.Object.At,
	}
	key, err := at.expand(s.Prefix + whole(s.KeyTemplate))
	if err != nil {
		return fmt.Errorf("delivery: key template: %w", err)
	}
	letters, err := at.expand(dead.Prefix + DefaultTemplate)
	if err != nil {
		return fmt.Errorf("delivery: prefix of errors: %w", err)
	}
	key, letters = withSuffix(key, suffix(s.Compression)), letters+".errors.jsonl"
	mark := fmt.Sprintf("%s/%d/%d-%d", d.channel.ID, partition, p.Next, p.Object.End)

	if rs == nil { // somebody else began
		switch there, err := d.sink.Stat(ctx, s.Bucket, key); {
		case err != nil:
			return fmt.Errorf("look for %s in %s: %w", key, s.Bucket, err)
		case there == mark:
			return nil
		}
		if rs, err = d.reread(ctx, partition, p.Next, p.Object.End); err != nil {
			return err
		}
	}
	good, bad, err := d.body(partition, rs)
	if err != nil {
		return err
	}
	// Dead letters first: an object that is there means that nothing of its range is missing.
	if bad != nil {
		err := d.putOnce(ctx, Object{Bucket: dead.Bucket, Key: letters, Mark: mark, Type: "application/jsonl", Body: bad})
		if err != nil {
			return err
		}
	}
	if good == nil {
		return nil
	}
	o := Object{Bucket: s.Bucket, Key: key, Mark: mark, Class: s.Class, Type: contentType(d.channel.Converter), Body: good}
	switch s.Compression {
	case "GZIP":
		o.Encoding = "gzip"
	case "ZSTD":
		o.Encoding = "zstd"
	}
	return d.putOnce(ctx, o)
}

func contentType(converter string) string {
	switch converter {
	case "JSON":
		return "application/jsonl"
	case "STRING":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// putOnce writes the object unless it is there.
func (d *Deliverer) putOnce(ctx context.Context, o Object) error {
	switch mark, err := d.sink.Stat(ctx, o.Bucket, o.Key); {
	case err != nil:
		return fmt.Errorf("look for %s in %s: %w", o.Key, o.Bucket, err)
	case mark == o.Mark:
		return nil
	case mark != "":
		return fmt.Errorf("%w: %s in %s", ErrTaken, o.Key, o.Bucket)
	}
	if err := d.sink.Put(ctx, o); err != nil {
		return fmt.Errorf("put %s into %s: %w", o.Key, o.Bucket, err)
	}
	return nil
}

// reread reads a whole range.
func (d *Deliverer) reread(ctx context.Context, partition int32, from, until int64) ([]Record, error) {
	var all []Record
	for from < until {
		rs, next, err := d.source.Read(ctx, partition, from, until, d.bytesMax)
		if err != nil {
			return nil, fmt.Errorf("read partition %d at %d again: %w", partition, from, err)
		}
		if next <= from {
			return nil, fmt.Errorf("delivery: partition %d: nothing could be read at %d", partition, from)
		}
		all, from = append(all, rs...), next
	}
	return all, nil
}
