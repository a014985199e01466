package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/disk"
	"weir/storage/doctor"
	"weir/storage/stream"
	"weir/storage/wal"
)

// DumpRequest says what `weir dump` shows.
type DumpRequest struct {
	Data      string
	Topic     string // name, or id in hexadecimal
	Partition int32
	From      int64 // offset
	Limit     int   // records; negative: all
	Records   bool  // show records, not only batches
}

// DumpPrinter takes what a partition holds, as it is read.
type DumpPrinter struct {
	State  func(DumpState)
	Batch  func(DumpBatch)
	Record func(DumpRecord)
}

// DumpState is what a broker knows of a partition beside its records.
type DumpState struct {
	Broker         string         `json:"broker"` // directory
	Partition      string         `json:"partition"`
	TopicID        string         `json:"topicId"`
	LogStart       int64          `json:"logStart"`
	JournalFrom    int64          `json:"journalFrom"` // first offset that lies in the journal
	HighWatermark  int64          `json:"highWatermark"`
	LeaderEpochs   []DumpEpoch    `json:"leaderEpochs"`
	Producers      []DumpProducer `json:"producers"`
	Pieces         []DumpPiece    `json:"pieces"`
	JournalExtents int            `json:"journalExtents"`
}

// DumpEpoch is a leader epoch and where it began.
type DumpEpoch struct {
	Epoch int32 `json:"epoch"`
	Start int64 `json:"start"`
}

// DumpProducer is an idempotent producer.
type DumpProducer struct {
	ID           int64 `json:"id"`
	Epoch        int16 `json:"epoch"`
	LastSequence int32 `json:"lastSequence"`
}

// DumpPiece is where a run of offsets lies below the journal.
type DumpPiece struct {
	File    string `json:"file"`
	Base    int64  `json:"base"`
	Last    int64  `json:"last"`
	Bytes   uint64 `json:"bytes"`
	Records int64  `json:"records"`
}

// DumpBatch is one record batch.
type DumpBatch struct {
	File        string `json:"file"`
	Position    int64  `json:"position"`
	Base        int64  `json:"base"`
	Last        int64  `json:"last"`
	LeaderEpoch int32  `json:"leaderEpoch"`
	Records     int32  `json:"records"`
	Bytes       int    `json:"bytes"`
	Codec       string `json:"codec"`
	ProducerID  int64  `json:"producerId"`
	Epoch       int16  `json:"producerEpoch"`
	Sequence    int32  `json:"sequence"`
	Timestamp   int64  `json:"maxTimestamp"`
	Control     bool   `json:"control,omitempty"`
	Transaction bool   `json:"transactional,omitempty"`
	Problem     string `json:"problem,omitempty"` // why its records cannot be shown
}

// DumpRecord is one record. Keys and values are as stored; JSON has them in base64.
type DumpRecord struct {
	Offset    int64  `json:"offset"`
	Timestamp int64  `json:"timestamp"`
	Key       []byte `json:"key"`
	Value     []byte `json:"value"`
}

// Dump shows what the broker that leads a partition has stored of it.
func Dump(ctx context.Context, r DumpRequest, show DumpPrinter) (err error) {
	x, err := examine(ctx, r.Data)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := x.close(); err == nil {
			err = closeErr
		}
	}()
	dirs, err := x.brokerDirs("")
	if err != nil {
		return err
	}
	found, known := 0, []string{}
	for _, d := range dirs {
		names, err := x.topicNames(ctx, d.cluster)
		if err != nil {
			return err
		}
		contents, err := x.contents(ctx, d)
		if err != nil {
			return err
		}
		for _, p := range contents.Partitions() {
			name, ok := names[p.Topic]
			if !ok {
				name = fmt.Sprintf("%x", p.Topic)
			}
			known = append(known, name)
			if p.Index != r.Partition || name != r.Topic && fmt.Sprintf("%x", p.Topic) != r.Topic {
				continue
			}
			found++
			if err := x.dump(ctx, d, contents, p, name, &r, show); err != nil {
				return err
			}
		}
	}
	if found == 0 {
		fix := "see weir wal inspect for what the journals hold"
		if near := Nearest(r.Topic, known); near != "" && near != r.Topic {
			fix = fmt.Sprintf("did you mean %s? ", near) + fix
		}
		return &Problem{What: fmt.Sprintf("no broker has stored partition %d of topic %s", r.Partition, r.Topic), Why: "its log is empty or does not exist", Fix: fix}
	}
	return nil
}

func (x *examined) contents(ctx context.Context, d brokerDir) (*doctor.Contents, error) {
	known, err := x.known(ctx, d)
	if err != nil {
		return nil, err
	}
	return doctor.Read(ctx, disk.OS(d.path), known)
}

