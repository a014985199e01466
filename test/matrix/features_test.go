package matrix

// A feature is a row of the matrix.
type feature struct{ name, what string }

// rows are all features, in the order of the table.
var rows = []feature{
	{"none", "produce and consume, not compressed"},
	{"gzip", "the same with gzip"},
	{"snappy", "the same with snappy"},
	{"lz4", "the same with lz4"},
	{"zstd", "the same with zstd"},
	{"idempotent", "idempotent producer"},
	{"headers", "headers, timestamps, null and empty keys and values"},
	{"large", "records of 3 MiB, and the refusal of what is over the topic's limit"},
	{"seek", "seek back and forth"},
	{"times", "look up offsets by time"},
	{"group", "classic group: members join, leave and come back behind their commits"},
	{"cooperative", "the same with cooperative rebalances: nobody loses what it keeps"},
	{"static", "static membership: a restart goes unnoticed"},
	{"kip848", "consumer group of KIP-848"},
	{"kip848-regex", "KIP-848 with a pattern that the broker resolves"},
	{"share", "share group: accept, release, delivery counts"},
	{"txn-commit", "committed transactions"},
	{"txn-abort", "aborted transactions, read committed and uncommitted"},
	{"txn-fencing", "a second producer with the same transactional id"},
	{"txn-offsets", "consume, transform, produce, with the offsets in the transaction"},
	{"admin-topics", "create, list, describe and delete topics"},
	{"admin-configs", "describe and alter a topic's configuration"},
	{"admin-partitions", "add partitions"},
	{"admin-groups", "list, describe and delete groups"},
	{"admin-offsets", "set, read and delete a group's offsets"},
	{"admin-records", "list offsets, delete records"},
	{"admin-cluster", "describe the cluster"},
}

// codecs are the features after which the topic is looked into.
var codecs = map[string]uint8{"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
