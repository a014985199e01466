package feature

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"weir/metadata"
)

// The levels are those that Kafka's storage tool names for a release (version-mapping).
func TestStartingLevelsAreThoseOfTheVersion(t *testing.T) {
	for version, want := range map[string]Levels{
		"":            {Metadata: 33, KRaft: 1, Transaction: 2, Group: 1, ELR: 1, Share: 2, Streams: 1},
		"2.8.1":       {},
		"3.9.x":       {},
		"3.7.x.kraft": {Metadata: 19},
		"3.9.x.kraft": {Metadata: 21, KRaft: 1},
		"4.0.x":       {Metadata: 25, KRaft: 1, Transaction: 2, Group: 1},
		"4.1.x.kraft": {Metadata: 27, KRaft: 1, Transaction: 2, Group: 1, ELR: 1},
		"4.2.x":       {Metadata: 29, KRaft: 1, Transaction: 2, Group: 1, ELR: 1, Share: 1, Streams: 1},
		"5.0.x":       {Metadata: 33, KRaft: 1, Transaction: 2, Group: 1, ELR: 1, Share: 2, Streams: 1},
		"nonsense":    {},
	} {
		if got := Starting(version); !maps.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", version, got, want)
		}
	}
	for version := range map[string]bool{"": true, "4.0.x": true, "3.7.x.kraft": true} {
		for name, level := range Starting(version) {
			if r, ok := supported(name); !ok || level < r.Min || level > r.Max {
				t.Errorf("%q: %s %d is not supported", version, name, level)
			}
		}
	}
}

func TestUpdatesAreCheckedAsKafkaDoes(t *testing.T) {
	newest, old := Starting(""), Starting("3.9.x.kraft")
	for _, tt := range []struct {
		name   string
		levels Levels
		update Update
		want   string // "" is a change
	}{
		{"unknown", newest, Update{"x", 1, Upgrade}, "Invalid update version 1 for feature x. Local controller 7 does not support this feature."},
		{"unknown to 0", newest, Update{"x", 0, SafeDowngrade}, "Invalid update version 0 for feature x. Feature x not found."},
		{"too high", newest, Update{Group, 2, Upgrade}, "Invalid update version 2 for feature group.version. Local controller 7 only supports versions 0-1"},
		{"below 0", newest, Update{Group, -1, Upgrade}, "Invalid update version -1 for feature group.version. A feature version cannot be less than 0."},
		{"type", newest, Update{Group, 1, 9}, "Invalid update version 1 for feature group.version. The controller does not support the given upgrade type."},
		{"not said", newest, Update{Group, 0, Upgrade}, "without setting the upgrade type to either safe or unsafe downgrade."},
		{"safe", newest, Update{Group, 0, SafeDowngrade}, ""},
		{"unsafe", newest, Update{Transaction, 1, UnsafeDowngrade}, ""},
		{"up as down", old, Update{Group, 1, SafeDowngrade}, "Invalid update version 1 for feature group.version. Can't downgrade to a newer version."},
		{"up", old, Update{Group, 1, Upgrade}, ""},
		{"same", newest, Update{Metadata, 33, SafeDowngrade}, ""},
		{
			"metadata", newest,
			Update{Metadata, 25, SafeDowngrade},
			"Unsupported metadata.version downgrade from 33 to 25. Refusing to perform the requested downgrade because it might delete metadata information.",
		},
		{
			"metadata, unsafe", newest,
			Update{Metadata, 25, UnsafeDowngrade},
			"Unsupported metadata.version downgrade from 33 to 25. Unsafe metadata downgrade is not supported in this version.",
		},
		{"metadata without changes", Levels{Metadata: 29}, Update{Metadata, 23, SafeDowngrade}, ""},
		{"metadata below", newest, Update{Metadata, 6, SafeDowngrade}, "Local controller 7 only supports versions 7-33"},
		{"kraft", newest, Update{KRaft, 0, SafeDowngrade}, "Invalid update version 0 for feature kraft.version. Can't downgrade the version of this feature."},
		{"dependency", old, Update{ELR, 1, Upgrade}, "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23"},
		{"without metadata", Levels{}, Update{Group, 1, Upgrade}, "group.version could not be set to 1 because it depends on metadata.version=7 (3.3-IV3)"},
		{"metadata to none", Levels{}, Update{Metadata, 25, Upgrade}, ""},
	} {
		before := maps.Clone(tt.levels)
		got, err := tt.levels.Apply([]Update{tt.update}, 7)
		if !maps.Equal(tt.levels, before) {
			t.Errorf("%s: the levels were changed in place", tt.name)
		}
		if tt.want == "" {
			if err != nil || got[tt.update.Name] != tt.update.Level {
				t.Errorf("%s: got %v, %v", tt.name, got, err)
			}
			continue
		}
		if _, ok := errors.AsType[*Invalid](err); !ok || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestUpdatesDependOnEachOther(t *testing.T) {
	got, err := Starting("3.9.x.kraft").Apply([]Update{{ELR, 1, Upgrade}, {Metadata, 25, Upgrade}}, 1)
	if err != nil || got[ELR] != 1 || got[Metadata] != 25 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestChangeWritesAllLevels(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	change := func(dry bool, u ...Update) metadata.Revision {
		t.Helper()
		rev, err := Change(t.Context(), store, "c", Starting("4.0.x"), u, 1, dry)
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	if rev := change(true, Update{Group, 0, SafeDowngrade}); rev != 0 {
		t.Errorf("a dry run committed at %d", rev)
	}
	if rev := change(false, Update{Group, 1, Upgrade}); rev != 0 {
		t.Errorf("what changes nothing committed at %d", rev)
	}
	if rev := change(false, Update{Group, 0, SafeDowngrade}); rev == 0 {
		t.Error("nothing was committed")
	}
	change(false, Update{Share, 1, Upgrade})
	kv, _, err := store.Get(t.Context(), metadata.FeaturesKey("c"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := metadata.Decode[metadata.Features](kv)
	if want := (Levels{Metadata: 25, KRaft: 1, Transaction: 2, Group: 0, Share: 1}); err != nil || !maps.Equal(got.Levels, want) {
		t.Errorf("got %v, %v, want %v", got.Levels, err, want)
	}
}
