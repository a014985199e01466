package compact

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

func numbered(i int) keyHash { return hashOf(binary.LittleEndian.AppendUint64(nil, uint64(i))) }

func TestKeyMapIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(2, 5000).Draw(t, "slots")
		m := NewKeyMap(int64(slots)*slotBytes, rapid.Float64Range(0.1, 1).Draw(t, "load"))
		model := map[int]int64{}
		keys := rapid.IntRange(1, 2*slots).Draw(t, "keys")
		for offset := range int64(rapid.IntRange(0, 3*slots).Draw(t, "puts")) {
			k := int(offset*7919) % keys
			_, known := model[k]
			if ok := m.put(numbered(k), offset); ok != (known || len(model) < m.full) {
				t.Fatalf("put of key %d, known %v, with %d of %d keys: %v", k, known, len(model), m.full, ok)
			} else if ok {
				model[k] = offset
			}
		}
		if m.Len() != len(model) || m.Bytes() > int64(slots)*slotBytes {
			t.Fatalf("%d keys in %d bytes, want %d keys and at most %d slots", m.Len(), m.Bytes(), len(model), slots)
		}
		for k := range keys {
			want, known := model[k]
			if !known {
				want = -1
			}
			if got := m.last(numbered(k)); got != want {
				t.Fatalf("last of %d is %d, want %d", k, got, want)
			}
		}
		m.Reset()
		if m.Len() != 0 || m.Bytes() != 0 || m.last(numbered(0)) != -1 {
			t.Fatal("the map is not empty after Reset")
		}
	})
}

func TestKeyMapKeepsTheLargestOffset(t *testing.T) {
	m := NewKeyMap(1<<20, 0.9)
	m.put(numbered(1), 10)
	m.put(numbered(1), 5)
	if got := m.last(numbered(1)); got != 10 {
		t.Errorf("last = %d, want 10", got)
	}
}
