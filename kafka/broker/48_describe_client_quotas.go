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
// Errors: INVALID_REQUEST (a type of entity given twice, a match without a name), UNSUPPORTED_VERSION (another type than user and client-id: "ip" is not
// built yet).
func (b *Broker) describeClientQuotas(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeClientQuotasRequest](r), kmsg.NewPtrDescribeClientQuotasResponse()
	q, err := quotaQuery(req)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err), faultMessage(err)
		return resp
	}
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	record := b.image.Current().ClientQuotas()
	if record == nil {
		return resp
	}
	table := quota.FromRecord(record)
	for i := range record.Entries { // which are sorted
		e := quota.EntityOf(&record.Entries[i])
		if !q.Matches(e) {
			continue
		}
		out := kmsg.NewDescribeClientQuotasResponseEntry()
		for _, n := range []struct {
			kind string
			name quota.Name
		}{{userEntity, e.User}, {clientEntity, e.Client}} {
			if n.name.Is {
				part := kmsg.NewDescribeClientQuotasResponseEntryEntity()
				part.Type, part.Name = n.kind, quotaName(n.name)
				out.Entity = append(out.Entity, part)
			}
		}
		l := table[e]
		for _, v := range []struct {
			key  string
			rate float64
		}{{quota.FetchKey, l.Fetch}, {quota.ProduceKey, l.Produce}} {
			if v.rate > 0 {
				value := kmsg.NewDescribeClientQuotasResponseEntryValue()
				value.Key, value.Value = v.key, v.rate
				out.Values = append(out.Values, value)
			}
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp
}

// The types of entities that have limits.
const (
	userEntity   = "user"
	clientEntity = "client-id"
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
		q.User, q.Client = quota.MatchNone, quota.MatchNone
	}
	seen := make(map[string]bool)
	for i := range req.Components {
		c := &req.Components[i]
		if seen[c.EntityType] {
			return nil, &topic.Fault{Code: kerr.InvalidRequest, Message: "Entity type " + c.EntityType + " cannot appear more than once in the filter."}
		}
		seen[c.EntityType] = true
		var m quota.Match
		switch c.MatchType {
		case kmsg.QuotasMatchTypeExact:
			if c.Match == nil {
				return nil, &topic.Fault{Code: kerr.InvalidRequest, Message: "Request specified MATCH_TYPE_EXACT, but set match string to null."}
			}
			m = quota.MatchExact
		case kmsg.QuotasMatchTypeDefault:
			m = quota.MatchAny
		case kmsg.QuotasMatchTypeAny:
			m = quota.MatchSome
		default:
			return nil, &topic.Fault{Code: kerr.InvalidRequest, Message: fmt.Sprintf("Unknown match type %d", c.MatchType)}
		}
		switch c.EntityType {
		case userEntity:
			q.User, q.UserName = m, deref(c.Match)
		case clientEntity:
			q.Client, q.ClientName = m, deref(c.Match)
		default:
			return nil, &topic.Fault{Code: kerr.UnsupportedVersion, Message: "Custom entity type '" + c.EntityType + "' not supported: user and client-id are."}
		}
	}
	return q, nil
}
