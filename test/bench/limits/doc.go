// Package limits measures what the machine could do at best for a broker: what the benchmark's figures are a share of. Each probe takes about a
// second. It also drops files from the page cache, so that reading them is reading the disk.
//
// # Non-obvious
//
//   - CPU time is that of the thread that does what a broker would do (receive, send, write), not of its counterpart. So the probes use blocking
//     system calls on threads of their own instead of Go's network poller.
//   - The disk of a virtual machine may answer from its host's memory: "cold" means cold to this kernel.
package limits

import "time"

// Rate is the limit of a stream of bytes.
type Rate struct {
	MBps     float64 // 1e6 bytes a second
	CPUPerGB float64 // seconds of one core for 1e9 bytes
}

// Latency is the limit of something done again and again, one at a time.
type Latency struct {
	P50, P99 time.Duration
	CPU      time.Duration // each
}

// Machine is what one machine can do.
type Machine struct {
	SyncedWrite Rate    // 1 MiB to a new file, then fdatasync, again and again
	DirectWrite Rate    // 1 MiB past the page cache over what is there already, then fdatasync
	Sync        Latency // 4 KiB over what is there already, then fdatasync
	ColdRead    Rate    // a file that is not in the page cache, 1 MiB at a time, past the cache
	Receive     Rate    // loopback, thrown away
	Send        Rate    // loopback, from one small buffer
	Sendfile    Rate    // page cache to loopback
	RoundTrip   Latency // 64 bytes there and back over loopback; the CPU of one side
	Copy        Rate    // 64 MiB from memory to memory
	Checksum    Rate    // CRC-32C of 64 KiB that are in the processor's cache
}

// Produce is the least CPU time for taking in 1e9 bytes durably: receive, check, write.
func (m Machine) Produce() float64 {
	return m.Receive.CPUPerGB + m.Checksum.CPUPerGB + min(m.SyncedWrite.CPUPerGB, m.DirectWrite.CPUPerGB)
}

// Write is the fastest way to write bytes durably, in 1e6 bytes a second.
func (m Machine) Write() float64 { return max(m.SyncedWrite.MBps, m.DirectWrite.MBps) }

// Best takes the better of each limit.
func (m Machine) Best(o Machine) Machine {
	rate := func(a, b Rate) Rate { return Rate{max(a.MBps, b.MBps), min(a.CPUPerGB, b.CPUPerGB)} }
	latency := func(a, b Latency) Latency { return Latency{min(a.P50, b.P50), min(a.P99, b.P99), min(a.CPU, b.CPU)} }
	return Machine{
		SyncedWrite: rate(m.SyncedWrite, o.SyncedWrite), DirectWrite: rate(m.DirectWrite, o.DirectWrite), Sync: latency(m.Sync, o.Sync),
		ColdRead: rate(m.ColdRead, o.ColdRead), Receive: rate(m.Receive, o.Receive), Send: rate(m.Send, o.Send),
		Sendfile: rate(m.Sendfile, o.Sendfile), RoundTrip: latency(m.RoundTrip, o.RoundTrip), Copy: rate(m.Copy, o.Copy),
		Checksum: rate(m.Checksum, o.Checksum),
	}
}
