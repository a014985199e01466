package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/quota"
	"weir/kafka/topic"
)

// AlterClientQuotas (key 49), versions 0-1 (KIP-546). Served by any broker; blocks on one metadata transaction for the entries that are valid.
// v1 is flexible.
// Errors, per entry: INVALID_REQUEST (no entity, an entity given twice, a name that is empty, an unknown type or key, a value that is not positive or
// not built yet), POLICY_VIOLATION (too many entities), REQUEST_TIMED_OUT.
func (b *Broker) alterClientQuotas(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterClientQuotasRequest](r), kmsg.NewPtrAlterClientQuotasResponse()
	ctx, cancel := adminDeadline(ctx, 0)
	defer cancel()
	entities, faults := quotaEntities(req)
	rev, err := quota.Alter(ctx, b.store, b.cfg.Cluster, req.ValidateOnly, func(t quota.Table) error {
		for i := range req.Entries {
			if faults[i] == nil {
				faults[i] = alterQuota(t, entities[i], req.Entries[i].Ops)
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
	for i := range req.Entries {
		out := kmsg.NewAlterClientQuotasResponseEntry()
		for _, e := range req.Entries[i].Entity {
			part := kmsg.NewAlterClientQuotasResponseEntryEntity()
			part.Type, part.Name = e.Type, e.Name
			out.Entity = append(out.Entity, part)
		}
		if faults[i] == nil {
			faults[i] = err
		}
		if faults[i] != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, faults[i]), faultMessage(faults[i])
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp
}

// alterQuota changes the limits of one entity, all or none of them.
func alterQuota(t quota.Table, e quota.Entity, ops []kmsg.AlterClientQuotasRequestEntryOp) error {
	l := t[e]
	for _, op := range ops {
		if err := l.Set(op.Key, op.Value, op.Remove); err != nil {
			return &topic.Fault{Code: kerr.InvalidRequest, Message: err.Error()}
		}
	}
	t[e] = l
	return nil
}

func quotaEntities(req *kmsg.AlterClientQuotasRequest) ([]quota.Entity, []error) {
	entities, faults := make([]quota.Entity, len(req.Entries)), make([]error, len(req.Entries))
	seen := make(map[quota.Entity]int)
	for i := range req.Entries {
		if entities[i], faults[i] = quotaEntity(req.Entries[i].Entity); faults[i] == nil {
			seen[entities[i]]++
		}
	}
	for i := range req.Entries {
		if faults[i] == nil && seen[entities[i]] > 1 {
			faults[i] = &topic.Fault{Code: kerr.InvalidRequest, Message: "Each entity must appear at most once."}
		}
	}
	return entities, faults
}

func quotaEntity(parts []kmsg.AlterClientQuotasRequestEntryEntity) (e quota.Entity, err error) {
	invalid := func(message string) (quota.Entity, error) {
		return e, &topic.Fault{Code: kerr.InvalidRequest, Message: message}
	}
	if len(parts) == 0 {
		return invalid("Invalid empty client quota entity.")
	}
	for _, p := range parts {
		name := quota.Any()
		if p.Name != nil {
			name = quota.One(*p.Name)
		}
		if p.Name != nil && *p.Name == "" {
			return invalid("Empty " + p.Type + " not supported.")
		}
		var to *quota.Name
		switch p.Type {
		case userEntity:
			to = &e.User
		case clientEntity:
			to = &e.Client
		case "ip":
			return invalid("Quotas of addresses are not built yet; those of user and client-id are.")
		default:
			return invalid("Unhandled client quota entity type: " + p.Type)
		}
		if to.Is {
			return invalid("Duplicate entity type in client quota entity: " + p.Type)
		}
		*to = name
	}
	return e, nil
}
