package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"weir/storage/batch"
	"weir/storage/wal"
)

// Writer writes a container in one pass. It is used by one goroutine. After an error the container is of no use: every later call but
// Bytes returns that error.
type Writer struct {
	w      io.Writer
	header header
	pos    uint64 // written
	err    error

	chunks []Chunk
	parts  []sections // of chunks
	entry  []Entry    // of all chunks, in turn
	abort  []Aborted  // of all chunks, in turn
	next   int64      // lowest offset that the next batch may have
	block  Entry      // of the chunk that was begun; not in entry before it is complete

	batches, blocks joiner
}

// sections is where a chunk's entries lie in the lists of all chunks.
type sections struct{ entries, aborted int }

// NewWriter begins a container on w.
func NewWriter(w io.Writer, kind Kind, id ID) *Writer {
	s := &Writer{w: w, header: header{kind: kind, id: id}}
	if kind != Bundle && kind != Segment {
		s.err = fmt.Errorf("segment: a container of kind %d", kind)
		return s
	}
	s.write(s.header.encode())
	return s
}

// write hands p down as it is.
func (w *Writer) write(p []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("segment: write container %v at byte %d: %w", w.header.id, w.pos, err)
		return
	}
	w.pos += uint64(len(p))
}

// Begin begins the chunk of p that covers the offsets base to last, which must follow the chunk before it in the order of the directory
// (partition, then base). A segment takes one partition only.
func (w *Writer) Begin(p wal.Partition, base, last int64) error {
	if w.err != nil {
		return w.err
	}
	w.endChunk()
	c := Chunk{
		Partition: p, Base: base, Last: last, MinTimestamp: math.MaxInt64, MaxTimestamp: noTimestamp, FirstEpoch: noEpoch, LastEpoch: noEpoch,
		Pos: w.pos,
	}
	switch n := len(w.chunks); {
	case base < 0 || last < base:
		w.err = fmt.Errorf("segment: begin %v: no such range", &c)
	case n > 0 && !c.follows(&w.chunks[n-1]):
		w.err = fmt.Errorf("segment: begin %v after %v: not in order", &c, &w.chunks[n-1])
	case n > 0 && w.header.kind == Segment && p != w.chunks[0].Partition:
		w.err = fmt.Errorf("segment: begin %v in the segment of %x/%d", &c, w.chunks[0].Partition.Topic, w.chunks[0].Partition.Index)
	case n == math.MaxUint32/chunkBytes:
		w.err = fmt.Errorf("segment: more than %d chunks", n)
	}
	if w.err != nil {
		return w.err
	}
	w.chunks = append(w.chunks, c)
	w.parts = append(w.parts, sections{entries: len(w.entry), aborted: len(w.abort)})
	w.next = base
	return nil
}

// Cover sets what the chunk that was begun covers: up to last, which no batch in it may lie behind. It is for who does not know that at Begin.
func (w *Writer) Cover(last int64) error {
	if w.err != nil {
		return w.err
	}
	switch n := len(w.chunks); {
	case n == 0:
		w.err = errors.New("segment: cover before begin")
	case last < w.chunks[n-1].Base || last+1 < w.next:
		w.err = fmt.Errorf("segment: %v cannot end at %d, its batches go up to %d", &w.chunks[n-1], last, w.next-1)
	default:
		w.chunks[n-1].Last = last
	}
	return w.err
}

// noTimestamp and noEpoch stand in chunks whose batches have none.
const (
	noTimestamp = -1
	noEpoch     = -1
)

// Append adds whole batches to the chunk that was begun, in offset order, inside of what it covers. Their CRCs are checked: what is damaged does not
// get into a container (ErrCorrupt). Flags that headers show (transactional, control) are set, and the delete horizon. The bytes are handed to the
// io.Writer as they are, in one call, and not kept.
func (w *Writer) Append(batches []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case len(w.chunks) == 0:
		w.err = errors.New("segment: append before begin")
		return w.err
	}
	c := &w.chunks[len(w.chunks)-1]
	for rest := batches; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err == nil {
			err = w.check(c, &h, one)
		}
		if err != nil {
			w.err = fmt.Errorf("segment: append to %v, byte %d of %d: %w", c, len(batches)-len(rest), len(batches), err)
			return w.err
		}
		w.add(c, &h, one)
		rest = after
	}
	w.write(batches)
	return w.err
}

