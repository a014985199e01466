package blob_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"weir/sim"
	"weir/storage/blob"
	"weir/storage/blob/blobtest"
	"weir/storage/disk"
)

//nolint:gochecknoglobals // flags
var (
	simSeed    = flag.Uint64("sim.seed", 0, "play only this seed of the story test")
	simCrashes = flag.Int("sim.crashes", 3000, "crashes to play in the story test")
)

// state is what may be found of an object.
type state struct {
	data     []byte
	required bool // it was committed, and nobody tried to delete it
}

// TestStoresSurviveStories plays seeded stories: puts, writers that commit or abort, deletes, sweeps, faults of the disk, crashes and kills, and in
// between everything that was committed is looked for. Replay one with -run TestStoresSurviveStories -sim.seed N.
func TestStoresSurviveStories(t *testing.T) {
	first, crashes := uint64(1), *simCrashes
	if testing.Short() {
		crashes = min(crashes, 500)
	}
	if *simSeed != 0 {
		first, crashes = *simSeed, 1
	}
	seeds := 0
	for seed := first; crashes > 0; seed++ {
		n, err := story(t, seed)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		crashes -= n
		seeds++
	}
	t.Logf("%d seeds", seeds)
}

func story(t *testing.T, seed uint64) (crashes int, err error) {
	rng := rand.New(rand.NewPCG(seed, 0xb10b))
	d := sim.NewDisk(seed)
	d.Tear = rng.IntN(2) == 0
	objects := map[string]*state{}
	made := 0
	for range 1 + rng.IntN(4) {
		s := blob.NewFS(d, "blob")
		if rng.IntN(2) == 0 {
			if err := s.Sweep(); err != nil {
				return crashes, err
			}
		}
		end, fault := d.Ops()+1+rng.IntN(120), sim.FaultKind(rng.IntN(int(sim.LoseSync)+1))
		kill := rng.IntN(4) == 0
		d.Plan(func(op sim.Op) sim.Fault {
			switch {
			case op.N >= end:
				return sim.Fault{Kind: sim.CrashBefore}
			case rng.IntN(25) == 0 && fault >= sim.Fail:
				return sim.Fault{Kind: fault}
			}
			return sim.Fault{}
		})
		for d.Ops() < end {
			act(t, rng, s, objects, &made)
		}
		d.Plan(nil)
		if kill {
			d.Kill()
		} else {
			d.Crash(rng.Uint64())
		}
		crashes++
		if err := check(t, d, objects); err != nil {
			return crashes, fmt.Errorf("life %d: %w", crashes, err)
		}
	}
	return crashes, nil
}

// act does one random thing. What fails is unknown from then on.
func act(t *testing.T, rng *rand.Rand, s *blob.FS, objects map[string]*state, made *int) {
	switch rng.IntN(8) {
	case 0, 1, 2, 3:
		size := rng.IntN(5000)
		if rng.IntN(100) == 0 {
			size = 1<<20 + rng.IntN(9000)
		}
		key := fmt.Sprintf("s/%d/%d/%d", rng.IntN(2), rng.IntN(2), *made)
		*made++
		o := &state{data: blobtest.Content(size)}
		objects[key] = o
		via := byPut
		if rng.IntN(2) == 0 {
			via = byWriter
		}
		o.required = via(t, s, key, o.data) == nil
	case 4:
		key := fmt.Sprintf("aborted/%d", *made)
		*made++
		if w, err := s.Create(t.Context(), key); err == nil {
			_, _ = w.Write(blobtest.Content(rng.IntN(9000)))
			w.Abort()
		}
	case 5, 6:
		if key, ok := anyKey(rng, objects); ok {
			objects[key].required = false
			if s.Delete(t.Context(), key) == nil {
				if _, err := s.Open(t.Context(), key); err == nil {
					t.Errorf("%s is there after its delete", key)
				}
			}
		}
	case 7:
		if key, ok := anyKey(rng, objects); ok { // a name that was used is not taken by another
			err := s.Put(t.Context(), key, []byte("another"))
			if o := objects[key]; o.required && err == nil {
				t.Errorf("%s was put twice", key)
			} else if !o.required {
				delete(objects, key) // either content may be found: not looked at again
			}
		}
	}
}

func anyKey(rng *rand.Rand, objects map[string]*state) (string, bool) {
	if len(objects) == 0 {
		return "", false
	}
	keys := slices.Sorted(maps.Keys(objects)) // sorted: the seed decides all
	return keys[rng.IntN(len(keys))], true
}

// check is what the next process finds.
func check(t *testing.T, d *sim.Disk, objects map[string]*state) error {
	s := blob.NewFS(disk.FS(d), "blob")
	listed, err := blobtest.Keys(t.Context(), s, "")
	if err != nil {
		return err
	}
	for key, o := range objects {
		got, err := blobtest.Read(t.Context(), s, key)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			if o.required {
				return fmt.Errorf("%s is lost", key)
			}
		case err != nil:
			return err
		case !bytes.Equal(got, o.data):
			return fmt.Errorf("%s has %d other bytes than the %d written", key, len(got), len(o.data))
		}
		if (err == nil) != slices.Contains(listed, key) {
			return fmt.Errorf("%s: found %v, listed %v", key, err == nil, err != nil)
		}
	}
	for _, key := range listed {
		if len(key) > 7 && key[:7] == "aborted" {
			return fmt.Errorf("%s was aborted", key)
		}
	}
	return nil
}
