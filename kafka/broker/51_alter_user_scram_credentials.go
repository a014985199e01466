package broker

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/scram"
	"weir/kafka/topic"
)

// AlterUserScramCredentials (key 51), version 0 (KIP-554). Served by any broker; blocks on one metadata transaction for the users whose change is valid.
// Nothing logs in with them yet.
// Errors, per user: UNACCEPTABLE_CREDENTIAL (no name, too few or too many iterations), UNSUPPORTED_SASL_MECHANISM, RESOURCE_NOT_FOUND (nothing to delete),
// DUPLICATE_RESOURCE (changed twice), UNKNOWN_SERVER_ERROR (no password, as Kafka answers it), POLICY_VIOLATION (too many users), REQUEST_TIMED_OUT.
func (b *Broker) alterUserScramCredentials(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterUserSCRAMCredentialsRequest](r), kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	ctx, cancel := adminDeadline(ctx, 0)
	defer cancel()
	names := make(map[string]bool)
	var deletions []scram.Deletion
	for _, d := range req.Deletions {
		names[d.Name] = true
		deletions = append(deletions, scram.Deletion{User: d.Name, Mechanism: scram.Mechanism(d.Mechanism)})
	}
	var upsertions []scram.Upsertion
	for _, u := range req.Upsertions {
		names[u.Name] = true
		upsertions = append(upsertions, scram.Upsertion{
			User: u.Name, Mechanism: scram.Mechanism(u.Mechanism), Iterations: u.Iterations, Salt: u.Salt, SaltedPassword: u.SaltedPassword,
		})
	}
	results, rev, err := scram.Alter(ctx, b.store, b.cfg.Cluster, len(b.image.Current().ScramUsers()), deletions, upsertions)
	b.settle(ctx, rev)
	if err != nil {
		if errors.Is(err, scram.ErrTooMany) {
			err = &topic.Fault{Code: kerr.PolicyViolation, Message: err.Error()}
		}
		err, results = storeFault(err), nil
		for _, name := range slices.Sorted(maps.Keys(names)) {
			results = append(results, scram.Result{User: name, Err: err})
		}
	}
	for _, res := range results {
		out := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		out.User = res.User
		switch f, ok := errors.AsType[*scram.Fault](res.Err); {
		case res.Err == nil:
		case ok:
			out.ErrorCode = f.Code.Code
			if f.Message != "" {
				out.ErrorMessage = &f.Message
			}
		default:
			out.ErrorCode, out.ErrorMessage = b.code(r, res.Err), faultMessage(res.Err)
		}
		resp.Results = append(resp.Results, out)
	}
	return resp
}
