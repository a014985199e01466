package segment

import (
	"io"
	"iter"
)

// Contents is what a container's header, footer and directory say.
type Contents struct {
	Kind   Kind
	ID     ID
	Chunks []Chunk // by partition and base
}

// ReadContents reads and checks header, footer and directory of the container of size bytes.
func ReadContents(r io.ReaderAt, size int64) (*Contents, error) { panic("not built yet") }

// Index is the index of one chunk.
type Index struct{ Entries []Entry }

// ReadIndex reads and checks the index of a chunk.
func ReadIndex(r io.ReaderAt, c *Chunk) (*Index, error) { panic("not built yet") }

// Find returns the place of the block that holds offset, or is the first behind it; len(Entries) if there is none.
func (x *Index) Find(offset int64) int { panic("not built yet") }

// Since returns the place of the first block that holds a record of timestamp ts or later; len(Entries) if there is none.
func (x *Index) Since(ts int64) int { panic("not built yet") }

// ReadBlock reads the block e into p, whose length must be e.Len, and checks it.
func ReadBlock(r io.ReaderAt, e *Entry, p []byte) error { panic("not built yet") }

// ReadAborted reads and checks the aborted transactions that touch the chunk.
func ReadAborted(r io.ReaderAt, c *Chunk) ([]Aborted, error) { panic("not built yet") }

// Runs yields the chunk's data in order, some blocks at a time and each block checked. What is yielded is valid until the next step.
func Runs(r io.ReaderAt, c *Chunk) iter.Seq2[[]byte, error] { panic("not built yet") }

// Verify checks every byte of a container: checksums, order, framing and CRC of each batch, and that directory, indexes and data agree.
// It returns all that it finds, each with the chunk concerned.
func Verify(r io.ReaderAt, size int64) []error { panic("not built yet") }
