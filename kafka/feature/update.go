package feature

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"weir/metadata"
)

// UpgradeType is what an Update may do; the numbers are those of UpdateFeatures.
type UpgradeType int8

// A safe downgrade must not lose metadata, an unsafe one may.
const (
	Upgrade         UpgradeType = 1
	SafeDowngrade   UpgradeType = 2
	UnsafeDowngrade UpgradeType = 3
)

// Update asks for one level.
type Update struct {
	Name  string
	Level int16
	Type  UpgradeType
}

// Invalid is an update that cannot be made: INVALID_UPDATE_VERSION with this message.
type Invalid struct{ Message string }

func (e *Invalid) Error() string { return e.Message }

func invalid(u Update, format string, args ...any) error {
	return &Invalid{fmt.Sprintf("Invalid update version %d for feature %s. %s", u.Level, u.Name, fmt.Sprintf(format, args...))}
}

// Apply returns the levels after all updates, or the *Invalid of the first that cannot be made. Node is the broker that says so. Of two updates of one
// feature the last counts.
func (l Levels) Apply(updates []Update, node metadata.BrokerID) (Levels, error) {
	after := make(Levels, len(l)+len(updates))
	maps.Copy(after, l)
	for _, u := range updates {
		after[u.Name] = u.Level
	}
	for _, u := range updates {
		u.Level = after[u.Name]
		if err := l.check(u, after, node); err != nil {
			return nil, err
		}
	}
	return after, nil
}

func (l Levels) check(u Update, after Levels, node metadata.BrokerID) error {
	if u.Type < Upgrade || u.Type > UnsafeDowngrade {
		return invalid(u, "The controller does not support the given upgrade type.")
	}
	if u.Level < 0 {
		return invalid(u, "A feature version cannot be less than 0.")
	}
	r, known := supported(u.Name)
	switch {
	case !known && u.Level == 0:
		return invalid(u, "Feature %s not found.", u.Name)
	case !known:
		return invalid(u, "Local controller %d does not support this feature.", node)
	case u.Level < r.Min || u.Level > r.Max:
		return invalid(u, "Local controller %d only supports versions %d-%d", node, r.Min, r.Max)
	}
	switch current := l[u.Name]; {
	case u.Level < current && u.Type == Upgrade:
		return invalid(u, "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case u.Level > current && u.Type != Upgrade:
		return invalid(u, "Can't downgrade to a newer version.")
	case u.Level < current && u.Name == KRaft:
		return invalid(u, "Can't downgrade the version of this feature.")
	case u.Level < current && u.Name == Metadata:
		return checkMetadata(current, u)
	case u.Name == Metadata || u.Level == 0:
		return nil
	}
	if after[Metadata] < 7 && u.Name != KRaft {
		return invalid(u, "%s could not be set to %d because it depends on metadata.version=7 (3.3-IV3)", u.Name, u.Level)
	}
	if u.Name == ELR && after[Metadata] < 23 {
		return invalid(u, "%s could not be set to %d because it depends on metadata.version level 23", u.Name, u.Level)
	}
	return nil
}

// checkMetadata refuses a downgrade over a level at which Kafka's metadata got more than the lower one can hold.
func checkMetadata(current int16, u Update) error {
	for _, changed := range []int16{8, 11, 13, 14, 15, 17, 23, 30, 32, 33} {
		if changed <= u.Level || changed > current {
			continue
		}
		why := "Refusing to perform the requested downgrade because it might delete metadata information."
		if u.Type == UnsafeDowngrade {
			why = "Unsafe metadata downgrade is not supported in this version."
		}
		return &Invalid{fmt.Sprintf("Unsupported metadata.version downgrade from %d to %d. %s", current, u.Level, why)}
	}
	return nil
}

// tries bounds how often a change is attempted when others change the record in between.
const tries = 8

// Change applies the updates to the levels of a cluster, which are starting if it has no record. The revision is that of the change, 0 if nothing
// changed or with dry. Errors are *Invalid or the store's.
func Change(
	ctx context.Context, store metadata.Store, cluster string, starting Levels, updates []Update, node metadata.BrokerID, dry bool,
) (metadata.Revision, error) {
	key := metadata.FeaturesKey(cluster)
	for range tries {
		kv, ok, err := store.Get(ctx, key)
		if err != nil {
			return 0, fmt.Errorf("feature: read the levels: %w", err)
		}
		levels := starting
		if ok {
			r, err := metadata.Decode[metadata.Features](kv)
			if err != nil {
				return 0, fmt.Errorf("feature: read the levels: %w", err)
			}
			levels = r.Levels
		}
		after, err := levels.Apply(updates, node)
		if err != nil || dry || maps.Equal(levels, after) {
			return 0, err
		}
		rev, err := store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: key, Modified: kv.Modified}},
			Then: []metadata.Op{metadata.Put(key, metadata.Encode(metadata.Features{Levels: after}))},
		})
		if err == nil || !errors.Is(err, metadata.ErrConflict) {
			return rev, err
		}
	}
	return 0, fmt.Errorf("feature: others changed the levels %d times in a row: %w", tries, metadata.ErrUnavailable)
}