// check says what is wrong with a batch as the next one of c.
func (w *Writer) check(c *Chunk, h *batch.Header, one []byte) error {
	switch {
	case h.Magic != 2:
		return corrupt("batch %d has magic %d", h.BaseOffset, h.Magic)
	case h.LastOffsetDelta < 0 || h.Count < 0:
		return corrupt("batch %d of %d records to offset delta %d", h.BaseOffset, h.Count, h.LastOffsetDelta)
	case h.BaseOffset < w.next || h.LastOffset() > c.Last || h.LastOffset() < h.BaseOffset:
		return corrupt("batch of offsets %d to %d, where %d is next and %d the last", h.BaseOffset, h.LastOffset(), w.next, c.Last)
	case c.Batches == math.MaxUint32:
		return errors.New("too many batches")
	}
	if err := batch.CheckCRC(one); err != nil {
		return fmt.Errorf("batch %d: %w: %w", h.BaseOffset, err, ErrCorrupt)
	}
	return nil
}

// add counts a batch in.
func (w *Writer) add(c *Chunk, h *batch.Header, one []byte) {
	w.next = h.LastOffset() + 1
	if c.Batches == 0 {
		c.FirstEpoch = h.LeaderEpoch
	}
	c.LastEpoch = h.LeaderEpoch
	c.Batches++
	c.Records += int64(h.Count)
	c.MinTimestamp = min(c.MinTimestamp, minTimestamp(h))
	c.MaxTimestamp = max(c.MaxTimestamp, h.MaxTimestamp)
	if h.Transactional() || h.Control() {
		c.Flags |= HasTransactions
	}
	if h.Attributes&deleteHorizonBit != 0 {
		c.DeleteHorizon = earlier(c.DeleteHorizon, h.BaseTimestamp)
	}
	b := &w.block
	if b.Len > 0 && len(one) >= BlockBytes {
		w.endBlock(c) // a large batch is a block of its own: who reads its small neighbours need not read it
	}
	if b.Len == 0 {
		*b = Entry{Base: h.BaseOffset, Pos: c.Pos + c.Len}
	}
	b.Last = h.LastOffset()
	b.MaxTimestamp = c.MaxTimestamp
	b.CRC = w.update(b.CRC, h, one)
	b.Len += uint32(len(one))
	c.Len += uint64(len(one))
	if b.Len >= BlockBytes {
		w.endBlock(c)
	}
}

// update adds a batch, whose own checksum was found right, to that of its block. What that covers of a large batch is not hashed again.
func (w *Writer) update(crc uint32, h *batch.Header, one []byte) uint32 {
	const uncovered = 21 // bytes at the start of a batch, among them what the broker sets
	if len(one) < combineBytes {
		return crc32.Update(crc, castagnoli, one)
	}
	return w.batches.combine(crc32.Update(crc, castagnoli, one[:uncovered]), h.CRC, uint64(len(one)-uncovered))
}

// combineBytes is from where on that is cheaper, even if no two batches have the same length.
const combineBytes = 8 << 10

func (w *Writer) endBlock(c *Chunk) {
	b := &w.block
	c.CRC = w.blocks.combine(c.CRC, b.CRC, uint64(b.Len))
	w.entry = append(w.entry, *b)
	*b = Entry{}
}

func (w *Writer) endChunk() {
	if len(w.chunks) == 0 {
		return
	}
	c := &w.chunks[len(w.chunks)-1]
	if w.block.Len > 0 {
		w.endBlock(c)
	}
	if c.Batches == 0 {
		c.MinTimestamp = noTimestamp
	}
}

