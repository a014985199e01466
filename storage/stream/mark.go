package stream

import "weir/storage/wal"

// Mark is a place in the journals of a broker: the number of a file in Logs and an offset in it. Marks of older streams come first.
type Mark struct{ File, Off uint32 }

// Before reports whether m lies before n.
func (m Mark) Before(n Mark) bool { return m.File < n.File || m.File == n.File && m.Off < n.Off }

func (m Mark) pack() uint64 { return uint64(m.File)<<32 | uint64(m.Off) }

// firstSeq is the number of a new log's first file.
const firstSeq = 1

// Mark is a place in the stream such that all entries before it were taken by their Committed, and all that are queued later come to lie at or
// behind it: where a replay may begin, given the states that partitions have at any moment from now on.
func (s *Stream) Mark() Mark {
	m := s.settled.Load()
	return Mark{File: uint32(m >> 32), Off: uint32(m)}
}

// settle notes that e, the last entry of a commit, and all before it were taken.
func (s *Stream) settle(e *wal.Entry) {
	s.logs.note(e.AppendMs)
	s.settled.Store(Mark{File: s.logs.Number(s.log, e.At.Seq), Off: e.At.Off + uint32(len(e.Payload))}.pack())
}
