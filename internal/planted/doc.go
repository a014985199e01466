// Package planted holds the bugs that the tests of tests build in on purpose. A test that has never failed proves nothing: each bug here breaks one promise,
// and test/chaos must find it (TestPlantedBugs).
//
// Without the build tag planted nothing of this is in a binary: Is is the constant false, and the compiler drops what depends on it. With the tag
// the environment variable WEIR_PLANTED_BUG names the one bug that a process has.
package planted

// Bug is a mistake that a tired engineer could make.
type Bug string

// The bugs, each with the anomaly that should give it away.
const (
	AckBeforeDurable Bug = "ack-before-durable" // an append is acknowledged when it is queued: lost-write
	ForgetSequences  Bug = "forget-sequences"   // a restart forgets what producers sent: duplicate
	CommitAborted    Bug = "commit-aborted"     // aborted transactions get markers that commit: G1a
	ForgetAborted    Bug = "forget-aborted"     // readers are not told what was aborted: G1a
	ReadPastStable   Bug = "read-past-stable"   // read_committed fetches are served to the high watermark: precommitted-read
	StaleGeneration  Bug = "stale-generation"   // commits are taken from anybody: stale-commit
	LoseNewest       Bug = "lose-newest"        // a coordinator that loads skips the newest records: lost-commit
	OffsetsOfAborted Bug = "offsets-of-aborted" // offsets of aborted transactions count: lost-input
	ForgetSettled    Bug = "forget-settled"     // acknowledgements of share groups are not written: settled-redelivered
	ShareUnlocked    Bug = "share-unlocked"     // records that a member holds are given to others as well: double-acquire
)

// All are the bugs that exist.
func All() []Bug {
	return []Bug{
		AckBeforeDurable, ForgetSequences, CommitAborted, ForgetAborted, ReadPastStable, StaleGeneration, LoseNewest, OffsetsOfAborted,
		ForgetSettled, ShareUnlocked,
	}
}
