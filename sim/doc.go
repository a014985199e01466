// Package sim holds the simulated machine that tests run the storage engine on. Disk is a file system in memory that remembers what was
// synced, and forgets some of the rest in a crash, as a real one may.
//
// What Disk promises to survive is what POSIX promises and no more, which is less than any one file system in use: of the sectors written since
// the last Datasync of a file each may survive or not, by itself and in any of the versions it went through; so may each new, renamed, linked
// or removed name since the last SyncDir of its directory. A rename is two such changes. A sync of a file does not make its name durable.
//
// Non-obvious: a file without a name takes no space, even while it is open. A directory that was removed and whose removal is forgotten comes back
// with the names that were synced in it. Plan sees what the process does; Lose, Damage and Cut are done to the disk, and survive every crash.
package sim
