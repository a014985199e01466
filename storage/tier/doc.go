// Package tier moves what became durable down: out of the journal into bundles (L1) and segments (L2), merges and compacts segments, applies
// retention, takes checkpoints, and collects what nothing refers to any more. It owns when that happens and in which order; what a
// partition's state is, and how a checkpoint looks, is storage/stream's.
//
// # Non-obvious
//
//   - Every move is the same: write a container, make it durable, then edit the partitions' states in memory. The edit is permanent with the next
//     checkpoint. A crash before that leaves the old data referred to, and a container that nobody refers to.
//   - Nothing is deleted by the step that made it superfluous. Journal files go when a checkpoint that was published does not name them;
//     containers when a look at all states, and then a checkpoint begun after that look, did not name them (Collect). The order in which
//     Collect lists, and looks at what is being built and at what is referred to, is what makes that safe while others move data.
//   - A publish that failed may have happened. So nothing is let go before one is known to have happened, and the one before may matter until then.
//   - The journal is emptied from its oldest file on, because a log is trimmed from its start: one extent in an old file keeps all behind it. What
//     has short retention waits for that, unless the journal is at 3/4 of its limit; what cannot be read is left where it is and keeps its files.
//   - Merging never puts a piece into one less than twice its size, so how often a byte is written again is logarithmic in the size of a segment.
//   - Pieces that were compacted and pieces that were not are never merged. FirstDirtyMs of a piece is when its oldest record was appended, rounded
//     up: compaction may come later for it, never too early.
//   - Retention goes by a clock that does not follow jumps of the wall clock, see clock.
//   - Lock order: a partition's lock, then Engine.mu. Engine.mu is never held around a call of a Partition.
package tier
