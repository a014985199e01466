package sigv4

import "fmt"

// Reason is why a request is not authentic; each service words it in its own way.
type Reason int

// The reasons.
const (
	Missing   Reason = iota + 1 // neither an Authorization header nor a presigned query
	Malformed                   // something is signed, but not in the form of Signature Version 4
	Ambiguous                   // signed twice, or in header and query
	BadScope                    // the credential scope is not one that is served
	Expired                     // too old, or not yet valid
	Mismatch                    // the signature is not that of the key over this request
)

// Error tells the caller what is wrong; its text holds nothing that the caller did not send.
type Error struct {
	Reason  Reason
	Message string
}

func (e *Error) Error() string { return e.Message }

func fail(r Reason, format string, args ...any) error {
	return &Error{Reason: r, Message: fmt.Sprintf(format, args...)}
}
