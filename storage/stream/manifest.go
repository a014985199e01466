package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/wal"
)

// manifest is an object that lists older pieces of a partition, so that a checkpoint need not.
type manifest struct {
	key    string
	pieces []segment.Piece // not modified
}

// inlinePieces is how many pieces a checkpoint holds of a partition itself.
const inlinePieces = 32

const (
	manifestMagic       = "WEIRMANI"
	manifestVersion     = 1
	manifestHeaderBytes = 8 + 4 + 4 + 16 + 4 + 4
)

func manifestPrefix(p wal.Partition) string {
	return fmt.Sprintf("%s%x/%d/", ManifestPrefix, p.Topic, p.Index)
}

// covers returns how many of pieces, from the first on, are the last ones of the manifest: retention drops its first ones. It is 0 if the manifest
// has others.
func (m *manifest) covers(pieces []segment.Piece) int {
	if m == nil || len(pieces) == 0 {
		return 0
	}
	i := 0
	for i < len(m.pieces) && m.pieces[i].Base < pieces[0].Base {
		i++
	}
	rest := m.pieces[i:]
	if len(rest) > len(pieces) {
		return 0
	}
	for j := range rest {
		if rest[j] != pieces[j] {
			return 0
		}
	}
	return len(rest)
}

// writeManifest makes the manifest of a partition in a checkpoint.
func writeManifest(ctx context.Context, store blob.Store, p wal.Partition, stream string, number uint64, pieces []segment.Piece) (*manifest, error) {
	m := &manifest{key: fmt.Sprintf("%s%s-%020d", manifestPrefix(p), stream, number), pieces: pieces}
	b := make([]byte, 0, manifestHeaderBytes+len(pieces)*pieceBytes+4)
	b = append(b, manifestMagic...)
	b = binary.LittleEndian.AppendUint32(b, manifestVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, p.Topic[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Index))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(pieces)))
	for i := range pieces {
		b = appendPiece(b, &pieces[i])
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := store.Put(ctx, m.key, b); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", m.key, err)
	}
	return m, nil
}

func readManifest(ctx context.Context, store blob.Store, key string, p wal.Partition) (_ *manifest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("stream: manifest %s: %w", key, err)
		}
	}()
	o, err := store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }() // it was read
	if o.Size() > manifestBytesMax {
		return nil, fmt.Errorf("%d bytes: %w", o.Size(), ErrCorrupt)
	}
	b := make([]byte, o.Size())
	if n, err := o.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("read %d bytes of %d: %w", n, len(b), err)
	}
	pieces, err := decodeManifest(b, p)
	if err != nil {
		return nil, err
	}
	return &manifest{key: key, pieces: pieces}, nil
}

// manifestBytesMax is room for half a million pieces.
const manifestBytesMax = 64 << 20

func decodeManifest(b []byte, p wal.Partition) ([]segment.Piece, error) {
	if len(b) < manifestHeaderBytes+4 || string(b[:8]) != manifestMagic {
		return nil, fmt.Errorf("it is no manifest: %w", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > manifestVersion {
		return nil, fmt.Errorf("version %d, this is %d: %w", v, manifestVersion, ErrNewer)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return nil, fmt.Errorf("checksum is %08x, it says %08x: %w", got, sum, ErrCorrupt)
	}
	d := decoder{b: body[12:]}
	_ = d.u32() // reserved
	var of wal.Partition
	copy(of.Topic[:], d.bytes(16))
	of.Index = d.i32()
	pieces := d.pieces(p, d.u32())
	switch {
	case d.bad || len(d.b) > 0:
		return nil, fmt.Errorf("its length is wrong: %w", ErrCorrupt)
	case of != p:
		return nil, fmt.Errorf("it is of partition %x-%d: %w", of.Topic, of.Index, ErrCorrupt)
	}
	return pieces, nil
}
