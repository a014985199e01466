package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"weir/storage/batch"
	"weir/storage/wal"
)

// formatVersion is the version of the format that this build writes. It reads all versions up to it.
//
//	1  first version
const formatVersion = 1

// Sizes of the format. All numbers in it are little endian.
const (
	headerBytes   = 64
	footerBytes   = 64
	chunkBytes    = 136 // an entry of the directory
	entryBytes    = 32  // an entry of an index
	abortedBytes  = 32
	checksumBytes = 4         // ends each index and each list of aborted transactions
	tailBytes     = 64 << 10  // what a reader reads first: footer and directory nearly always fit
	runBytes      = 512 << 10 // what Runs reads at a time, unless one block is larger
)

const (
	headerMagic = "WEIRSEG\n"
	footerMagic = "\nGESRIEW"
)

// Positions in a header; what is not named is zero.
const (
	headMagic       = 0
	headVersion     = 8
	headKind        = 12
	headIncarnation = 16
	headNumber      = 24
	headCRC         = 60
)

// Positions in a footer; what is not named is zero. Version and magic stay where they are in every version.
const (
	footDirPos      = 0
	footDirLen      = 8
	footDirCRC      = 12
	footChunks      = 16
	footKind        = 20
	footIncarnation = 24
	footNumber      = 32
	footSize        = 40
	footVersion     = 48
	footCRC         = 52
	footMagic       = 56
)

// deleteHorizonBit of a batch's attributes says that its base timestamp is its delete horizon (KIP-534).
const deleteHorizonBit = 0x40

//nolint:gochecknoglobals // a constant table
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what both ends of a container say of it.
type header struct {
	kind Kind
	id   ID
}

func (h *header) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b[headMagic:], headerMagic)
	le := binary.LittleEndian
	le.PutUint32(b[headVersion:], formatVersion)
	b[headKind] = byte(h.kind)
	le.PutUint64(b[headIncarnation:], h.id.Incarnation)
	le.PutUint64(b[headNumber:], h.id.Number)
	le.PutUint32(b[headCRC:], crc32.Checksum(b[:headCRC], castagnoli))
	return b
}

// checkVersion is called before the checksum is looked at, which a newer version may have elsewhere.
func checkVersion(what string, v uint32) error {
	if v > formatVersion {
		return fmt.Errorf("%s: format version %d, this build reads up to %d: %w", what, v, formatVersion, ErrNewer)
	}
	if v == 0 {
		return corrupt("%s: format version 0", what)
	}
	return nil
}

func decodeHeader(b []byte) (h header, err error) {
	if string(b[headMagic:headMagic+len(headerMagic)]) != headerMagic {
		return h, corrupt("header: not a container")
	}
	le := binary.LittleEndian
	if err := checkVersion("header", le.Uint32(b[headVersion:])); err != nil {
		return h, err
	}
	if crc32.Checksum(b[:headCRC], castagnoli) != le.Uint32(b[headCRC:]) {
		return h, corrupt("header: checksum")
	}
	h = header{kind: Kind(b[headKind]), id: ID{Incarnation: le.Uint64(b[headIncarnation:]), Number: le.Uint64(b[headNumber:])}}
	if h.kind != Bundle && h.kind != Segment {
		return h, corrupt("header: kind %d", h.kind)
	}
	return h, nil
}

type footer struct {
	header
	dirPos uint64
	dirLen uint32
	dirCRC uint32
	chunks uint32
	size   uint64 // of the whole container
}

func (f *footer) encode() []byte {
	b := make([]byte, footerBytes)
	le := binary.LittleEndian
	le.PutUint64(b[footDirPos:], f.dirPos)
	le.PutUint32(b[footDirLen:], f.dirLen)
	le.PutUint32(b[footDirCRC:], f.dirCRC)
	le.PutUint32(b[footChunks:], f.chunks)
	b[footKind] = byte(f.kind)
	le.PutUint64(b[footIncarnation:], f.id.Incarnation)
	le.PutUint64(b[footNumber:], f.id.Number)
	le.PutUint64(b[footSize:], f.size)
	le.PutUint32(b[footVersion:], formatVersion)
	le.PutUint32(b[footCRC:], crc32.Checksum(b[:footCRC], castagnoli))
	copy(b[footMagic:], footerMagic)
	return b
}

