// Package doctor examines a broker's directory: every checksum, every reference, and the invariants of the log, without changing a byte. It reads what
// a restart would read, and what a restart would leave alone, and says of each fault which file it is in, which partitions it concerns and what
// to do about it.
//
// # Non-obvious
//
//   - The file system is wrapped so that nothing can be written: a doctor that mends is not a doctor.
//   - What a crash leaves is no fault: a torn frame behind the last whole one was never acknowledged, a half-written object has no name yet, and a container
//     that nothing refers to waits for the next sweep. These are notes.
//   - While the broker runs its journal grows and its checkpoints move on. Findings of such an examination are confirmed by a second look at what they rest on;
//     what cannot be confirmed is a note.
package doctor
