package image

import (
	"cmp"
	"slices"
	"strconv"

	"weir/metadata"
)

// Registered returns the brokers that belong to the cluster, in order of id: those of Brokers, and, without endpoints, those that do not serve now, which
// Kafka calls fenced.
func (i *Image) Registered() []metadata.Session {
	all := slices.Clone(i.Brokers)
	for _, r := range i.known {
		if _, alive := i.Broker(r.Broker); !alive {
			all = append(all, metadata.Session{Broker: r.Broker, Rack: r.Rack})
		}
	}
	slices.SortFunc(all, func(a, b metadata.Session) int { return cmp.Compare(a.Broker, b.Broker) })
	return all
}

// IsRegistered reports whether a broker belongs to the cluster.
func (i *Image) IsRegistered(id metadata.BrokerID) bool {
	if _, alive := i.Broker(id); alive {
		return true
	}
	return slices.ContainsFunc(i.known, func(r metadata.Registration) bool { return r.Broker == id })
}

func (c *change) registration(name string, e metadata.Event) error {
	n, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return err
	}
	id := metadata.BrokerID(n)
	known := slices.DeleteFunc(slices.Clone(c.known), func(r metadata.Registration) bool { return r.Broker == id })
	if !e.Deleted {
		r, err := metadata.Decode[metadata.Registration](e.KV)
		if err != nil {
			return err
		}
		r.Broker = id // the key is the authority
		known = append(known, r)
		slices.SortFunc(known, func(a, b metadata.Registration) int { return cmp.Compare(a.Broker, b.Broker) })
	}
	c.known = known
	return nil
}
