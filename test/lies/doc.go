// Package lies produces record batches that are not what they say to Apache Kafka and to Weir, and compares what the two answer.
//
// Each field of the header is set to each kind of nonsense, with a checksum that fits, and so are the fields of records, in batches that are
// compressed and in such that are not; some lies only matter to topics that are compacted or stamp records themselves. A lie that both refuse must get
// the same error code. Where Weir is stricter or knows less, differences_test.go says why, and every entry there must still be true. Compressed
// batches are produced twice to Weir: as topics are by default, and with weir.validate.compressed, where Weir has to refuse whatever Kafka refuses.
//
// Nothing of a batch that was refused may be in the log: its end is compared with what was accepted.
//
// It takes about 15 s, most of which is Apache Kafka's start.
package lies
