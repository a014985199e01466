package broker

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/txn"
)

// ListTransactions (key 66), versions 0-2 (KIP-664): the transactional ids that this broker coordinates.
// v1 filters by duration (KIP-994); v2 by a pattern of ids in RE2's syntax (KIP-1152).
// Errors: COORDINATOR_LOAD_IN_PROGRESS, INVALID_REGULAR_EXPRESSION. States that do not exist are named and otherwise ignored; if only such were asked for, nothing
// is listed.
func (b *Broker) listTransactions(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ListTransactionsRequest](r), kmsg.NewPtrListTransactionsResponse()
	f := txn.Filter{Producers: req.ProducerIDFilters, LongerThan: -1}
	for _, name := range req.StateFilters {
		if s, ok := txn.StatusOf(name); ok {
			f.Statuses = append(f.Statuses, s)
		} else {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
		}
	}
	if req.Version >= 1 {
		f.LongerThan = time.Duration(req.DurationFilterMillis) * time.Millisecond
	}
	if req.Version >= 2 && req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		re, err := regexp.Compile(`^(?:` + *req.TransactionalIDPattern + `)$`)
		if err != nil {
			resp.ErrorCode = b.code(r, fmt.Errorf("%w: %w", kerr.InvalidRegularExpression, err))
			return resp
		}
		f.ID = re.MatchString
	}
	if len(req.StateFilters) > 0 && len(f.Statuses) == 0 {
		return resp
	}
	list, err := b.txns.List(ctx, f)
	resp.ErrorCode = b.code(r, err)
	for _, l := range list {
		out := kmsg.NewListTransactionsResponseTransactionState()
		out.TransactionalID, out.ProducerID, out.TransactionState = l.ID, l.ProducerID, l.Status.String()
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return resp
}
