// Package peer runs unmodified programs of other people's making against Weir: Apache Kafka's own command-line tools and the AWS SDKs of
// four languages. Each script of Kafka's tools runs against Apache Kafka first. The client libraries are in test/matrix.
package peer