func (x *examined) dump(
	ctx context.Context, d brokerDir, c *doctor.Contents, p wal.Partition, name string, r *DumpRequest, show DumpPrinter,
) error {
	for _, f := range c.Findings() {
		if f.Severity == doctor.Damage && (len(f.Partitions) == 0 || slices.Contains(f.Partitions, p)) {
			return &Problem{What: "what is stored cannot be read", Why: f.Where + ": " + f.What, Fix: "see weir doctor"}
		}
	}
	s := c.State(p)
	show.State(dumpState(x.relative(d.path), name, p, s))
	left := r.Limit
	decoder := batch.NewDecoder(dumpBytesMax)
	for b, err := range c.Batches(ctx, p, r.From) {
		if err != nil {
			return problem("what is stored cannot be read", err, "see weir doctor")
		}
		if left == 0 {
			return nil
		}
		out := dumpBatch(&b)
		var records []DumpRecord
		if r.Records {
			records, err = dumpRecords(decoder, b.Data, r.From)
			if err != nil {
				out.Problem = err.Error()
			}
		}
		show.Batch(out)
		for _, rec := range records {
			if left == 0 {
				return nil
			}
			show.Record(rec)
			left--
		}
		if !r.Records {
			left -= min(max(left, 0), int(out.Records))
		}
	}
	return nil
}

func dumpState(broker, name string, p wal.Partition, s *stream.PartitionState) DumpState {
	out := DumpState{
		Broker: broker, Partition: fmt.Sprintf("%s-%d", name, p.Index), TopicID: metadata.TopicID(p.Topic).String(),
		LogStart: s.LogStart, JournalFrom: s.Flushed(), HighWatermark: s.End, JournalExtents: s.Extents.Len(),
		LeaderEpochs: []DumpEpoch{}, Producers: []DumpProducer{}, Pieces: []DumpPiece{},
	}
	for _, e := range s.Epochs {
		out.LeaderEpochs = append(out.LeaderEpochs, DumpEpoch(e))
	}
	for _, id := range s.Producers.IDs() {
		pr := s.Producers.Get(id)
		out.Producers = append(out.Producers, DumpProducer{ID: id, Epoch: pr.Epoch, LastSequence: pr.LastSeq()})
	}
	for i := range s.Pieces {
		pc := &s.Pieces[i]
		out.Pieces = append(out.Pieces, DumpPiece{File: "blob/" + pc.Key(), Base: pc.Base, Last: pc.Last, Bytes: pc.Len, Records: pc.Records})
	}
	return out
}

func dumpBatch(b *doctor.Batch) DumpBatch {
	h := &b.Header
	return DumpBatch{
		File: filepath.FromSlash(b.File), Position: b.Off, Base: h.BaseOffset, Last: h.LastOffset(), LeaderEpoch: h.LeaderEpoch,
		Records: h.Count, Bytes: h.Size(), Codec: h.Codec().String(), ProducerID: h.ProducerID, Epoch: h.ProducerEpoch, Sequence: h.BaseSequence,
		Timestamp: h.MaxTimestamp, Control: h.Control(), Transaction: h.Transactional(),
	}
}

// dumpBytesMax bounds what the records of one batch may take when they are decompressed.
const dumpBytesMax = 256 << 20

func dumpRecords(d *batch.Decoder, data []byte, from int64) ([]DumpRecord, error) {
	var out []DumpRecord
	for rec, err := range d.Records(data) {
		if err != nil {
			return out, err
		}
		if rec.Offset >= from {
			out = append(out, DumpRecord{Offset: rec.Offset, Timestamp: rec.Timestamp, Key: slices.Clone(rec.Key), Value: slices.Clone(rec.Value)})
		}
	}
	return out, nil
}

// ParsePartition reads TOPIC/PARTITION; without the number it is partition 0.
func ParsePartition(s string) (topic string, partition int32, err error) {
	topic, number, ok := strings.Cut(s, "/")
	if ok {
		if _, err := fmt.Sscanf(number, "%d", &partition); err != nil || fmt.Sprint(partition) != number || partition < 0 {
			return "", 0, &Problem{What: fmt.Sprintf("%q names no partition", s), Why: number + " is not a partition's number", Fix: "give it as TOPIC/0", Code: ExitUsage}
		}
	}
	if topic == "" {
		return "", 0, &Problem{What: fmt.Sprintf("%q names no partition", s), Fix: "give it as TOPIC/0", Code: ExitUsage}
	}
	return topic, partition, nil
}
