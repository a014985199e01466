// Package ownership is the life of a broker as an owner of partitions: it takes the broker's session, recovers what earlier incarnations
// wrote, leads the partitions assigned to the broker, follows the metadata, and lets go again.
//
// An incarnation is one life of a broker process. Its number is the revision at which its session key was created, so it never
// repeats; its stream is named after it. Acquire goes through these steps, each of which a crash may interrupt and the next
// incarnation repeats:
//
//  1. Lock the broker's log directory. Who holds the lock is the only process of this broker: everything that follows relies on it.
//  2. Read the cluster's keys.
//  3. Take a lease, another one if it runs out before it is used. Create the session key and, in the same transaction, set the older streams that are OPEN to SEALING.
//  4. Make this incarnation's log. Load the newest checkpoint that an older stream published; seal the older streams and replay what follows it, oldest
//     first. Streams before the checkpoint's are opened only if it names files of theirs.
//  5. In as few transactions as it takes: older streams SEALED, this one OPEN, and one more leader epoch for each partition that this broker leads.
//  6. Open the partitions, which queues an ADOPT for each.
//
// MarkReady then tells everyone that the broker serves.
//
// In a planned restart (Config.TakeOver, docs/adr/0015-restarts-in-place.md) the incarnation before leaves its session (LeaveSession): step 3 then only sets the
// streams to SEALING, and its revision is the incarnation; the session changes hands in MarkReady. Others see a broker that serves all the while.
//
// A recoverer (Config.Recover, docs/adr/0020-takeover.md) goes through the same steps for a broker that cannot serve, and only gives away: its session is no broker's, and
// AwaitLeft tells when it may end.
//
// # Non-obvious
//
//   - The lock is the fence, the lease is not. With the file WAL nobody but a process on this machine can write the log, and the lock admits one.
//     So losing the lease does not stop appends (design, rule R6): the broker registers anew, under a new lease, and goes on with its stream.
//     Session.Incarnation keeps naming the stream then, while the key's creation revision is a later one. Only when the key belongs to
//     another incarnation does the broker stop: somebody else holds what it thinks it holds.
//   - What may become of a stream's record is in rules.go, as functions of records. TestSealProtocol explores all interleavings of incarnations that follow
//     them.
//   - A session key left behind by a kill is not waited for. The lock proves that its process is gone, so the key is deleted and made anew, guarded
//     by its revision. It is two transactions because etcd does not let one delete and create a key.
//   - Epochs are bumped before anything is served and after everything is replayed, so a partition's epoch names at most one incarnation's appends.
//     A topic that is created between steps 2 and 5 keeps its epoch: no earlier incarnation can have led it.
//   - The image of the cluster comes from a watch and may lag behind our own transactions. Images older than step 5 are not looked at: they
//     would show our partitions with their old epochs.
//   - This incarnation's log exists on disk before its stream is OPEN in the metadata. A stream in the metadata without its log is therefore lost data, and
//     refused.
//   - A stream that nothing was appended to says nothing, and one before the checkpoint's that it names no file of is not needed: their records are
//     deleted in step 5 and their logs later, while serving, so that restarting an idle broker a thousand times leaves one log. The record goes
//     first; the other order would look like lost data. A log without a record is removed if it is empty or older than the checkpoint's stream.
//     The stream of the newest checkpoint stays whatever it holds, until a later one has published its own.
//   - Publishing is a transaction on our stream's record, which nobody but us writes while it is OPEN. So a conflict is either a write of ours of which we did not
//     hear, and the record is OPEN still, or somebody has begun to seal the stream, and this process must end.
//   - The tiers stop after the committer, so that the last checkpoint has everything, and before the partitions are closed, which would
//     take them out of it. If the log failed there is none: only a recovery knows what became durable.
//   - Partitions whose data we have, but which the metadata give to another broker, are kept: nobody is served, nothing goes, in checkpoints too. One
//     that comes back is opened with its state only if we made ourselves its leader, or nobody took it over: an epoch that somebody else gave to our
//     number means another process, and stays closed until the next start.
//   - A partition moves (docs/adr/0009-moving-partitions.md) by the target's doing: Move copies its log from the leader (target.go), which answers
//     questions (source.go, question.go), fences it, and hands its state over. The target's checkpoint has everything before its transaction makes it
//     the leader. The leader serves again only after a transaction of its own in the next epoch, of which the target's excludes the other.
//   - A state that is begun for a copy carries a mark behind all that the journal or an older tombstone may say of the partition (Owner.keep): what we knew
//     of it when we led it would otherwise be applied to it, or hide it.
//   - The state of a partition has one owner at any moment. Pass hands it on under the old owner's lock, and View and Edit of the old one ask the new one, so
//     that a checkpoint under way sees it exactly once.
//   - What a restart finds of a partition with which the metadata connect us in no way may be a whole copy of a move that was called off, or the only copy there is. Its
//     leader is asked whether it has all of it before it goes (stray.go).
//   - A deleted topic whose RELEASE did not make it to the log is found again by replay and dropped, since no assignment names it.
package ownership
