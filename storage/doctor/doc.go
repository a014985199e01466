// Package doctor examines a broker's directory: every checksum, every reference, and the invariants of the log, without changing a byte. It reads what
// a restart would read, and what a restart would leave alone, and says of each fault which file it is in, which partitions it concerns and what
// to do about it.
//
// # Non-obvious
//
//   - The file system is wrapped so that nothing can be written: a doctor that mends is not a doctor.
//   - What a crash leaves is no fault: a torn frame behind the last whole one was never acknowledged, a half-written object has no name yet, and a container
//     that nothing refers to waits for the next sweep. These are notes.
//   - While the broker runs its journal grows, its checkpoints move on and files are collected, so that one look may miss what it expects. Only what a
//     second look finds in the same place counts then: see Report.Confirm.
package doctor
