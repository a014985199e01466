package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// formatVersion is the version of the file format that this build writes. It reads all versions up to it.
//
//	1  first version
const formatVersion = 1

// Sizes of the format. All numbers in it are little endian.
const (
	blockBytes       = 4096 // file header; frames begin at multiples of it
	frameHeaderBytes = 32
	recordBytes      = 40
	bindBytes        = 20
	streamNameMax    = 256
	frameBytesMax    = 1 << 30 // of a whole frame; positions in a file are 32 bits wide
)

const (
	fileMagic  = "WEIRWAL\n"
	frameMagic = 0x31524657 // "WFR1"
)

// bind is the record type that gives a partition its handle for the rest of the file.
const bind Type = 1

// mustUnderstand is the record flag that forbids a reader to skip a type it does not know.
const mustUnderstand = 1

// Positions in a file header; between the fields and the CRC it is zero.
const (
	headMagic   = 0
	headVersion = 8
	headSalt    = 12
	headSeq     = 16
	headNameLen = 24
	headName    = 28
	headCRC     = blockBytes - 4
)

//nolint:gochecknoglobals // a constant table
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type fileHeader struct {
	seq    uint64
	salt   uint32
	stream string
}

func (h *fileHeader) encode() []byte {
	b := make([]byte, blockBytes)
	copy(b[headMagic:], fileMagic)
	binary.LittleEndian.PutUint32(b[headVersion:], formatVersion)
	binary.LittleEndian.PutUint32(b[headSalt:], h.salt)
	binary.LittleEndian.PutUint64(b[headSeq:], h.seq)
	binary.LittleEndian.PutUint32(b[headNameLen:], uint32(len(h.stream)))
	copy(b[headName:], h.stream)
	binary.LittleEndian.PutUint32(b[headCRC:], crc32.Checksum(b[:headCRC], castagnoli))
	return b
}

// decodeFileHeader reads a header of blockBytes. The version is looked at before the checksum, which a newer version may have elsewhere.
func decodeFileHeader(b []byte) (h fileHeader, err error) {
	if string(b[:len(fileMagic)]) != fileMagic {
		return h, fmt.Errorf("not a journal file: %w", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(b[headVersion:]); v > formatVersion {
		return h, fmt.Errorf("format version %d, this build reads up to %d: %w", v, formatVersion, ErrNewer)
	} else if v == 0 {
		return h, fmt.Errorf("format version 0: %w", ErrCorrupt)
	}
	if binary.LittleEndian.Uint32(b[headCRC:]) != crc32.Checksum(b[:headCRC], castagnoli) {
		return h, fmt.Errorf("file header checksum: %w", ErrCorrupt)
	}
	n := binary.LittleEndian.Uint32(b[headNameLen:])
	if n > streamNameMax {
		return h, fmt.Errorf("stream name of %d bytes: %w", n, ErrCorrupt)
	}
	return fileHeader{
		seq:    binary.LittleEndian.Uint64(b[headSeq:]),
		salt:   binary.LittleEndian.Uint32(b[headSalt:]),
		stream: string(b[headName : headName+n]),
	}, nil
}

// seedOf is the state of a checksum after the salt.
func seedOf(salt uint32) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], salt)
	return crc32.Checksum(b[:], castagnoli)
}

// frameHeader leads a frame.
type frameHeader struct {
	pos     uint64 // bytes of frames before this one in the stream, over all files
	bodyLen uint32
	records uint32
	bodyCRC uint32
}

// salted is a file's salt and the seed that it gives to the file's checksums.
type salted struct{ salt, seed uint32 }

func newSalted(salt uint32) salted { return salted{salt: salt, seed: seedOf(salt)} }

// encode fills b, of frameHeaderBytes.
func (h *frameHeader) encode(b []byte, of salted) {
	le := binary.LittleEndian
	le.PutUint32(b, frameMagic)
	le.PutUint32(b[4:], of.salt)
	le.PutUint64(b[8:], h.pos)
	le.PutUint32(b[16:], h.bodyLen)
	le.PutUint32(b[20:], h.records)
	le.PutUint32(b[24:], h.bodyCRC)
	le.PutUint32(b[28:], crc32.Update(of.seed, castagnoli, b[:28]))
}

// decodeFrameHeader reports whether b begins with a frame header of the file with this salt.
func decodeFrameHeader(b []byte, of salted) (h frameHeader, ok bool) {
	le := binary.LittleEndian
	if len(b) < frameHeaderBytes || le.Uint32(b) != frameMagic || le.Uint32(b[4:]) != of.salt {
		return h, false
	}
	if le.Uint32(b[28:]) != crc32.Update(of.seed, castagnoli, b[:28]) {
		return h, false
	}
	h = frameHeader{pos: le.Uint64(b[8:]), bodyLen: le.Uint32(b[16:]), records: le.Uint32(b[20:]), bodyCRC: le.Uint32(b[24:])}
	return h, h.bodyLen <= frameBytesMax && uint64(h.records)*recordBytes <= uint64(h.bodyLen)
}

