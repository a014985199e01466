package daemon

import (
	"errors"
	"fmt"
)

// ExitCode is what a command ends with.
type ExitCode int

// The exit codes of all commands (design/cli.md).
const (
	ExitFailed        ExitCode = 1
	ExitUsage         ExitCode = 2
	ExitNotFound      ExitCode = 3
	ExitDenied        ExitCode = 4
	ExitConflict      ExitCode = 5
	ExitTimeout       ExitCode = 6
	ExitCannotConnect ExitCode = 7
	ExitInterrupted   ExitCode = 130
)

// Problem is an error for the person at the terminal: what went wrong, why, and what to do.
type Problem struct {
	What string
	Why  string
	Fix  string
	Code ExitCode
	Err  error // cause, if any; its text is in Why
}

func (p *Problem) Error() string {
	if p.Why == "" {
		return p.What
	}
	return fmt.Sprintf("%s: %s", p.What, p.Why)
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// problem makes a Problem of err.
func problem(what string, err error, fix string) *Problem {
	return &Problem{What: what, Why: err.Error(), Fix: fix, Code: ExitFailed, Err: err}
}

// IsProblem returns the Problem in err's chain.
func IsProblem(err error) (*Problem, bool) {
	var p *Problem
	return p, errors.As(err, &p)
}
