// Package matrix runs every client library's own program through the same features: the client matrix of docs/protocol/clients.md, which
// it writes (-update) and compares.
//
// A client's program lives in a folder of its own language. It is started with BOOTSTRAP and REPLICAS, and answers lines of standard
// input: "features" with "features VERSION NAME...", what it has a telling of; "FEATURE NAME" with "FEATURE ok" or
// "FEATURE failed: REASON", where NAME is a fresh name for topics, groups and transactional ids. What every feature does is the
// same in all languages; go/cell tells it best.
//
// Non-obvious: what a client lacks is declared with the reason (clients_test.go), and the test compares that with the features that its
// program offers, so that neither a forgotten cell nor a stale reason passes. Beside the programs' own checks, franz-go reads the topics
// of the codecs afterwards: the batches in them must carry that codec.
//
// The matrix runs on Weir. WEIR_TEST_SYSTEMS=kafka runs it on Apache Kafka, which tells whether a program is right.
package matrix
