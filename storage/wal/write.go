package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"weir/storage/disk"
)

// write makes the frame in l.bufs, of size bytes, durable.
func (l *File) write(cur *span, off, size int64) error {
	err := l.extend(cur, off+size)
	switch {
	case err != nil:
		err = l.refuse(cur, off, err)
	case size <= l.cfg.stageBytes:
		err = l.writeAtOnce(cur, off, size)
	default:
		err = l.writeInTurns(cur, off, size)
	}
	if err == nil {
		l.cut = false
		clear(l.bufs)
	}
	return err
}

// refuse makes the answer of an append out of what went wrong with its write.
func (l *File) refuse(cur *span, off int64, err error) error {
	if !errors.Is(err, disk.ErrNoSpace) {
		return l.fail(fmt.Errorf("append to %s: %w", cur.name, err))
	}
	if cutErr := l.takeBack(cur, off); cutErr != nil {
		return l.fail(fmt.Errorf("take back a cut frame in %s: %w", cur.name, errors.Join(cutErr, err)))
	}
	return fmt.Errorf("wal: append to %s: %w: %w", cur.name, ErrFull, err)
}

// takeBack sees to it that what was written of a frame does not pass for one. It lies where the next frame will be.
func (l *File) takeBack(cur *span, off int64) error {
	first := make([]byte, blockBytes)
	n, err := cur.f.ReadAt(first, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for n > 0 && first[n-1] == 0 {
		n-- // where nothing was written there may be no space for zeros either
	}
	if n == 0 {
		return nil
	}
	l.cut = true
	_, err = cur.f.WriteAt(l.zeros[:n], off)
	return err
}

// finish completes the frame's header.
func (l *File) finish(of salted) {
	crc := crc32.Update(of.seed, castagnoli, l.bufs[0][frameHeaderBytes:])
	rest := int64(l.frame.bodyLen) + frameHeaderBytes - int64(len(l.bufs[0]))
	for _, b := range l.bufs[1:] {
		b = b[:min(int64(len(b)), rest)] // not the padding
		crc = crc32.Update(crc, castagnoli, b)
		rest -= int64(len(b))
	}
	l.frame.bodyCRC = crc
	l.frame.encode(l.bufs[0], of)
}

// staging returns aligned memory of n bytes, or as much as there may be.
func (l *File) staging(n int64) []byte {
	n = min(n, l.cfg.stageBytes)
	if have := int64(len(l.stage)); have < n {
		l.stage = disk.AlignedBuffer(int(padded(max(n, min(2*have, l.cfg.stageBytes)))))
	}
	return l.stage[:n]
}

// writeAtOnce writes the frame past the page cache, by way of memory as the disk needs it.
func (l *File) writeAtOnce(cur *span, off, size int64) error {
	p := l.staging(size)
	l.gather(p, cur.of)
	if err := writeSync(cur.f, p, off); err != nil {
		return l.refuse(cur, off, err)
	}
	return nil
}

// writeSync makes p durable at off.
func writeSync(f disk.File, p []byte, off int64) error {
	if f, ok := f.(disk.DirectSyncer); ok {
		return f.WriteDirectSync(p, off)
	}
	if err := f.WriteDirect(p, off); err != nil {
		return err
	}
	return f.Datasync()
}

// writeInTurns is writeAtOnce for a frame that is larger than the memory for it.
func (l *File) writeInTurns(cur *span, off, size int64) error {
	l.finish(cur.of)
	bufs, skip := l.bufs, 0
	for at := off; at < off+size; {
		p := l.staging(off + size - at)
		for n := 0; n < len(p); {
			k := copy(p[n:], bufs[0][skip:])
			n, skip = n+k, skip+k
			if skip == len(bufs[0]) {
				bufs, skip = bufs[1:], 0
			}
		}
		if err := cur.f.WriteDirect(p, at); err != nil {
			return l.refuse(cur, off, err)
		}
		at += int64(len(p))
	}
	if err := cur.f.Datasync(); err != nil {
		return l.fail(fmt.Errorf("sync %s: %w", cur.name, err))
	}
	return nil
}

// extendBytes is by how much a file is made longer at a time. A recovery reads what is behind the last frame: not more than this for nothing.
const extendBytes = 16 << 20

// extend makes the file longer than a direct write needs: one that made it longer itself could not be carried out in the background.
func (l *File) extend(cur *span, end int64) error {
	if end <= max(cur.made, cur.sized) {
		return nil
	}
	size := max(end, min(end+extendBytes, cur.room+blockBytes))
	if err := cur.f.Truncate(size); err != nil {
		return err
	}
	cur.sized = size
	return nil
}

// gatherBytes is copied and then looked at again while it is in the processor's nearest cache.
const gatherBytes = 16 << 10

// gather copies the frame into p and completes its header there.
func (l *File) gather(p []byte, of salted) {
	at := copy(p, l.bufs[0])
	end := frameHeaderBytes + int(l.frame.bodyLen)
	crc := crc32.Update(of.seed, castagnoli, p[frameHeaderBytes:at])
	for _, b := range l.bufs[1:] {
		for len(b) > 0 {
			n := copy(p[at:], b[:min(len(b), gatherBytes)])
			if at < end {
				crc = crc32.Update(crc, castagnoli, p[at:at+n])
			}
			b, at = b[n:], at+n
		}
	}
	l.frame.bodyCRC = crc
	l.frame.encode(p, of)
}
