package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/quota"
	"weir/kafka/topic"
)

// AlterClientQuotas (key 49), versions 0-1 (KIP-546). Served by any broker; blocks on one metadata transaction for the entries that are valid.
// v1 is flexible.
// As in Kafka, of names that an entity gives for one type the last counts, and an entity that comes twice is answered once, with an error; here none of
// the two is done, there the first is.
// Errors, per entity: INVALID_REQUEST (no entity, an entity or a key given twice, a name that is empty, an unknown type or key, an ip beside
// another type or that is no address, a value that is not positive, not finite, too large or has a fraction), POLICY_VIOLATION (too many entities),
// REQUEST_TIMED_OUT.
func (b *Broker) alterClientQuotas(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterClientQuotasRequest](r), kmsg.NewPtrAlterClientQuotasResponse()
	ctx, cancel := adminDeadline(ctx, 0)
	defer cancel()
	changes := quotaChanges(req)
	rev, err := quota.Alter(ctx, b.store, b.cfg.Cluster, req.ValidateOnly, func(t quota.Table) error {
		for _, c := range changes {
			if c.fault == nil {
				c.fault = c.apply(t)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, quota.ErrTooMany):
		err = &topic.Fault{Code: kerr.PolicyViolation, Message: err.Error()}
	case err == nil && rev > 0:
		if _, err := b.image.Await(ctx, rev); err != nil { // so that whoever asks us next sees it
			b.log.Debug("committed change not seen yet", "revision", rev, "err", err)
		}
	}
	for _, c := range changes {
		out := kmsg.NewAlterClientQuotasResponseEntry()
		out.Entity, out.ErrorMessage = c.named, nil
		if c.fault == nil {
			c.fault = err
		}
		if c.fault != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, c.fault), faultMessage(c.fault)
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp
}

// quotaChange is what a request says of one entity.
type quotaChange struct {
	entity quota.Entity
	named  []kmsg.AlterClientQuotasResponseEntryEntity
	ops    []kmsg.AlterClientQuotasRequestEntryOp
	fault  error
}

// apply changes the limits of the entity, all or none of them.
func (c *quotaChange) apply(t quota.Table) error {
	l := t[c.entity]
	for _, op := range c.ops {
		if err := l.Set(c.entity, op.Key, op.Value, op.Remove); err != nil {
			return &topic.Fault{Code: kerr.InvalidRequest, Message: err.Error()}
		}
	}
	t[c.entity] = l
	return nil
}

func quotaChanges(req *kmsg.AlterClientQuotasRequest) []*quotaChange {
	var changes []*quotaChange
	known := make(map[string]*quotaChange)
	for i := range req.Entries {
		e := &req.Entries[i]
		c := &quotaChange{ops: e.Ops, named: quotaNames(e.Entity)}
		c.entity, c.fault = quotaEntity(c.named)
		text := quotaText(c.named)
		keys := make(map[string]bool)
		for _, op := range e.Ops {
			if keys[op.Key] {
				c.fault = duplicateEntity(text)
			}
			keys[op.Key] = true
		}
		if first := known[text]; first != nil {
			first.fault = duplicateEntity(text)
			continue
		}
		known[text] = c
		changes = append(changes, c)
	}
	return changes
}

func duplicateEntity(text string) error {
	return &topic.Fault{Code: kerr.InvalidRequest, Message: "Ignoring duplicate entity ClientQuotaEntity(entries=" + text + ")"}
}

// quotaNames is an entity with the last name of each type, sorted by type.
func quotaNames(parts []kmsg.AlterClientQuotasRequestEntryEntity) []kmsg.AlterClientQuotasResponseEntryEntity {
	last := make(map[string]*string)
	for _, p := range parts {
		last[p.Type] = p.Name
	}
	out := make([]kmsg.AlterClientQuotasResponseEntryEntity, 0, len(last))
	for _, kind := range slices.Sorted(maps.Keys(last)) {
		part := kmsg.NewAlterClientQuotasResponseEntryEntity()
		part.Type, part.Name = kind, last[kind]
		out = append(out, part)
	}
	return out
}

func quotaText(names []kmsg.AlterClientQuotasResponseEntryEntity) string {
	var text []string
	for _, n := range names {
		name := "null"
		if n.Name != nil {
			name = *n.Name
		}
		text = append(text, n.Type+"="+name)
	}
	return "{" + strings.Join(text, ", ") + "}"
}

func quotaEntity(names []kmsg.AlterClientQuotasResponseEntryEntity) (e quota.Entity, err error) {
	invalid := func(message string) (quota.Entity, error) {
		return e, &topic.Fault{Code: kerr.InvalidRequest, Message: message}
	}
	if len(names) == 0 {
		return invalid("Invalid empty client quota entity")
	}
	for _, n := range names {
		var to *quota.Name
		switch n.Type {
		case userEntity:
			to = &e.User
		case clientEntity:
			to = &e.Client
		case ipEntity:
			to = &e.IP
		default:
			return invalid("Unhandled client quota entity type: " + n.Type)
		}
		switch {
		case n.Name == nil:
			*to = quota.Any()
		case *n.Name == "":
			return invalid("Empty " + n.Type + " not supported")
		default:
			*to = quota.One(*n.Name)
		}
	}
	switch {
	case !e.IP.Is:
	case len(names) > 1:
		return invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId") //nolint:misspell // as Kafka writes it
	case !e.IP.Any && !quota.IsAddress(e.IP.Value):
		return invalid(e.IP.Value + " is not a valid IP or resolvable host.")
	}
	return e, nil
}
