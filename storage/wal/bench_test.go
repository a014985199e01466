package wal

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"weir/storage/disk"
)

// reseal makes the checksums of a frame fit it.
func reseal(frame []byte, of salted, pos uint64) {
	h := frameHeader{pos: pos, bodyLen: binary.LittleEndian.Uint32(frame[16:]), records: binary.LittleEndian.Uint32(frame[20:])}
	h.bodyCRC = crc32.Update(of.seed, castagnoli, frame[frameHeaderBytes:frameHeaderBytes+int(h.bodyLen)])
	h.encode(frame, of)
}

func benchmarkAppend(b *testing.B, n, bytes int) {
	l, err := Create(disk.OS(b.TempDir()), "wal/bench", Config{Stream: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- l.Run(b.Context()) }()
	es := make([]Entry, n)
	for i := range es {
		es[i] = data(byte(i), int32(i), 0, string(make([]byte, bytes)))
	}
	b.SetBytes(int64(n * bytes))
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(b.Context(), es); err != nil {
			b.Fatal(err)
		}
		if l.spans[len(l.spans)-1].seq > 8 { // do not fill the disk
			b.StopTimer()
			if err := l.Trim(b.Context(), l.End()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if err := <-ran; err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAppend1x1KiB(b *testing.B)   { benchmarkAppend(b, 1, 1<<10) }
func BenchmarkAppend16x16KiB(b *testing.B) { benchmarkAppend(b, 16, 16<<10) }
func BenchmarkAppend64x64KiB(b *testing.B) { benchmarkAppend(b, 64, 64<<10) }

func BenchmarkCreate(b *testing.B) {
	fsys := disk.OS(b.TempDir())
	i := 0
	for b.Loop() {
		i++
		l, err := Create(fsys, "wal/"+string(rune('a'+i%26))+spanName(uint64(i)), Config{Stream: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Append(b.Context(), []Entry{{Type: Noop}}); err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is what a restart does with each of the older streams.
func BenchmarkRead(b *testing.B) {
	fsys := disk.OS(b.TempDir())
	l, err := Create(fsys, "wal/bench", Config{Stream: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	es := make([]Entry, 16)
	for i := range es {
		es[i] = data(byte(i), int32(i), 0, string(make([]byte, 4<<10)))
	}
	const frames = 2000
	for range frames {
		if err := l.Append(b.Context(), es); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(frames * 16 * 4 << 10)
	b.ReportAllocs()
	for b.Loop() {
		r, err := Recover(b.Context(), fsys, "wal/bench", Config{})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, err := range r.Read(b.Context(), Position{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != frames*16+1 {
			b.Fatal(n)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
