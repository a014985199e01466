// Package quota slows clients down that move more bytes than they may: token buckets by user and client id (KIP-13, KIP-257, KIP-546).
//
// A client is never refused. What it sends or asks for is done, and then it is told to pause until its bucket is not in debt any more; the
// caller sees to it that its connection is not read for as long (KIP-219).
//
// Which limit holds is Kafka's order, from strongest to weakest: the user and client id; the user and any client id; the user; any user
// and the client id; any user and any client id; any user; the client id; any client id. All connections that a limit makes one share a bucket: that of
// a user is shared by its client ids, that of a pair is for the pair. There is no limit where none is set.
//
// Non-obvious:
//
//   - A bucket that is full says nothing that a new one would not, so full ones are dropped as soon as there are many. Clients that take a new id
//     for each connection cost memory only while they are in debt.
//   - A bucket holds as much as flows in one second: clients may burst by that, as they may within Kafka's first sample window.
//   - Limits change by replacing the whole table. Debts stay.
package quota
