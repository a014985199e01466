package partition

import (
	"context"
	"errors"

	"weir/storage/buffer"
	"weir/storage/cache"
	"weir/storage/segment"
)

var errNoContainers = errors.New("the data lie in a container, and no store of containers was given")

// pieces reads from the pieces, the first of which holds rd.next or is the first behind it. An error is about the place where rd.next is then.
func (rd *reading) pieces(ctx context.Context, ps []segment.Piece) (full bool, err error) {
	for i := range ps {
		pc := &ps[i]
		if pc.Base >= rd.limit || rd.out.Bytes > 0 && rd.out.pieces >= piecesMax {
			return true, nil
		}
		if pc.Len > 0 {
			if full, err := rd.piece(ctx, pc); full || err != nil {
				return full, err
			}
		}
		rd.next = max(rd.next, pc.Last+1)
		if rd.room() <= 0 {
			return true, nil
		}
	}
	return false, nil
}

// piece reads one piece, whole blocks where it can. After an error, rd.next is where the damage begins.
func (rd *reading) piece(ctx context.Context, pc *segment.Piece) (full bool, err error) {
	containers := rd.p.leaders.cfg.Containers
	if containers == nil {
		return false, errNoContainers
	}
	k, err := containers.Open(ctx, pc)
	if err != nil {
		return false, err
	}
	rd.out.pieces++
	rd.out.held = append(rd.out.held, k) // also if nothing of it is returned: the caller gives everything back
	first := k.Find(rd.next)
	i := first
	defer func() { k.Ahead(first, i) }()
	for i < len(k.Blocks()) && !full && err == nil {
		if j := rd.wholeBlocks(k, i); j > i {
			i, err = rd.blocks(ctx, k, i, j)
			continue
		}
		if rd.out.Bytes > 0 && rd.room() < int(k.Blocks()[i].Len) {
			return true, nil // the next read begins with this block
		}
		full, err = rd.partOfBlock(k, i)
		i++
	}
	return full, err
}

// wholeBlocks returns the end of the blocks from i on that can be returned whole.
func (rd *reading) wholeBlocks(k *cache.Chunk, i int) int {
	bs, room := k.Blocks(), int64(rd.room())
	if bs[i].Base < rd.next {
		return i
	}
	for ; i < len(bs) && int64(bs[i].Len) <= room && bs[i].Last < rd.limit; i++ {
		room -= int64(bs[i].Len)
	}
	return i
}

// blocks adds the blocks [i, j), and returns where it stopped.
func (rd *reading) blocks(ctx context.Context, k *cache.Chunk, i, j int) (int, error) {
	if !rd.r.Files {
		for ; i < j; i++ {
			buf, err := rd.block(k, i)
			if err != nil {
				return i, err
			}
			rd.add(buf.Bytes())
			rd.next = k.Blocks()[i].Last + 1
		}
		return i, nil
	}
	ready, err := k.Ready(ctx, i, j)
	for end := uint64(ready.Off + ready.Len); ready.Len > 0 && i < j && k.Blocks()[i].Pos < end; i++ {
		rd.next = k.Blocks()[i].Last + 1
	}
	if ready.Len > 0 {
		rd.addFile(ready)
	}
	return i, err
}

// partOfBlock adds those batches of block i that are to be returned.
func (rd *reading) partOfBlock(k *cache.Chunk, i int) (full bool, err error) {
	if k.Blocks()[i].Base >= rd.limit || rd.room() <= 0 && (rd.out.Bytes > 0 || !rd.r.AtLeastOne) {
		return true, nil
	}
	buf, err := rd.block(k, i)
	if err != nil {
		return false, err
	}
	part, full := rd.cut(buf.Bytes(), k.Blocks()[i].Base, k.Blocks()[i].Last)
	if len(part) > 0 {
		rd.add(part)
	}
	return full, nil
}

// block reads one block into memory that the answer holds.
func (rd *reading) block(k *cache.Chunk, i int) (*buffer.Buffer, error) {
	buf := rd.p.leaders.cfg.Pool.Get(int(k.Blocks()[i].Len))
	rd.out.held = append(rd.out.held, buf)
	return buf, k.ReadBlock(i, buf.Bytes())
}