// decodeFooter reads the footer of a container of size bytes, and checks that the directory it names lies right before it.
func decodeFooter(b []byte, size int64) (f footer, err error) {
	if string(b[footMagic:]) != footerMagic {
		return f, corrupt("footer: not the end of a container; it may have been cut")
	}
	le := binary.LittleEndian
	if err := checkVersion("footer", le.Uint32(b[footVersion:])); err != nil {
		return f, err
	}
	if crc32.Checksum(b[:footCRC], castagnoli) != le.Uint32(b[footCRC:]) {
		return f, corrupt("footer: checksum")
	}
	f = footer{
		header: header{kind: Kind(b[footKind]), id: ID{Incarnation: le.Uint64(b[footIncarnation:]), Number: le.Uint64(b[footNumber:])}},
		dirPos: le.Uint64(b[footDirPos:]), dirLen: le.Uint32(b[footDirLen:]), dirCRC: le.Uint32(b[footDirCRC:]),
		chunks: le.Uint32(b[footChunks:]), size: le.Uint64(b[footSize:]),
	}
	if f.size != uint64(size) {
		return f, corrupt("footer: it ends a container of %d bytes, there are %d", f.size, size)
	}
	if uint64(f.dirLen) != uint64(f.chunks)*chunkBytes || f.dirPos < headerBytes || f.dirPos+uint64(f.dirLen)+footerBytes != f.size || f.chunks == 0 {
		return f, corrupt("footer: directory of %d chunks in %d bytes at %d", f.chunks, f.dirLen, f.dirPos)
	}
	return f, nil
}

// appendChunk appends c as an entry of the directory.
func appendChunk(b []byte, c *Chunk) []byte {
	le := binary.LittleEndian
	b = append(b, c.Partition.Topic[:]...)
	b = le.AppendUint32(b, uint32(c.Partition.Index))
	b = le.AppendUint32(b, uint32(c.Flags))
	b = le.AppendUint64(b, uint64(c.Base))
	b = le.AppendUint64(b, uint64(c.Last))
	b = le.AppendUint64(b, uint64(c.Records))
	b = le.AppendUint64(b, uint64(c.MinTimestamp))
	b = le.AppendUint64(b, uint64(c.MaxTimestamp))
	b = le.AppendUint32(b, uint32(c.FirstEpoch))
	b = le.AppendUint32(b, uint32(c.LastEpoch))
	b = le.AppendUint32(b, c.Batches)
	b = le.AppendUint32(b, c.CRC)
	b = le.AppendUint64(b, c.Pos)
	b = le.AppendUint64(b, c.Len)
	b = le.AppendUint64(b, c.IndexPos)
	b = le.AppendUint32(b, c.IndexLen)
	b = le.AppendUint32(b, c.AbortedLen)
	b = le.AppendUint64(b, c.AbortedPos)
	b = le.AppendUint64(b, uint64(c.DeleteHorizon))
	return le.AppendUint64(b, uint64(c.FirstDirtyMs))
}

