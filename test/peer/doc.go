// Package peer runs unmodified programs of other people's making against Weir: clients that read what compaction left, and the AWS SDKs of
// four languages (a cluster's life with its updates; with boto3 also every paginator, and what users of a mock of MSK expect). What runs against Kafka's protocol runs against Apache Kafka first. Kafka's command-line tools are in test/tooling, the client
// libraries in test/matrix.
package peer
