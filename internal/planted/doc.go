// Package planted holds the bugs that the tests of tests build in on purpose. A test that has never failed proves nothing: each bug here breaks one promise,
// and test/chaos must find it (TestPlantedBugs).
//
// Without the build tag planted nothing of this is in a binary: Is is the constant false, and the compiler drops what depends on it. With the tag
// the environment variable WEIR_PLANTED_BUG names the one bug that a process has.
package planted

// Bug is a mistake that a tired engineer could make.
type Bug string

// The bugs, each with the anomaly that gives it away.
const (
	AckBeforeDurable     Bug = "ack-before-durable"     // an append is acknowledged when it is queued: lost-write
	ForgetSequences      Bug = "forget-sequences"       // a restart forgets what producers sent: duplicate
	CommitAborted        Bug = "commit-aborted"         // abort markers are left out of what readers are told: G1a
	ReadPastStable       Bug = "read-past-stable"       // read_committed fetches are served to the high watermark: precommitted-read
	StaleGeneration      Bug = "stale-generation"       // commits are taken from anybody: stale-commit
	LoseOffsets          Bug = "lose-offsets"           // a coordinator that loads skips the newest records: lost-commit
	OffsetsBeforeMarkers Bug = "offsets-before-markers" // transactional offsets count at once, aborted or not: lost-input
	ForgetSettled        Bug = "forget-settled"         // acknowledgements of share groups are not written: settled-redelivered
	SkipMarkers          Bug = "skip-markers"           // a transaction's last partition gets no marker: torn-transaction, or never stable
	ShareUnlocked        Bug = "share-unlocked"         // acquired records are given to others as well: double-acquire
)

// All are the bugs that exist.
func All() []Bug {
	return []Bug{
		AckBeforeDurable, ForgetSequences, CommitAborted, ReadPastStable, StaleGeneration, LoseOffsets, OffsetsBeforeMarkers, ForgetSettled, SkipMarkers,
		ShareUnlocked,
	}
}
