package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"weir/metadata"
	"weir/storage/disk"
	"weir/storage/doctor"
	"weir/storage/stream"
	"weir/storage/wal"
)

// DoctorReport is what `weir doctor` found in one broker's directory. Field names are stable.
type DoctorReport struct {
	Broker     string          `json:"broker"` // directory, below the data directory
	Live       bool            `json:"live"`   // the broker was running meanwhile
	Severity   string          `json:"severity"`
	Findings   []DoctorFinding `json:"findings"`
	Journals   int             `json:"journals"`
	Files      int             `json:"files"`
	Entries    int             `json:"entries"`
	Containers int             `json:"containers"`
	Chunks     int             `json:"chunks"`
	Partitions int             `json:"partitions"`
	Bytes      int64           `json:"bytes"`
}

// DoctorFinding is one thing that was found.
type DoctorFinding struct {
	Severity   string   `json:"severity"`
	File       string   `json:"file"` // below the broker's directory
	Partitions []string `json:"partitions,omitempty"`
	What       string   `json:"what"`
	Do         string   `json:"do"`
}

// Doctor examines the brokers of the data directory, each in turn, and calls report for each. progress says what it is doing. It returns the
// health of the worst.
func Doctor(ctx context.Context, data string, progress func(broker, doing string, bytes int64), report func(DoctorReport)) (_ Health, err error) {
	x, err := examine(ctx, data)
	if err != nil {
		return Down, err
	}
	defer func() {
		if closeErr := x.close(); err == nil {
			err = closeErr
		}
	}()
	dirs, err := x.brokerDirs("")
	if err != nil {
		return Down, err
	}
	health := Healthy
	for _, d := range dirs {
		r, worst, err := x.doctor(ctx, d, progress)
		if err != nil {
			return Down, err
		}
		report(r)
		switch {
		case worst == doctor.Damage:
			health = Down
		case worst == doctor.Warning && health == Healthy:
			health = Degraded
		}
	}
	return health, nil
}

func (x *examined) doctor(ctx context.Context, d brokerDir, progress func(broker, doing string, bytes int64)) (DoctorReport, doctor.Severity, error) {
	broker := x.relative(d.path)
	out := DoctorReport{Broker: broker, Findings: []DoctorFinding{}}
	names, err := x.topicNames(ctx, d.cluster)
	if err != nil {
		return out, doctor.Damage, err
	}
	r, live, err := x.look(ctx, d, func(p doctor.Progress) { progress(broker, p.Doing, p.Bytes) })
	if err != nil {
		return out, doctor.Damage, err
	}
	out.Live = live
	for i := range r.Findings {
		f := &r.Findings[i]
		shown := DoctorFinding{Severity: f.Severity.String(), File: filepath.FromSlash(f.Where), What: f.What, Do: f.Do}
		for _, p := range f.Partitions {
			shown.Partitions = append(shown.Partitions, partitionName(names, p))
		}
		out.Findings = append(out.Findings, shown)
	}
	out.Severity = r.Worst().String()
	out.Journals, out.Files, out.Entries = r.Journals, r.JournalFiles, r.Entries
	out.Containers, out.Chunks, out.Partitions, out.Bytes = r.Containers, r.Chunks, r.Partitions, r.Bytes
	return out, r.Worst(), nil
}

// look examines a broker, and once more if it runs and anything was found.
func (x *examined) look(ctx context.Context, d brokerDir, progress func(doctor.Progress)) (r *doctor.Report, live bool, err error) {
	for range 2 {
		known, err := x.known(ctx, d)
		if err != nil {
			return nil, false, err
		}
		again, err := doctor.Examine(ctx, disk.OS(d.path), known, progress)
		if err != nil {
			return nil, false, err
		}
		if r != nil {
			again.Confirm(r)
		}
		r, live = again, known.Live
		if !live || r.Worst() == doctor.Note {
			break
		}
	}
	return r, live, nil
}

func partitionName(names map[metadata.TopicID]string, p wal.Partition) string {
	if n, ok := names[p.Topic]; ok {
		return fmt.Sprintf("%s-%d", n, p.Index)
	}
	return fmt.Sprintf("%x-%d", p.Topic, p.Index)
}

// known is what the metadata say of a broker's streams.
func (x *examined) known(ctx context.Context, d brokerDir) (doctor.Known, error) {
	k := doctor.Known{Read: true}
	streams, err := records[metadata.Stream](ctx, x.store, metadata.ClusterPrefix(d.cluster)+"stream/")
	if err != nil {
		return k, fmt.Errorf("read the streams: %w", err)
	}
	for name, s := range streams {
		if s.Broker != d.broker {
			continue
		}
		k.Streams = append(k.Streams, doctor.Stream{
			Name: name, Sealed: s.State == metadata.StreamSealed, End: wal.Position{Seq: s.EndSeq, Off: s.EndOff},
			Checkpoint: stream.Pointer{Number: s.Checkpoint, From: wal.Position{Seq: s.FromSeq, Off: s.FromOff}},
		})
	}
	slices.SortFunc(k.Streams, func(a, b doctor.Stream) int { return strings.Compare(a.Name, b.Name) })
	// A broker outlives its weir up: ask for the lock that it holds itself.
	lock, err := disk.OS(d.path).Lock(doctor.WALDir + "/LOCK")
	switch {
	case errors.Is(err, disk.ErrLocked):
		k.Live = true
		return k, nil
	case errors.Is(err, fs.ErrNotExist): // the broker never got so far
		return k, nil
	case err != nil:
		return k, fmt.Errorf("see whether the broker runs: %w", err)
	}
	return k, lock.Close()
}
