package tier

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/storage/segment"
)

// However pieces come, merging keeps few of them, writes each byte a logarithmic number of times, and makes none too large.
func TestMergingIsLogarithmic(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		cfg := Config{}
		cfg.setDefaults()
		cfg.MergeCount = 2 + rng.IntN(4)
		limit := int64(1) << (12 + rng.IntN(12))
		largest := 1 + rng.Int64N(limit/4)
		p := planner{cfg: &cfg, limit: limit, sparse: func(segment.ID) bool { return false }}
		var pieces []segment.Piece
		var total, rewritten int64
		for n := range 2000 {
			size := 1 + rng.Int64N(largest)
			total += size
			pieces = append(pieces, segment.Piece{Kind: segment.Segment, ID: segment.ID{Number: uint64(n)}, Chunk: segment.Chunk{
				Base: int64(n), Last: int64(n), Len: uint64(size),
			}})
			for {
				moves := p.merges(pieces)
				if len(moves) == 0 {
					break
				}
				m := moves[0]
				i := slices.IndexFunc(pieces, func(q segment.Piece) bool { return q.Base == m.run[0].Base })
				merged := m.run[0]
				merged.Last, merged.Len = m.run[len(m.run)-1].Last, uint64(sizeOf(m.run))
				if int64(merged.Len) > limit {
					t.Fatalf("seed %d: merged to %d bytes, the limit is %d", seed, merged.Len, limit)
				}
				rewritten += int64(merged.Len)
				pieces = slices.Replace(pieces, i, i+len(m.run), merged)
			}
		}
		if most := total * int64(bits.Len64(uint64(limit))); rewritten > most {
			t.Errorf("seed %d: %d bytes were written to merge %d, more than %d", seed, rewritten, total, most)
		}
		// What is left over between large ones is small: few of them are less than a quarter of the limit.
		if most := 4*cfg.MergeCount*bits.Len64(uint64(limit)) + int(8*total/limit); len(pieces) > most {
			t.Errorf("seed %d: %d pieces are left of %d bytes, the limit of one is %d", seed, len(pieces), total, limit)
		}
	}
}

func TestPlanKeepsCompactedAndOthersApart(t *testing.T) {
	cfg := Config{MergeCount: 2}
	cfg.setDefaults()
	p := planner{cfg: &cfg, policy: Policy{Compact: true}, limit: 1 << 30, sparse: func(segment.ID) bool { return false }}
	var pieces []segment.Piece
	for i := range 12 {
		c := segment.Piece{Kind: segment.Segment, Chunk: segment.Chunk{Base: int64(i), Last: int64(i), Len: 1 << 20}}
		if i < 6 {
			c.Flags = segment.Compacted
		}
		pieces = append(pieces, c)
	}
	moves := p.merges(pieces)
	if len(moves) != 1 || len(moves[0].run) != 6 || moves[0].run[5].Base != 5 {
		t.Errorf("%+v", moves)
	}
	for i := range pieces {
		pieces[i].Kind, pieces[i].FirstDirtyMs = segment.Bundle, 1
	}
	p.nowMs = time.Hour.Milliseconds() + 2
	moves = p.promotions(pieces)
	if len(moves) != 2 || moves[0].run[0].Base != 0 || moves[1].run[0].Base != 6 {
		t.Errorf("%+v", moves)
	}
}

// Small chunks in bundles between segments do not keep those apart.
func TestMergingTakesChunksBetweenSegmentsAlong(t *testing.T) {
	cfg := Config{}
	cfg.setDefaults()
	p := planner{cfg: &cfg, limit: 1 << 30, sparse: func(segment.ID) bool { return false }}
	var pieces []segment.Piece
	for i := range 10 {
		c := segment.Piece{Kind: segment.Segment, Chunk: segment.Chunk{Base: int64(i), Last: int64(i), Len: 8 << 20}}
		if i%2 == 1 {
			c.Kind, c.Len = segment.Bundle, 100<<10
		}
		pieces = append(pieces, c)
	}
	if moves := p.merges(pieces); len(moves) != 1 || len(moves[0].run) != 10 || moves[0].kind != segment.Segment {
		t.Errorf("%+v", moves)
	}
}

func TestMergingKeepsToRetentionsGranularity(t *testing.T) {
	cfg := Config{MergeCount: 2}
	cfg.setDefaults()
	p := planner{
		cfg: &cfg, policy: Policy{Delete: true, RetentionTime: 4 * time.Hour, RetentionBytes: -1}, limit: 1 << 30,
		sparse: func(segment.ID) bool { return false },
	}
	var pieces []segment.Piece
	for i := range 8 { // one each twenty minutes
		ms := time.Duration(i) * 20 * time.Minute
		pieces = append(pieces, segment.Piece{Kind: segment.Segment, Chunk: segment.Chunk{
			Base: int64(i), Last: int64(i), Len: 1 << 20, MinTimestamp: ms.Milliseconds(), MaxTimestamp: ms.Milliseconds(),
		}})
	}
	for _, m := range p.merges(pieces) {
		if span := m.run[len(m.run)-1].MaxTimestamp - m.run[0].MinTimestamp; span > time.Hour.Milliseconds() {
			t.Errorf("a piece spans %d ms", span)
		}
	}
}
