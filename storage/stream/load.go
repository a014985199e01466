package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"weir/storage/blob"
	"weir/storage/wal"
)

// Load reads the checkpoint of a stream that p names, with all that it builds on, checking every byte. A From that is zero is not compared.
func Load(ctx context.Context, store blob.Store, stream string, p Pointer) (*Checkpoint, error) {
	l := loading{
		store: store, places: make(map[wal.Partition]inManifest),
		c: &Checkpoint{
			Number: p.Number, Stream: stream, Partitions: State{}, Released: make(map[wal.Partition]Mark), manifests: make(map[wal.Partition]*manifest),
		},
	}
	var chain []uint64
	err := l.open(ctx, p.Number, func(s *source, h *header) error {
		if p.From.Seq != 0 && p.From != h.from {
			return fmt.Errorf("it is from %v, but was published as from %v: %w", h.from, p.From, ErrCorrupt)
		}
		l.c.NewestMs = h.newestMs
		l.c.From = Mark{File: h.fromFile, Off: h.from.Off}
		chain = append(slices.Clone(h.chain), p.Number)
		return nil
	})
	for i := 0; i < len(chain) && err == nil; i++ {
		err = l.open(ctx, chain[i], func(s *source, h *header) error {
			if !slices.Equal(h.chain, chain[:i]) {
				return fmt.Errorf("it builds on %v, not on %v: %w", h.chain, chain[:i], ErrCorrupt)
			}
			return l.records(s)
		})
	}
	if err != nil {
		return nil, err
	}
	if err := l.manifests(ctx); err != nil {
		return nil, fmt.Errorf("stream: checkpoint %s: %w", checkpointKey(stream, p.Number), err)
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("stream: checkpoint %s: %w", checkpointKey(stream, p.Number), err)
	}
	return l.c, nil
}

// loading is a checkpoint that is being read.
type loading struct {
	store  blob.Store
	c      *Checkpoint
	places map[wal.Partition]inManifest // of partitions with a manifest
	window []byte                       // memory of sources
	slab   []PartitionState
}

// inManifest says which pieces of a partition are not in its record: the last ones of a manifest.
type inManifest struct {
	key     string
	covered int
}