// earlier returns the earlier of two times of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Note adds what the batches' headers do not show to the chunk that was begun: flags are added to those it has, and of the times, of which 0 is
// none, the earliest stays.
func (w *Writer) Note(flags Flags, deleteHorizon, firstDirtyMs int64) {
	if w.err != nil {
		return
	}
	if len(w.chunks) == 0 {
		w.err = errors.New("segment: note before begin")
		return
	}
	c := &w.chunks[len(w.chunks)-1]
	c.Flags |= flags
	c.DeleteHorizon = earlier(c.DeleteHorizon, deleteHorizon)
	c.FirstDirtyMs = earlier(c.FirstDirtyMs, firstDirtyMs)
}

// Abort adds an aborted transaction to the chunk that was begun.
func (w *Writer) Abort(a Aborted) {
	switch {
	case w.err != nil:
	case len(w.chunks) == 0:
		w.err = errors.New("segment: abort before begin")
	case a.LastOffset < a.FirstOffset:
		w.err = fmt.Errorf("segment: %v: aborted transaction of producer %d from %d to %d", &w.chunks[len(w.chunks)-1], a.ProducerID, a.FirstOffset, a.LastOffset)
	default:
		w.abort = append(w.abort, a)
	}
}

// Bytes is how much was written so far.
func (w *Writer) Bytes() int64 { return int64(w.pos) }

// Finish writes indexes, directory and footer, and returns the pieces that the container holds. It does not commit what is below.
func (w *Writer) Finish() ([]Piece, error) {
	if w.err == nil && len(w.chunks) == 0 {
		w.err = errors.New("segment: a container without chunks")
	}
	if w.err != nil {
		return nil, w.err
	}
	w.endChunk()
	w.parts = append(w.parts, sections{entries: len(w.entry), aborted: len(w.abort)}) // the end of the last
	var b []byte
	flush := func(atLeast int) {
		if len(b) >= atLeast {
			w.write(b)
			b = b[:0]
		}
	}
	for i := range w.chunks {
		c := &w.chunks[i]
		if entries := w.entry[w.parts[i].entries:w.parts[i+1].entries]; len(entries) > 0 {
			c.IndexPos = w.pos + uint64(len(b))
			if len(entries) > (math.MaxUint32-checksumBytes)/entryBytes {
				w.err = fmt.Errorf("segment: %v has %d blocks", c, len(entries))
			}
			c.IndexLen = uint32(len(entries)*entryBytes + checksumBytes)
			b = appendIndex(b, c, entries)
			flush(sectionsBytes)
		}
	}
	for i := range w.chunks {
		c := &w.chunks[i]
		if aborted := w.abort[w.parts[i].aborted:w.parts[i+1].aborted]; len(aborted) > 0 {
			c.AbortedPos = w.pos + uint64(len(b))
			if len(aborted) > (math.MaxUint32-checksumBytes)/abortedBytes {
				w.err = fmt.Errorf("segment: %v has %d aborted transactions", c, len(aborted))
			}
			c.AbortedLen = uint32(len(aborted)*abortedBytes + checksumBytes)
			b = appendAborted(b, c, aborted)
			flush(sectionsBytes)
		}
	}
	f := footer{header: w.header, dirPos: w.pos + uint64(len(b)), dirLen: uint32(len(w.chunks) * chunkBytes), chunks: uint32(len(w.chunks))}
	start := len(b)
	for i := range w.chunks {
		b = appendChunk(b, &w.chunks[i])
	}
	f.dirCRC = crc32.Checksum(b[start:], castagnoli)
	f.size = f.dirPos + uint64(f.dirLen) + footerBytes
	b = append(b, f.encode()...)
	flush(0)
	if w.err != nil {
		return nil, w.err
	}
	w.err = errors.New("segment: the container is finished")
	pieces := make([]Piece, len(w.chunks))
	for i, c := range w.chunks {
		pieces[i] = Piece{Kind: w.header.kind, ID: w.header.id, Chunk: c}
	}
	return pieces, nil
}

// sectionsBytes is how much of the small sections is gathered for one write.
const sectionsBytes = 64 << 10
