// Package feature holds the features of a cluster (KIP-584, KIP-1022): the levels that the broker knows, those that a cluster of a Kafka version
// starts with, and the rules by which UpdateFeatures changes them.
//
// Non-obvious:
//
//   - What a broker supports is always what the newest Kafka does; only the finalized levels depend on the cluster's version. A cluster of an old
//     version can therefore be given what newer ones have, feature by feature.
//   - A cluster has no record until somebody changes a level. Until then every broker derives the levels from the version, which is the same for all
//     of a cluster. The record then holds all levels.
//   - A feature at level 0 is off and is not finalized, as in Kafka; metadata.version and kraft.version are only 0 in a cluster of a version
//     that has ZooKeeper.
//   - metadata.version guards nothing here: Weir's own records have a format of their own (metadata.FormatKey). Its rules are kept because tools
//     and operators act on it.
package feature
