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

// Entity is what a limit is set for. At least one of its names is there; IP is there alone.
type Entity struct{ User, Client, IP Name }

// Limits hold for an entity; 0 is no limit. Connection is for entities with an IP, the others are for those without.
type Limits struct {
	Produce, Fetch float64 // bytes a second
	Request        float64 // percent of one thread's time
	Mutation       float64 // partitions made and deleted a second
	Connection     float64 // new connections a second
}

// Key is the name by which Kafka knows a limit, with the limit itself.
type Key struct {
	Name string
	In   func(*Limits) *float64
	max  float64 // of a whole number; 0 if fractions are fine
	kind string  // Kafka's name of the type
	ip   bool
}

// Keys returns all keys, sorted by name.
func Keys() []Key {
	return []Key{
		{"connection_creation_rate", func(l *Limits) *float64 { return &l.Connection }, math.MaxInt32, "an INT", true},
		{"consumer_byte_rate", func(l *Limits) *float64 { return &l.Fetch }, math.MaxInt64, "a LONG", false},
		{"controller_mutation_rate", func(l *Limits) *float64 { return &l.Mutation }, 0, "", false},
		{"producer_byte_rate", func(l *Limits) *float64 { return &l.Produce }, math.MaxInt64, "a LONG", false},
		{"request_percentage", func(l *Limits) *float64 { return &l.Request }, 0, "", false},
	}
}

// Set sets or, for remove, takes away the limit of that key of the entity. Errors are for clients.
func (l *Limits) Set(e Entity, key string, value float64, remove bool) error {
	for _, k := range Keys() {
		if k.Name != key || k.ip != e.IP.Is {
			continue
		}
		if remove {
			*k.In(l) = 0
			return nil
		}
		if err := k.check(value); err != nil {
			return err
		}
		*k.In(l) = value
		return nil
	}
	if remove {
		return nil // of what was never there
	}
	return fmt.Errorf("Invalid configuration key %s", key) //nolint:staticcheck // sent to clients as Kafka writes it
}

func (k *Key) check(v float64) error {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return fmt.Errorf("Quota %s must be a finite number", k.Name) //nolint:staticcheck // sent to clients as Kafka writes it
	case v <= 0:
		return fmt.Errorf("Quota %s must be greater than 0", k.Name) //nolint:staticcheck // as above
	case k.max == 0:
		return nil
	case v > k.max:
		return fmt.Errorf("Proposed value for %s is too large for %s.", k.Name, k.kind) //nolint:staticcheck // as above
	case math.Mod(v, 1) > 1e-6:
		return fmt.Errorf("%s cannot be a fractional value.", k.Name) //nolint:staticcheck // as above
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
			User: e.User.stored(), Client: e.Client.stored(), IP: e.IP.stored(), ProducerByteRate: l.Produce, ConsumerByteRate: l.Fetch,
			RequestPercentage: l.Request, ControllerMutationRate: l.Mutation, ConnectionCreationRate: l.Connection,
		})
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return "=" + *s
	}
	slices.SortFunc(r.Entries, func(a, b metadata.ClientQuota) int {
		return cmp.Or(cmp.Compare(text(a.User), text(b.User)), cmp.Compare(text(a.Client), text(b.Client)), cmp.Compare(text(a.IP), text(b.IP)))
	})
	return r
}

// FromRecord is the reverse of Record.
func FromRecord(r *metadata.ClientQuotas) Table {
	t := make(Table, len(r.Entries))
	for i := range r.Entries {
		e := &r.Entries[i]
		t[EntityOf(e)] = Limits{
			Produce: e.ProducerByteRate, Fetch: e.ConsumerByteRate, Request: e.RequestPercentage,
			Mutation: e.ControllerMutationRate, Connection: e.ConnectionCreationRate,
		}
	}
	return t
}

// EntityOf is what a stored limit is for.
func EntityOf(q *metadata.ClientQuota) Entity {
	return Entity{User: loaded(q.User), Client: loaded(q.Client), IP: loaded(q.IP)}
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
	pair := func(u, c Name) Entity { return Entity{User: u, Client: c} }
	own := pair(One(user), One(client))
	for _, c := range [...]struct{ key, bucket Entity }{
		{pair(One(user), One(client)), own},
		{pair(One(user), Any()), own},
		{Entity{User: One(user)}, Entity{User: One(user)}},
		{pair(Any(), One(client)), own},
		{pair(Any(), Any()), own},
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
