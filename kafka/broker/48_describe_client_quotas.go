package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/quota"
	"weir/kafka/topic"
)

// DescribeClientQuotas (key 48), versions 0-1 (KIP-546). Served by any broker from its image.
// v1 is flexible.
// Errors: INVALID_REQUEST (a type of entity given twice or empty, a name that is missing or too much, an unknown match, ip beside another type),
// UNSUPPORTED_VERSION (another type than user, client-id and ip).
func (b *Broker) describeClientQuotas(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeClientQuotasRequest](r), kmsg.NewPtrDescribeClientQuotasResponse()
	q, err := quotaQuery(req)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err), faultMessage(err)
		return resp
	}
	resp.Entries, resp.ErrorMessage = []kmsg.DescribeClientQuotasResponseEntry{}, new("")
	record := b.image.Current().ClientQuotas()
	if record == nil {
		return resp
	}
	table := quota.FromRecord(record)
	for i := range record.Entries { // which are sorted
		e := quota.EntityOf(&record.Entries[i])
		if q.Matches(e) {
			resp.Entries = append(resp.Entries, describedQuota(e, table[e]))
		}
	}
	return resp
}

func describedQuota(e quota.Entity, l quota.Limits) kmsg.DescribeClientQuotasResponseEntry {
	out := kmsg.NewDescribeClientQuotasResponseEntry()
	for _, n := range []struct {
		kind string
		name quota.Name
	}{{userEntity, e.User}, {clientEntity, e.Client}, {ipEntity, e.IP}} {
		if n.name.Is {
			part := kmsg.NewDescribeClientQuotasResponseEntryEntity()
			part.Type, part.Name = n.kind, quotaName(n.name)
			out.Entity = append(out.Entity, part)
		}
	}
	for _, k := range quota.Keys() {
		if v := *k.In(&l); v > 0 {
			value := kmsg.NewDescribeClientQuotasResponseEntryValue()
			value.Key, value.Value = k.Name, v
			out.Values = append(out.Values, value)
		}
	}
	return out
}

// The types of entities that have limits.
const (
	userEntity   = "user"
	clientEntity = "client-id"
	ipEntity     = "ip"
)

// quotaName is a name as the protocol has it: null is any.
func quotaName(n quota.Name) *string {
	if n.Any {
		return nil
	}
	return &n.Value
}

func quotaQuery(req *kmsg.DescribeClientQuotasRequest) (*quota.Query, error) {
	q := new(quota.Query)
	if req.Strict {
		q.User, q.Client, q.IP = quota.MatchNone, quota.MatchNone, quota.MatchNone
	}
	invalid := func(format string, args ...any) (*quota.Query, error) {
		return nil, &topic.Fault{Code: kerr.InvalidRequest, Message: fmt.Sprintf(format, args...)}
	}
	seen := make(map[string]bool)
	for i := range req.Components {
		c := &req.Components[i]
		var to *quota.Match
		var name *string
		switch c.EntityType {
		case userEntity:
			to, name = &q.User, &q.UserName
		case clientEntity:
			to, name = &q.Client, &q.ClientName
		case ipEntity:
			to, name = &q.IP, &q.IPName
		case "":
			return invalid("Invalid empty entity type.")
		default:
			return nil, &topic.Fault{Code: kerr.UnsupportedVersion, Message: "Unsupported entity type " + c.EntityType}
		}
		if seen[c.EntityType] {
			return invalid("Entity type %s cannot appear more than once in the filter.", c.EntityType)
		}
		seen[c.EntityType] = true
		switch c.MatchType {
		case kmsg.QuotasMatchTypeExact:
			if c.Match == nil {
				return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")
			}
			*to = quota.MatchExact
		case kmsg.QuotasMatchTypeDefault:
			if c.Match != nil {
				return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.")
			}
			*to = quota.MatchAny
		case kmsg.QuotasMatchTypeAny:
			if c.Match != nil {
				return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.")
			}
			*to = quota.MatchSome
		default:
			return invalid("Unknown match type %d", c.MatchType)
		}
		*name = deref(c.Match)
	}
	if seen[ipEntity] && len(seen) > 1 {
		return invalid("Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.")
	}
	return q, nil
}
