// Package peer runs unmodified clients of other people's making against Weir: Apache Kafka's own command-line tools, librdkafka,
// franz-go, kafkajs, and the AWS SDKs of four languages. Each Kafka script runs against Apache Kafka first.
//
// The Kafka scripts tell the same story: make a topic of 6 partitions; produce 3,000 records of 50 keys; read them with a group of
// three members that share the partitions and commit; when all have left, produce 1,000 more; a new member of the same group
// gets exactly these, and every key's records came in the order in which they were sent.
package peer
