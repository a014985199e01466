package resource

import (
	"context"
	"strings"
	"time"

	"weir/metadata"
)

// LogGroup is a group of CloudWatch Logs. Nothing is written to it yet.
type LogGroup struct {
	Name      string            `json:"name"`
	Created   time.Time         `json:"created"`
	Class     string            `json:"class"`
	Retention int32             `json:"retention,omitempty"` // days; zero is for ever
	Key       string            `json:"key,omitempty"`       // ARN of the KMS key
	Protected bool              `json:"protected,omitempty"` // against deletion
	Tags      map[string]string `json:"tags,omitempty"`
}

// LogGroupsPrefix is the prefix of the scope's LogGroup records.
func (s Scope) LogGroupsPrefix() string { return s.Prefix() + "log-group/" }

// LogGroupARN is the ARN of the log group of that name.
func (s Scope) LogGroupARN(name string) string { return s.arn("logs", "log-group:"+name) }

// FindLogGroup returns the log group of that name or ARN; ok is false if there is none.
func FindLogGroup(ctx context.Context, store metadata.Store, s Scope, text string) (g LogGroup, at metadata.Revision, ok bool, err error) {
	name, ok := s.own("logs", text)
	if !ok {
		return LogGroup{}, 0, false, nil
	}
	if name != text {
		if name, ok = strings.CutPrefix(name, "log-group:"); !ok {
			return LogGroup{}, 0, false, nil
		}
		name = strings.TrimSuffix(name, ":*")
	}
	return read[LogGroup](ctx, store, s.LogGroupsPrefix()+name)
}

// LogGroupExists tells whether there is a log group of that name or ARN.
func LogGroupExists(ctx context.Context, store metadata.Store, s Scope, text string) (bool, error) {
	_, _, ok, err := FindLogGroup(ctx, store, s, text)
	return ok, err
}
