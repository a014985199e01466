// Package chaos runs real clients against a real cluster while a nemesis kills, stops and starts its processes, and has internal/checker judge what
// the clients saw: producers, readers, transactions, classic and new consumer groups, a pipeline of three transactional stages, and a share group, all at once.
//
// TestChaos is one run, CHAOS_SECONDS long, its faults chosen by CHAOS_SEED; `make chaos` runs longer, with other faults each time. A seed repeats the plan of faults and of operations, not
// the interleaving. TestPlantedBugs builds Weir with one bug after the other (internal/planted) and demands that each is found: it tests the test.
//
// # Non-obvious
//
//   - Clients are kgo's, in this process, so that all times are of one clock. A client's life ends now and then; the next one has another name.
//   - What a client is not sure of is noted as unknown; a transaction that never asked to be committed has failed for sure, whatever else happened to it.
//   - Group members do not let a rebalance happen between a poll and the commit of what it returned. Otherwise a commit of a partition that was just
//     taken away, which Kafka accepts from any current member, would look like a stale one.
//   - Locks of a share group live in the leader's memory and go with it, as in Kafka, so that two members holding a record is judged in runs without faults only.
package chaos
