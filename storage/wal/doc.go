// Package wal makes appends durable. A log multiplexes the partitions of one broker incarnation; records in it are frames of one
// group commit each (storage-engine design, section 3). It owns the file format, torn-tail detection and sealing; it knows nothing of
// Kafka beyond opaque payloads, offsets and epochs. The format is drawn in docs/format/wal.md.
//
// A log is a directory of numbered files. Create starts one, for the one incarnation that will ever write it; Recover takes over from a
// writer that is dead, puts an end to the log (SEAL) and reads it. There is no way to go on writing a log that was left.
//
// # Non-obvious
//
//   - A file gets its name (a rename, then a sync of the directory) only when its header is durable. So a file with a bad header is
//     damage, never a crash.
//
//   - One commit is in flight at a time, so only the last frame can be torn. A bad frame with a good one anywhere after it means that
//     acknowledged bytes are gone: ErrCorrupt, and nothing is served.
//
//   - The last frame of a dead writer may be in the page cache only: never synced, or worse, its sync failed and the kernel took the pages
//     for clean (then a later sync "succeeds" and writes nothing). Recovery therefore writes the last frame once more, the same
//     bytes in the same place, and syncs, before anyone may see it.
//
//   - SEAL comes right after the last frame in the same file: rolling keeps room for it, so that a full disk can be recovered, and a
//     torn frame is overwritten rather than left in front of it.
//
//   - A bad frame is read three times before it counts as torn: a bit that flipped on the way from the disk must not cost acknowledged
//     bytes.
//
//   - Appends stop before the disk is full (Config.ReserveBytes), because the metadata live on the same disk, and a control plane that
//     cannot write ends. What lies between two looks at the free space is a sixteenth of the reserve.
//
//   - A frame that failed for lack of space is overwritten by the next one at the same place, never followed by it.
//
//   - A position that a checkpoint was published for (Config.Trusted) is an end that the log once had. What lies before it was durable then, so recovery
//     does not look at it again, except for frames that bind partitions to handles, which all that follows in the file depends on; whoever reads
//     a batch there checks the batch's own checksum.
//
//   - Files that were used before hold old frames. Each file has a random salt in the seed of all its checksums, so they are noise.
//
//   - Sizes of files grow fourfold from a small first one, and the next file is made only when half of the current one is used: an idle
//     broker writes 1 MiB at start and no more. A file is zero-filled ahead only for a writer of small frames, who gains by it (the sync of
//     an overwrite spares the file system's own data); one of large frames would pay for the bytes twice.
//
//   - All frames are gathered in one aligned piece of memory and written past the page cache: smaller ones too, because what they save there is less
//     than what a thread costs that waits for a sync. On Linux the write syncs itself and is carried out in the background (disk.DirectSyncer); for
//     that the file must be long enough beforehand, so it is extended 16 MiB at a time. What is read soon is in the tail cache, not in the page cache.
//
//   - A frame that is larger than that memory takes several writes, but only one sync: the checksum covers it all, so a part of it is a torn frame. The
//     memory (4.5 MiB at most) grows with the frames and is kept.
//
// # Measured
//
// On 2 virtual CPUs and a virtual disk (ext4), one write and one fdatasync a commit, others at work too: orders of magnitude. CPU-s per GB, MB/s:
//
//	commit      cached, new file   cached, written before   direct, new     direct, written before
//	  4 KiB     25.5      15       16.0      26             30.1      15    14.0      30
//	 16 KiB      4.9      75        4.1      92              7.3      71     3.4     107
//	 64 KiB      2.7     154        1.4     239              1.9     190     1.1     400
//	128 KiB      1.2     318        0.67    665              0.65    590     0.63    603
//	256 KiB      1.3     438        0.47    944              0.48    574     0.40   1025
//	  1 MiB      0.9     664        0.38   1258              0.33    781     0.28    971
//	  4 MiB      0.9     722        0.26   1673              0.19   1332     0.18   1701
//
// The copy into aligned memory is in the direct figures. What a new file costs the cached writes is the allocation of pages; what it costs small
// direct ones is the file system's own data. Reserving the space first (fallocate) changed nothing that could be told from noise. In a busy broker each
// blocking sync cost the runtime's monitor some 150 us on top, which these figures, of one thread, do not show.
package wal
