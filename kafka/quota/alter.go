package quota

import (
	"context"
	"errors"
	"fmt"

	"weir/metadata"
)

// ErrTooMany means that a table would get more than EntriesMax entries.
var ErrTooMany = errors.New("quota: too many entities have limits")

// tries bounds how often a change is attempted when others change the record in between.
const tries = 8

// Alter applies change to the table of a cluster in the metadata store: it may be called several times, each time with the table as it is then. An error
// of change is returned as it is. The revision is that of the change, 0 with dry.
func Alter(ctx context.Context, store metadata.Store, cluster string, dry bool, change func(Table) error) (metadata.Revision, error) {
	key := metadata.ClientQuotasKey(cluster)
	for range tries {
		kv, ok, err := store.Get(ctx, key)
		if err != nil {
			return 0, fmt.Errorf("quota: read the limits: %w", err)
		}
		t := Table{}
		if ok {
			r, err := metadata.Decode[metadata.ClientQuotas](kv)
			if err != nil {
				return 0, fmt.Errorf("quota: read the limits: %w", err)
			}
			t = FromRecord(&r)
		}
		if err := change(t); err != nil {
			return 0, err
		}
		for e, l := range t {
			if l == (Limits{}) {
				delete(t, e)
			}
		}
		if len(t) > EntriesMax {
			return 0, fmt.Errorf("%w: %d, %d are allowed", ErrTooMany, len(t), EntriesMax)
		}
		if dry {
			return 0, nil
		}
		txn := metadata.Txn{If: []metadata.Cond{{Key: key, Modified: kv.Modified}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(t.Record()))}}
		if len(t) == 0 {
			txn.Then = []metadata.Op{metadata.Delete(key)}
		}
		rev, err := store.Commit(ctx, txn)
		if err == nil || !errors.Is(err, metadata.ErrConflict) {
			return rev, err
		}
	}
	return 0, fmt.Errorf("quota: others changed the limits %d times in a row: %w", tries, metadata.ErrUnavailable)
}

// Filter selects entities, by what it says of each of the names.
type Filter struct{ User, Client, IP Match }

// Match is what a Filter says of a name.
type Match int

// Without a filter a name may be anything, also not be there.
const (
	MatchAll   Match = iota // anything
	MatchNone               // it is not there
	MatchSome               // it is there
	MatchAny                // it is Kafka's default
	MatchExact              // it is the value in the Query
)

// Query is a Filter with the values of exact matches.
type Query struct {
	Filter
	UserName, ClientName, IPName string
}

// Matches reports whether q selects e.
func (q *Query) Matches(e Entity) bool {
	return q.User.matches(e.User, q.UserName) && q.Client.matches(e.Client, q.ClientName) && q.IP.matches(e.IP, q.IPName)
}

func (m Match) matches(n Name, value string) bool {
	switch m {
	case MatchAll:
		return true
	case MatchNone:
		return !n.Is
	case MatchSome:
		return n.Is
	case MatchAny:
		return n.Is && n.Any
	case MatchExact:
		return n == One(value)
	}
	return false
}
