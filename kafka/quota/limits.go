package quota

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"weir/metadata"
)

// Name is one part of an Entity: not there, any (Kafka's default), or one name.
type Name struct {
	Is    bool
	Any   bool
	Value string
}

// One is the name v; Any is Kafka's default name.
func One(v string) Name { return Name{Is: true, Value: v} }

// Any stands for all names that nothing else is said of.
func Any() Name { return Name{Is: true, Any: true} }

// Entity is what a limit is set for. At least one of its names is there.
type Entity struct{ User, Client Name }

// Limits are bytes in a second; 0 is no limit.
type Limits struct{ Produce, Fetch float64 }

// The keys by which Kafka knows limits.
const (
	ProduceKey    = "producer_byte_rate"
	FetchKey      = "consumer_byte_rate"
	RequestKey    = "request_percentage"
	ControllerKey = "controller_mutation_rate"
)

// Set sets or, for remove, takes away the limit of that key. Errors are for clients.
func (l *Limits) Set(key string, value float64, remove bool) error {
	var to *float64
	switch key {
	case ProduceKey:
		to = &l.Produce
	case FetchKey:
		to = &l.Fetch
	case RequestKey, ControllerKey:
		return fmt.Errorf("the quota %s is not built yet; %s and %s are", key, ProduceKey, FetchKey)
	default:
		return fmt.Errorf("Invalid configuration key %s", key) //nolint:staticcheck // sent to clients as Kafka writes it
	}
	switch {
	case remove:
		*to = 0
	case math.IsNaN(value) || value <= 0 || value > math.MaxInt64:
		return fmt.Errorf("Quota %s must be greater than 0", key) //nolint:staticcheck // as above
	case value != math.Trunc(value):
		return fmt.Errorf("%s must be a whole number", key)
	default:
		*to = value
	}
	return nil
}

// Table is a whole set of limits.
type Table map[Entity]Limits

// EntriesMax bounds a table.
const EntriesMax = 1000

// Record is the table as it is stored, sorted.
func (t Table) Record() metadata.ClientQuotas {
	var r metadata.ClientQuotas
	for e, l := range t {
		r.Entries = append(r.Entries, metadata.ClientQuota{
			User: e.User.stored(), Client: e.Client.stored(), ProducerByteRate: l.Produce, ConsumerByteRate: l.Fetch,
		})
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return "=" + *s
	}
	slices.SortFunc(r.Entries, func(a, b metadata.ClientQuota) int {
		return cmp.Or(cmp.Compare(text(a.User), text(b.User)), cmp.Compare(text(a.Client), text(b.Client)))
	})
	return r
}

// FromRecord is the reverse of Record.
func FromRecord(r *metadata.ClientQuotas) Table {
	t := make(Table, len(r.Entries))
	for i := range r.Entries {
		e := &r.Entries[i]
		t[EntityOf(e)] = Limits{Produce: e.ProducerByteRate, Fetch: e.ConsumerByteRate}
	}
	return t
}

// EntityOf is what a stored limit is for.
func EntityOf(q *metadata.ClientQuota) Entity {
	return Entity{User: loaded(q.User), Client: loaded(q.Client)}
}

func (n Name) stored() *string {
	if !n.Is {
		return nil
	}
	v := n.Value
	return &v
}

func loaded(s *string) Name {
	switch {
	case s == nil:
		return Name{}
	case *s == "":
		return Any()
	}
	return One(*s)
}

// find returns the limit that holds for a client, and the entity whose bucket it draws from.
func (t Table) find(user, client string, of func(*Limits) float64) (rate float64, bucket Entity) {
	for _, c := range [...]struct{ key, bucket Entity }{
		{Entity{One(user), One(client)}, Entity{One(user), One(client)}},
		{Entity{One(user), Any()}, Entity{One(user), One(client)}},
		{Entity{User: One(user)}, Entity{User: One(user)}},
		{Entity{Any(), One(client)}, Entity{One(user), One(client)}},
		{Entity{Any(), Any()}, Entity{One(user), One(client)}},
		{Entity{User: Any()}, Entity{User: One(user)}},
		{Entity{Client: One(client)}, Entity{Client: One(client)}},
		{Entity{Client: Any()}, Entity{Client: One(client)}},
	} {
		if l, ok := t[c.key]; ok {
			if rate := of(&l); rate > 0 {
				return rate, c.bucket
			}
		}
	}
	return 0, Entity{}
}
