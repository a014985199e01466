// Package quota slows clients down that take more than they may, as Apache Kafka does: bytes produced and fetched (KIP-13, KIP-257), the time
// that their requests take (KIP-124), partitions made and deleted (KIP-599) and new connections by address (KIP-612), with limits
// that AlterClientQuotas sets (KIP-546).
//
// But for mutations and connections, a client is never refused. What it sends or asks for is done, and then it is told to pause until its rate over the
// last windows is within its limit; the caller sees to it that its connection is not read for as long (KIP-219). A fetch that comes
// while its client is over the limit is answered without records, which do not count then.
//
// Which limit holds is Kafka's order, from strongest to weakest: the user and client id; the user and any client id; the user; any user
// and the client id; any user and any client id; any user; the client id; any client id. All connections that a limit makes one share a meter: that of
// a user is shared by its client ids, that of a pair is for the pair. There is no limit where none is set.
//
// Non-obvious:
//
//   - Rates are Kafka's: a sum over up to quota.window.num samples of quota.window.size.seconds each, divided by the time they span, of which
//     all but one are taken as full from the start. So a client that was silent may move ten seconds' worth at once.
//   - Mutations draw from a bucket of tokens, which may go below zero once: a request is refused as a whole only while it is. Old versions of the
//     three requests, which know no error for it, are done and pay with a pause.
//   - A meter without samples says nothing that a new one would not, so those are dropped as soon as there are many. Clients that take a new id
//     for each connection cost memory only for a few windows.
//   - Limits change by replacing the whole table. What was counted stays.
package quota
