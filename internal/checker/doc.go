// Package checker judges what clients of a Kafka cluster saw. Clients note every operation in a History while faults are injected; Check looks for what no
// order of the operations can explain and calls it by the names of Jepsen's Kafka tests, where they have one (docs/guide/reliability.md).
//
// The checker knows nothing of Weir and talks to nobody: it is a function over a History, and its own tests plant each anomaly by hand.
//
// # Non-obvious
//
//   - Every value is written at most once, so a value names its write, and a read names what it read. Without that none of this works.
//   - An outcome is OK, Failed (certainly without effect; for a transaction: aborted) or Unknown, which may have had its effect, or not, or later.
//     A client that is not sure says Unknown; a wrong Failed makes false alarms.
//   - All times are of one clock, that of the process that ran the clients. "Before" means: completed before the other was invoked.
//   - The final log is read after the faults have ended, by new clients, from the first offset to the last. It is the judge of what was lost,
//     so a run without it is refused.
//   - Writes of concurrent transactions may interleave (G0) and a poll may skip what a rebalance took away: Kafka allows both, so neither is reported.
package checker
