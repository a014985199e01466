package awsapi

import (
	"errors"
	"fmt"
	"net/http"
)

// Fault is an error as a client sees it: a code that programs branch on, a status and a message for people.
// The zero Status means 400. A Fault never carries internal text: wrap the cause with Wrap, it is logged and not sent.
type Fault struct {
	// Code is the error code on the wire, e.g. "BadRequestException" or "InvalidVpcID.NotFound".
	Code string
	// Shape is the model's name of the exception when it differs from Code (query services); empty otherwise.
	Shape   string
	Status  int
	Message string
	// Detail is the generated exception whose further members are sent as well, or nil.
	Detail any
	cause  error
}

// NewFault makes a fault that no model describes, as all of EC2's are.
func NewFault(status int, code, format string, args ...any) *Fault {
	return &Fault{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// Wrap attaches the cause for the log and returns f.
func (f *Fault) Wrap(cause error) *Fault {
	f.cause = cause
	return f
}

func (f *Fault) Error() string {
	if f.cause != nil {
		return f.Code + ": " + f.Message + ": " + f.cause.Error()
	}
	return f.Code + ": " + f.Message
}

func (f *Fault) Unwrap() error { return f.cause }

// HTTPStatus is the status to answer with.
func (f *Fault) HTTPStatus() int {
	if f.Status == 0 {
		return http.StatusBadRequest
	}
	return f.Status
}

// ServerSide tells whether the fault is ours rather than the caller's.
func (f *Fault) ServerSide() bool { return f.HTTPStatus() >= http.StatusInternalServerError }

// Exception is implemented by every generated exception type.
type Exception interface {
	error
	Fault() *Fault
}

// AsFault finds the fault in err's chain. It returns nil when there is none, which means an internal failure.
func AsFault(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if e, ok := errors.AsType[Exception](err); ok {
		return e.Fault()
	}
	return nil
}
