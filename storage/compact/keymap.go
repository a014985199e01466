package compact

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// slotBytes is what a key takes in the map, whatever its length.
const slotBytes = 24

// firstSlots is how large a map begins: 24 KiB.
const firstSlots = 1024

// slot is one key and its last offset. It holds no pointer, so that the collector does not look into the map.
type slot struct {
	hash keyHash
	next int64 // offset + 1; 0: the slot is free
}

type keyHash struct{ hi, lo uint64 }

func hashOf(key []byte) keyHash {
	sum := sha256.Sum256(key)
	return keyHash{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

// KeyMap holds the last offset of each key: open addressing in one allocation, which grows with the keys up to a limit. It is not safe for
// concurrent use.
type KeyMap struct {
	slots    []slot
	used     int
	maxSlots int
	full     int // keys that the largest map takes
}

// NewKeyMap returns a map that takes at most maxBytes (log.cleaner.dedupe.buffer.size) and fills at most the share load of its places
// (log.cleaner.io.buffer.load.factor). While it grows the last time, the old places take up to half of that in addition.
func NewKeyMap(maxBytes int64, load float64) *KeyMap {
	m := &KeyMap{maxSlots: int(max(maxBytes/slotBytes, 2))}
	m.full = min(max(int(float64(m.maxSlots)*load), 1), m.maxSlots-1)
	return m
}

// Len is the number of keys.
func (m *KeyMap) Len() int { return m.used }

// Bytes is the memory that the map takes now.
func (m *KeyMap) Bytes() int64 { return int64(len(m.slots)) * slotBytes }

// Reset forgets all keys and gives the memory back.
func (m *KeyMap) Reset() { m.slots, m.used = nil, 0 }

// put notes that key h has a record at offset, unless it knows a later one. It reports false if there is no room for another key.
func (m *KeyMap) put(h keyHash, offset int64) bool {
	if len(m.slots) > 0 {
		if s := m.find(h); s.next != 0 {
			s.next = max(s.next, offset+1)
			return true
		}
	}
	if m.used >= m.full {
		return false
	}
	// Three quarters at most while it can still grow: probing stays short.
	if len(m.slots) < m.maxSlots && m.used >= len(m.slots)/4*3 {
		m.grow()
	}
	s := m.find(h)
	s.hash, s.next = h, offset+1
	m.used++
	return true
}

// last is the last known offset of key h, -1 if there is none.
func (m *KeyMap) last(h keyHash) int64 {
	if len(m.slots) == 0 {
		return -1
	}
	return m.find(h).next - 1
}

// find returns the key's place, or the free one where it belongs. There is always a free one.
func (m *KeyMap) find(h keyHash) *slot {
	at, _ := bits.Mul64(h.hi, uint64(len(m.slots)))
	i := int(at)
	for {
		s := &m.slots[i]
		if s.next == 0 || s.hash == h {
			return s
		}
		if i++; i == len(m.slots) {
			i = 0
		}
	}
}

func (m *KeyMap) grow() {
	old := m.slots
	m.slots = make([]slot, min(max(2*len(old), firstSlots), m.maxSlots))
	for i := range old {
		if old[i].next != 0 {
			*m.find(old[i].hash) = old[i]
		}
	}
}
