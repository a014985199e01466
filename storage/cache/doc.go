// Package cache keeps what readers need of containers at hand: open objects, indexes of chunks, and which blocks were found to be what was
// written. It holds no record data: those stay in the page cache, from where they are sent to consumers without a copy.
//
// # Non-obvious
//
//   - A block is read and compared with its checksum the first time that this process is asked for it; from then on it may be sent unseen. Containers
//     that this process wrote itself were checked on the way in, and are trusted from the start (Config.Own). What the disk does to
//     pages that are dropped and read again later is the scrubber's to find, and the consumer's own check of each batch stands behind it.
//   - The marks live with the index: an index that has to make room for others forgets them, and its blocks are checked again.
//   - A damaged block is read three times before it counts as such: a bit may have flipped on the way.
//   - An object that was dropped, or deleted from the store, stays open for whoever uses it and is closed with its last use. Objects in use do not
//     count towards the limit once they were dropped; they are as many as there are answers being sent.
//   - The first to need an object or an index loads it for all who come meanwhile; it does so to the end even if its own client went away.
package cache
