// Package tier moves what became durable down: out of the journal into bundles (L1) and segments (L2), merges and compacts segments, applies
// retention, takes checkpoints, and collects what nothing refers to any more. It owns when that happens and in which order; what a
// partition's state is, and how a checkpoint looks, is storage/stream's.
package tier
