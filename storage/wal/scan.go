package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"weir/storage/disk"
)

// readAhead is how much a scan reads at once.
const readAhead = 256 << 10

// scan walks over the frames of one file.
type scan struct {
	f     disk.File
	name  string
	seq   uint64
	of    salted
	limit int64 // frames beyond it are not looked at

	off   int64  // of the next frame
	pos   uint64 // of the next frame, if known
	known bool   // false until the first frame
	bound []Partition

	win      []byte // bytes of the file from winOff on
	winOff   int64
	winBytes []byte // memory of win
	ahead    int64  // what is read at least
}

// scanOf returns a scan of the frames of s that end at limit or before.
func scanOf(s *span, limit int64) *scan {
	return &scan{f: s.f, name: s.name, seq: s.seq, of: s.of, limit: limit, off: blockBytes, ahead: readAhead}
}

// next reads the frame at s.off. ok is false if there is none: the end, a torn frame, or damage. After ok the scan stands on the following frame;
// body is valid until the next call.
func (s *scan) next() (h frameHeader, body []byte, ok bool, err error) {
	for range 3 { // see "Non-obvious"
		h, body, ok, err = s.read()
		if err != nil || ok {
			break
		}
		if blank := s.win == nil || isZero(s.win[:min(len(s.win), frameHeaderBytes)]); blank {
			return h, nil, false, nil
		}
		s.win = nil
	}
	if err != nil || !ok {
		return h, nil, false, err
	}
	s.off += h.size()
	s.pos, s.known = h.pos+uint64(h.size()), true
	return h, body, true, nil
}

// hop passes the frame at s.off if all its entries lie before upTo, and reads no more of it than that needs: the headers, and the whole frame
// only where it binds partitions, because all that follows in the file depends on it. What it passes over is not checked against its checksum. It
// returns false, and stays, if there is no such frame.
func (s *scan) hop(upTo int64) (bool, error) {
	s.ahead = readAhead
	defer func() { s.ahead = readAhead }()
	start := s.off
	b, err := s.bytes(start, frameHeaderBytes)
	if err != nil || b == nil {
		return false, err
	}
	h, ok := decodeFrameHeader(b, s.of)
	end := start + frameHeaderBytes + int64(h.bodyLen)
	if !ok || s.known && h.pos != s.pos || end >= upTo || end > s.limit {
		return false, nil
	}
	at := start + frameHeaderBytes
	for range h.records {
		if b, err = s.bytes(at, min(recordBytes, end-at)); err != nil {
			return false, err
		}
		if len(b) < recordBytes {
			return false, fmt.Errorf("wal: %s: frame at %d: record header at %d is cut: %w", s.name, start, at, ErrCorrupt)
		}
		if Type(b[0]) == bind {
			return s.hopBind()
		}
		n := int64(binary.LittleEndian.Uint16(b[2:])) + int64(binary.LittleEndian.Uint32(b[12:]))
		if n < recordBytes || n > end-at {
			return false, fmt.Errorf("wal: %s: frame at %d: record of %d bytes at %d: %w", s.name, start, n, at, ErrCorrupt)
		}
		at += n
		if s.ahead = readAhead; n > hopFrom {
			s.ahead = blockBytes
		}
	}
	if at != end {
		return false, fmt.Errorf("wal: %s: frame at %d: %d bytes after the last record: %w", s.name, start, end-at, ErrCorrupt)
	}
	s.off = start + h.size()
	s.pos, s.known = h.pos+uint64(h.size()), true
	return true, nil
}

// hopFrom is how large a record is for which it pays to read only the header of the next: the cost of two calls to the system.
const hopFrom = 32 << 10

// hopBind reads the frame at s.off for its binds.
func (s *scan) hopBind() (bool, error) {
	s.ahead = readAhead
	at := Position{Seq: s.seq, Off: uint32(s.off + frameHeaderBytes)}
	h, body, ok, err := s.next()
	if err == nil && !ok {
		err = fmt.Errorf("wal: %s: bad frame at %d: %w", s.name, s.off, ErrCorrupt)
	}
	if err != nil {
		return false, err
	}
	if err := parseRecords(body, h.records, at, &s.bound, func(*Entry) bool { return true }); err != nil {
		return false, fmt.Errorf("wal: %s: frame at %d: %w", s.name, s.off-h.size(), err)
	}
	return true, nil
}

func (s *scan) read() (h frameHeader, body []byte, ok bool, err error) {
	b, err := s.bytes(s.off, frameHeaderBytes)
	if err != nil || b == nil {
		return h, nil, false, err
	}
	h, ok = decodeFrameHeader(b, s.of)
	if !ok || s.known && h.pos != s.pos {
		return h, nil, false, nil
	}
	b, err = s.bytes(s.off, frameHeaderBytes+int64(h.bodyLen))
	if err != nil || b == nil {
		return h, nil, false, err
	}
	body = b[frameHeaderBytes:]
	return h, body, crc32.Update(s.of.seed, castagnoli, body) == h.bodyCRC, nil
}

// bytes returns n bytes of the file at off, nil if they go beyond the limit or the file.
func (s *scan) bytes(off, n int64) ([]byte, error) {
	if n > s.limit-off {
		return nil, nil
	}
	if s.win == nil || off < s.winOff || off+n > s.winOff+int64(len(s.win)) {
		want := min(max(n, s.ahead), s.limit-off)
		if int64(cap(s.winBytes)) < want {
			s.winBytes = make([]byte, want)
		}
		got, err := s.f.ReadAt(s.winBytes[:want], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("wal: read %s at %d: %w", s.name, off, err)
		}
		s.win, s.winOff = s.winBytes[:got], off
		if int64(got) < n {
			return nil, nil
		}
	} else {
		s.win, s.winOff = s.win[off-s.winOff:], off
	}
	return s.win[:n], nil
}

// later looks for a frame header of this file after the frame at s.off and returns where it is, -1 if nowhere. A torn frame has none after
// it: its own body can't hold one, because nobody outside knows the salt.
func (s *scan) later() (int64, error) {
	s.win = nil
	for off := s.off + blockBytes; ; off += blockBytes {
		b, err := s.bytes(off, frameHeaderBytes)
		if err != nil || b == nil {
			return -1, err
		}
		if h, ok := decodeFrameHeader(b, s.of); ok && (!s.known || h.pos > s.pos) {
			return off, nil
		}
	}
}

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