func decodeChunk(b []byte) Chunk {
	le := binary.LittleEndian
	return Chunk{
		Partition:    wal.Partition{Topic: [16]byte(b), Index: int32(le.Uint32(b[16:]))},
		Flags:        Flags(le.Uint32(b[20:])),
		Base:         int64(le.Uint64(b[24:])),
		Last:         int64(le.Uint64(b[32:])),
		Records:      int64(le.Uint64(b[40:])),
		MinTimestamp: int64(le.Uint64(b[48:])),
		MaxTimestamp: int64(le.Uint64(b[56:])),
		FirstEpoch:   int32(le.Uint32(b[64:])),
		LastEpoch:    int32(le.Uint32(b[68:])),
		Batches:      le.Uint32(b[72:]),
		CRC:          le.Uint32(b[76:]),
		Pos:          le.Uint64(b[80:]),
		Len:          le.Uint64(b[88:]),
		IndexPos:     le.Uint64(b[96:]),
		IndexLen:     le.Uint32(b[104:]),
		AbortedLen:   le.Uint32(b[108:]),
		AbortedPos:   le.Uint64(b[112:]),

		DeleteHorizon: int64(le.Uint64(b[120:])),
		FirstDirtyMs:  int64(le.Uint64(b[128:])),
	}
}

// The sections that belong to a chunk, as their checksums name them.
const (
	indexSection   = 'I'
	abortedSection = 'A'
)

// seed is the state of the checksum of a chunk's section: it covers what the chunk is, so that the section of another chunk, or of the
// chunk's neighbour in another container, is not taken for it.
func (c *Chunk) seed(section byte) uint32 {
	var b [64]byte
	le := binary.LittleEndian
	copy(b[:], c.Partition.Topic[:])
	le.PutUint32(b[16:], uint32(c.Partition.Index))
	b[20] = section
	le.PutUint64(b[24:], uint64(c.Base))
	le.PutUint64(b[32:], uint64(c.Last))
	le.PutUint64(b[40:], c.Pos)
	le.PutUint64(b[48:], c.Len)
	le.PutUint32(b[56:], c.CRC)
	return crc32.Checksum(b[:], castagnoli)
}

// appendIndex appends the chunk's index with its checksum.
func appendIndex(b []byte, c *Chunk, entries []Entry) []byte {
	le, start := binary.LittleEndian, len(b)
	for i := range entries {
		e := &entries[i]
		b = le.AppendUint64(b, uint64(e.Base))
		b = le.AppendUint64(b, uint64(e.Last))
		b = le.AppendUint64(b, uint64(e.MaxTimestamp))
		b = le.AppendUint32(b, e.Len)
		b = le.AppendUint32(b, e.CRC)
	}
	return le.AppendUint32(b, crc32.Update(c.seed(indexSection), castagnoli, b[start:]))
}

// appendAborted appends the chunk's aborted transactions with their checksum.
func appendAborted(b []byte, c *Chunk, aborted []Aborted) []byte {
	le, start := binary.LittleEndian, len(b)
	for i := range aborted {
		a := &aborted[i]
		b = le.AppendUint64(b, uint64(a.ProducerID))
		b = le.AppendUint64(b, uint64(a.FirstOffset))
		b = le.AppendUint64(b, uint64(a.LastOffset))
		b = le.AppendUint64(b, uint64(a.LastStable))
	}
	return le.AppendUint32(b, crc32.Update(c.seed(abortedSection), castagnoli, b[start:]))
}

// comparePartitions orders partitions as the directory does.
func comparePartitions(a, b wal.Partition) int {
	return cmp.Or(bytes.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Index, b.Index))
}

// follows says whether a chunk may come after the chunk before it.
func (c *Chunk) follows(before *Chunk) bool {
	p := comparePartitions(before.Partition, c.Partition)
	return p < 0 || p == 0 && before.Last < c.Base
}

func (c *Chunk) String() string {
	return fmt.Sprintf("partition %x/%d offsets %d to %d", c.Partition.Topic, c.Partition.Index, c.Base, c.Last)
}

// corrupt returns an ErrCorrupt that says what.
func corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrCorrupt)...)
}

// minTimestamp is what a batch adds to MinTimestamp of its chunk.
func minTimestamp(h *batch.Header) int64 {
	if h.Attributes&deleteHorizonBit != 0 {
		return h.MaxTimestamp // the other field is the horizon
	}
	return h.BaseTimestamp
}