// size is the bytes that the frame takes in the file.
func (h *frameHeader) size() int64 { return padded(frameHeaderBytes + int64(h.bodyLen)) }

func padded(n int64) int64 { return (n + blockBytes - 1) &^ (blockBytes - 1) }

// appendRecord appends the record header of e. Handle 0 is no partition.
func appendRecord(b []byte, e *Entry, handle uint32, payloadLen int) []byte {
	le := binary.LittleEndian
	var flags byte
	if e.Type != Noop {
		flags = mustUnderstand
	}
	b = append(b, byte(e.Type), flags)
	b = le.AppendUint16(b, recordBytes)
	b = le.AppendUint32(b, handle)
	b = le.AppendUint32(b, uint32(e.LeaderEpoch))
	b = le.AppendUint32(b, uint32(payloadLen))
	b = le.AppendUint64(b, uint64(e.BaseOffset))
	b = le.AppendUint32(b, e.LastDelta)
	b = le.AppendUint32(b, e.Batches)
	return le.AppendUint64(b, uint64(e.AppendMs))
}

// appendBind appends the record that binds p to handle.
func appendBind(b []byte, p Partition, handle uint32, leaderEpoch int32) []byte {
	b = appendRecord(b, &Entry{Type: bind, LeaderEpoch: leaderEpoch}, handle, bindBytes)
	b = append(b, p.Topic[:]...)
	return binary.LittleEndian.AppendUint32(b, uint32(p.Index))
}

// hasPartition reports whether entries of the type concern one partition.
func (t Type) hasPartition() bool {
	switch t {
	case Data, Ref, LogStart, Adopt, Release:
		return true
	default:
		return false
	}
}

// parseRecords calls fn for each record of a frame's body but BINDs, which extend bound: the partition of handle h is bound[h-1]. at is where
// the body begins. The entry is valid during the call, its payload is a slice of body. It stops without an error if fn returns false.
// The body's checksum was right, so what does not parse was written wrong, or by a newer version.
func parseRecords(body []byte, n uint32, at Position, bound *[]Partition, fn func(*Entry) bool) error {
	le := binary.LittleEndian
	rest := body
	var e Entry // one for all: fn makes it escape
	for range n {
		if len(rest) < recordBytes {
			return fmt.Errorf("record at byte %d of the frame: header is cut: %w", len(body)-len(rest), ErrCorrupt)
		}
		hdrLen, payloadLen := int(le.Uint16(rest[2:])), int64(le.Uint32(rest[12:]))
		if hdrLen < recordBytes || hdrLen > len(rest) || payloadLen > int64(len(rest)-hdrLen) {
			return fmt.Errorf("record at byte %d of the frame: header of %d and payload of %d bytes: %w", len(body)-len(rest), hdrLen, payloadLen, ErrCorrupt)
		}
		e = Entry{
			Type:        Type(rest[0]),
			LeaderEpoch: int32(le.Uint32(rest[8:])),
			BaseOffset:  int64(le.Uint64(rest[16:])),
			LastDelta:   le.Uint32(rest[24:]),
			Batches:     le.Uint32(rest[28:]),
			AppendMs:    int64(le.Uint64(rest[32:])),
		}
		flags, handle := rest[1], le.Uint32(rest[4:])
		rest = rest[hdrLen:]
		e.At = Position{Seq: at.Seq, Off: at.Off + uint32(len(body)-len(rest))}
		if payloadLen > 0 {
			e.Payload = rest[:payloadLen:payloadLen]
		}
		rest = rest[payloadLen:]
		switch {
		case e.Type == bind:
			if len(e.Payload) < bindBytes || uint64(handle) != uint64(len(*bound))+1 {
				return fmt.Errorf("record at %v: bind of handle %d after %d: %w", e.At, handle, len(*bound), ErrCorrupt)
			}
			p := Partition{Topic: [16]byte(e.Payload), Index: int32(le.Uint32(e.Payload[16:]))}
			*bound = append(*bound, p)
			continue
		case e.Type.hasPartition():
			if handle == 0 || uint64(handle) > uint64(len(*bound)) {
				return fmt.Errorf("record at %v: handle %d of %d: %w", e.At, handle, len(*bound), ErrCorrupt)
			}
			e.Partition = (*bound)[handle-1]
		case e.Type == Noop, e.Type == Seal:
		case flags&mustUnderstand != 0:
			return fmt.Errorf("record at %v: type %d: %w", e.At, e.Type, ErrNewer)
		default:
			continue
		}
		if !fn(&e) {
			return nil
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("frame: %d bytes after the last record: %w", len(rest), ErrCorrupt)
	}
	return nil
}
