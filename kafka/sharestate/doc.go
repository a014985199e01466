// Package sharestate keeps the delivery state of share groups (KIP-932): for each share partition, that is a group and a partition, from which
// offset on records are still to be delivered, and what became of those behind it that were. The share coordinator of a share partition is
// the broker that leads its partition of __share_group_state; the leader of the partition itself, and the group's coordinator, ask it
// through Client.
//
// Non-obvious:
//
//   - The log holds snapshots and updates on them, and all updates of a share partition have the same key. Compaction would lose them: the
//     topic is not compacted but cut. Once the log has grown enough, every state is written again, and what lies in front of these snapshots
//     is deleted (prune.go).
//   - A state changes when its record is durable, not before, and the next change of the same share partition waits for that. So nobody reads
//     what may be lost, and a failed write leaves nothing to undo. The leader has one write in flight per share partition anyway.
//   - Writes are idempotent: of two states for one offset that with more deliveries counts, and among equals the further one (batch.go). A
//     write that was reported as failed and became durable nevertheless does no harm when it is repeated.
package sharestate
