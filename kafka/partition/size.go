package partition

import "weir/storage/stream"

// Size is what a broker has of a partition.
type Size struct {
	Key   Key
	Bytes int64 // of batches, in containers and in the journal
	End   int64 // offset
	Lag   int64 // by how many offsets a copy is behind its leader; 0 for one that is led here
	Kept  bool  // it is not led here
}

// Measure takes the size of a partition's data out of its state.
func (s *Size) Measure(p *stream.PartitionState) {
	s.End = p.End
	for i := range p.Pieces {
		s.Bytes += int64(p.Pieces[i].Len)
	}
	for e := range p.Extents.From(p.LogStart) {
		s.Bytes += int64(e.Len)
	}
}
