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
	var err error
	wrote := true // perhaps only a part
	if size >= l.cfg.directFrom {
		err = l.writeDirect(cur, off, size)
	} else {
		wrote, err = l.writeCached(cur, off, size)
	}
	switch {
	case errors.Is(err, disk.ErrNoSpace):
		if wrote {
			if cutErr := l.takeBack(cur, off); cutErr != nil {
				return l.fail(fmt.Errorf("take back a cut frame in %s: %w", cur.name, errors.Join(cutErr, err)))
			}
		}
		return fmt.Errorf("wal: append to %s: %w: %w", cur.name, ErrFull, err)
	case err != nil:
		return l.fail(fmt.Errorf("append to %s: %w", cur.name, err))
	}
	if err := cur.f.Datasync(); err != nil {
		return l.fail(fmt.Errorf("sync %s: %w", cur.name, err))
	}
	l.cut = false
	clear(l.bufs)
	return nil
}

// takeBack sees to it that what was written of a frame does not pass for one. It lies where the next frame will be.
func (l *File) takeBack(cur *span, off int64) error {
	size, err := cur.f.Size()
	if err != nil {
		return err
	}
	if size <= off {
		return nil // nothing was
	}
	l.cut = true
	_, err = cur.f.WriteAt(l.zeros[:min(size-off, blockBytes)], off)
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

// writeCached writes the frame into the page cache. wrote is false if nothing was written.
func (l *File) writeCached(cur *span, off, size int64) (wrote bool, err error) {
	l.finish(cur.of)
	n, err := cur.f.WritevAt(l.bufs, off)
	if err == nil && int64(n) != size {
		err = io.ErrShortWrite
	}
	return n > 0, err
}

// writeDirect writes the frame past the page cache, by way of memory as the disk needs it.
func (l *File) writeDirect(cur *span, off, size int64) error {
	if need := min(size, l.cfg.stageBytes); int64(len(l.stage)) < need {
		grown := max(need, min(2*int64(len(l.stage)), l.cfg.stageBytes), l.cfg.directFrom)
		l.stage = disk.AlignedBuffer(int(padded(grown)))
	}
	if size <= int64(len(l.stage)) {
		p := l.stage[:size]
		l.gather(p, cur.of)
		return cur.f.WriteDirect(p, off)
	}
	l.finish(cur.of)
	bufs, skip := l.bufs, 0
	for size > 0 {
		p := l.stage[:min(size, int64(len(l.stage)))]
		for n := 0; n < len(p); {
			k := copy(p[n:], bufs[0][skip:])
			n, skip = n+k, skip+k
			if skip == len(bufs[0]) {
				bufs, skip = bufs[1:], 0
			}
		}
		if err := cur.f.WriteDirect(p, off); err != nil {
			return err
		}
		off, size = off+int64(len(p)), size-int64(len(p))
	}
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