// open calls fn with one object, behind its header.
func (l *loading) open(ctx context.Context, number uint64, fn func(*source, *header) error) (err error) {
	key := checkpointKey(l.c.Stream, number)
	defer func() {
		if err != nil {
			err = fmt.Errorf("stream: checkpoint %s: %w", key, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	o, err := l.store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // it was read
	s := &source{o: o, size: o.Size(), win: l.window[:0]}
	defer func() { l.window = s.win }()
	h, err := s.header()
	if err != nil {
		return err
	}
	if h.number != number || h.stream != l.c.Stream {
		return fmt.Errorf("it is number %d of stream %q: %w", h.number, h.stream, ErrCorrupt)
	}
	return fn(s, h)
}

// records reads what an object has, and checks it to its end.
func (l *loading) records(s *source) error {
	l.c.Files = l.c.Files[:0]
	for n := uint32(0); ; n++ {
		if s.left() == trailerBytes {
			next, err := s.trailer(n)
			l.c.NextFile = next
			return err
		}
		kind, body, err := s.record()
		if err != nil {
			return err
		}
		d := decoder{b: body}
		switch kind {
		case partitionRecord:
			err = l.partition(&d)
		case departedRecord:
			p := d.partition()
			upTo := d.mark()
			delete(l.c.Partitions, p)
			delete(l.places, p)
			l.c.Released[p] = upTo
		case fileRecord:
			l.c.Files = append(l.c.Files, JournalFile{Number: d.u32(), Seq: d.u64(), Stream: string(d.bytes(len(d.b)))})
		default:
			return fmt.Errorf("record at %d has type %d: %w", s.at, kind, ErrNewer)
		}
		if err == nil && (d.bad || len(d.b) > 0) {
			err = fmt.Errorf("record of type %d at %d has a wrong length: %w", kind, s.at, ErrCorrupt)
		}
		if err != nil {
			return err
		}
	}
}

func (l *loading) partition(d *decoder) error {
	if len(l.slab) == 0 {
		l.slab = make([]PartitionState, 64)
	}
	s := &l.slab[0]
	l.slab = l.slab[1:]
	name, at := d.state(s)
	if d.bad {
		return fmt.Errorf("state of partition %x-%d: %w", name.Topic, name.Index, ErrCorrupt)
	}
	delete(l.c.Released, name)
	delete(l.places, name)
	if at.key != "" {
		l.places[name] = at
	}
	l.c.Partitions[name] = s
	return nil
}

// manifests reads the older pieces of the partitions that have some.
func (l *loading) manifests(ctx context.Context) error {
	for p, at := range l.places {
		if !strings.HasPrefix(at.key, manifestPrefix(p)) {
			return fmt.Errorf("partition %x-%d has its pieces in %q: %w", p.Topic, p.Index, at.key, ErrCorrupt)
		}
		m, err := readManifest(ctx, l.store, at.key, p)
		if err != nil {
			return err
		}
		if at.covered > len(m.pieces) {
			return fmt.Errorf("partition %x-%d: %d pieces are needed of %s, it has %d: %w", p.Topic, p.Index, at.covered, at.key, len(m.pieces), ErrCorrupt)
		}
		s := l.c.Partitions[p]
		s.Pieces = append(slices.Clone(m.pieces[len(m.pieces)-at.covered:]), s.Pieces...)
		l.c.manifests[p] = m
	}
	return nil
}

// filesMax bounds how far apart the oldest and the newest journal file are that a checkpoint names: what Logs takes memory for.
const filesMax = 1 << 20

// check checks what goes beyond single records.
func (l *loading) check() error {
	c := l.c
	first := c.NextFile
	for i, f := range c.Files {
		if i == 0 {
			first = f.Number
		} else if f.Number <= c.Files[i-1].Number {
			return fmt.Errorf("journal file %d follows %d: %w", f.Number, c.Files[i-1].Number, ErrCorrupt)
		}
	}
	if n := len(c.Files); n == 0 || c.Files[n-1].Number >= c.NextFile || c.NextFile-first > filesMax {
		return fmt.Errorf("%d journal files below %d: %w", n, c.NextFile, ErrCorrupt)
	}
	known := make([]bool, c.NextFile-first)
	from := false
	for _, f := range c.Files {
		known[f.Number-first] = true
		from = from || f.Number == c.From.File && f.Stream == c.Stream
	}
	if !from {
		return fmt.Errorf("its own file, number %d, is not among the journal files: %w", c.From.File, ErrCorrupt)
	}
	var files []uint32
	for p, s := range c.Partitions {
		if err := s.check(); err != nil {
			return fmt.Errorf("partition %x-%d: %w: %w", p.Topic, p.Index, err, ErrCorrupt)
		}
		files = s.Extents.appendFiles(files[:0])
		for _, n := range files {
			if n < first || n >= c.NextFile || !known[n-first] {
				return fmt.Errorf("partition %x-%d has data in journal file %d, which is not named: %w", p.Topic, p.Index, n, ErrCorrupt)
			}
		}
	}
	return nil
}

// source reads an object from its start to its end.
type source struct {
	o    blob.Object
	size int64
	off  int64 // of what is read next
	at   int64 // of what was read last
	crc  uint32
	win  []byte // memory of the window, as long as what it holds
	from int64  // where the window lies
}

const windowBytes = 256 << 10

func (s *source) left() int64 { return s.size - s.off }

// bytes returns the next n bytes, valid until the next call. What the object has no room for is not asked for.
func (s *source) bytes(n int64) ([]byte, error) {
	b, err := s.peek(n)
	if err != nil {
		return nil, err
	}
	s.crc = crc32.Update(s.crc, castagnoli, b)
	s.at, s.off = s.off, s.off+n
	return b, nil
}

// peek is bytes, which does not move on.
func (s *source) peek(n int64) ([]byte, error) {
	if n > s.left() {
		return nil, fmt.Errorf("it is cut at %d: %w", s.size, ErrCorrupt)
	}
	if s.off+n > s.from+int64(len(s.win)) {
		want := min(max(n, windowBytes), s.left())
		s.win = slices.Grow(s.win[:0], int(want))[:want]
		s.from = s.off
		if got, err := s.o.ReadAt(s.win, s.off); got < len(s.win) {
			return nil, fmt.Errorf("read %d bytes at %d: %w", want, s.off, err)
		}
	}
	return s.win[s.off-s.from:][:n:n], nil
}

const headerBytes = 8 + 4 + 4 + 8 + 8 + 4 + 4 + 8 + 2 + 2 // of a checkpoint, before its stream's name

func (s *source) header() (*header, error) {
	b, err := s.peek(min(headerBytes, s.left()))
	if err != nil {
		return nil, err
	}
	if len(b) < headerBytes || string(b[:8]) != checkpointMagic {
		return nil, fmt.Errorf("it is no checkpoint: %w", ErrCorrupt)
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v > checkpointVersion {
		return nil, fmt.Errorf("version %d, this is %d: %w", v, checkpointVersion, ErrNewer)
	}
	size := headerBytes + int64(le.Uint16(b[48:])) + 8*int64(le.Uint16(b[50:]))
	if b, err = s.peek(min(size+4, s.left())); err != nil {
		return nil, err
	}
	if int64(len(b)) < size+4 || crc32.Checksum(b[:size], castagnoli) != le.Uint32(b[size:]) {
		return nil, fmt.Errorf("its header is damaged: %w", ErrCorrupt)
	}
	d := decoder{b: b[16:size]}
	h := &header{number: d.u64(), from: wal.Position{Seq: d.u64(), Off: d.u32()}, fromFile: d.u32(), newestMs: d.i64()}
	name, chain := d.u16(), d.u16()
	h.stream = string(d.bytes(int(name)))
	for range chain {
		h.chain = append(h.chain, d.u64())
	}
	_, err = s.bytes(size + 4)
	return h, err
}

// record reads the next record.
func (s *source) record() (kind uint8, body []byte, err error) {
	b, err := s.peek(min(recordHeaderBytes, s.left()))
	if err != nil {
		return 0, nil, err
	}
	if len(b) < recordHeaderBytes {
		return 0, nil, fmt.Errorf("it is cut at %d: %w", s.size, ErrCorrupt)
	}
	size := recordHeaderBytes + int64(binary.LittleEndian.Uint32(b[1:]))
	if b, err = s.bytes(size + 4); err != nil {
		return 0, nil, err
	}
	if got, sum := crc32.Checksum(b[:size], castagnoli), binary.LittleEndian.Uint32(b[size:]); got != sum {
		return 0, nil, fmt.Errorf("record at %d has checksum %08x, it says %08x: %w", s.at, got, sum, ErrCorrupt)
	}
	return b[0], b[recordHeaderBytes:size], nil
}

// trailer reads what ends the object, and returns the number of the next journal file.
func (s *source) trailer(records uint32) (nextFile uint32, err error) {
	crc := s.crc
	b, err := s.bytes(trailerBytes)
	if err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	sum := le.Uint32(b[trailerBytes-4:])
	if string(b[:8]) != trailerMagic || crc32.Update(crc, castagnoli, b[:trailerBytes-4]) != sum {
		return 0, fmt.Errorf("its end is damaged: %w", ErrCorrupt)
	}
	if n, size := le.Uint32(b[12:]), le.Uint64(b[16:]); n != records || size != uint64(s.size) {
		return 0, fmt.Errorf("it has %d records and %d bytes, not %d and %d: %w", records, s.size, n, size, ErrCorrupt)
	}
	return le.Uint32(b[8:]), nil
}
