package metadata

import (
	"fmt"
	"strings"
)

// Check finds what no Store accepts, before anything is sent: too many operations, an empty key, two writes to one key. Every
// implementation of Commit calls it, so that a transaction which works in simulation works in production.
func (t Txn) Check() error {
	if len(t.If) > TxnOpsMax || len(t.Then) > TxnOpsMax {
		return fmt.Errorf("metadata: transaction of %d conditions and %d writes: at most %d of each", len(t.If), len(t.Then), TxnOpsMax)
	}
	seen := make(map[string]struct{}, len(t.Then))
	var prefixes []string
	for _, op := range t.Then {
		if op.Key == "" {
			return fmt.Errorf("metadata: transaction writes an empty key")
		}
		if op.Prefix {
			prefixes = append(prefixes, op.Key)
			continue
		}
		if _, twice := seen[op.Key]; twice {
			return fmt.Errorf("metadata: transaction writes %s twice", op.Key)
		}
		seen[op.Key] = struct{}{}
	}
	for _, op := range t.Then {
		for _, p := range prefixes {
			if !op.Delete && strings.HasPrefix(op.Key, p) {
				return fmt.Errorf("metadata: transaction writes %s and deletes the prefix %s", op.Key, p)
			}
		}
	}
	for _, c := range t.If {
		if c.Key == "" {
			return fmt.Errorf("metadata: transaction has a condition on an empty key")
		}
	}
	return nil
}
