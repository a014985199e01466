package etcd

import (
	"context"
	"log/slog"
	"runtime"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger routes what etcd logs as a warning or worse to log. etcd ends the process through its logger when it cannot write its
// data: onFatal, if set, is told instead, and only the goroutine that met the failure ends.
func newLogger(log *slog.Logger, onFatal func(msg string)) *zap.Logger {
	core := &slogCore{log: log}
	if onFatal == nil {
		return zap.New(core)
	}
	hook := fatalHook(onFatal)
	return zap.New(core, zap.WithFatalHook(hook), zap.WithPanicHook(hook))
}

type fatalHook func(msg string)

func (h fatalHook) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	msg := e.Message
	if cause, ok := attributes(fields)["error"].(string); ok {
		msg += ": " + cause
	}
	h(msg)
	runtime.Goexit()
}

// slogCore is a zapcore.Core on slog.
type slogCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

// Enabled leaves out etcd's Info, which tells its whole configuration at every start.
func (c *slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{log: c.log, fields: append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	switch {
	case harmless(e.Message):
		level = slog.LevelDebug
	case e.Level >= zapcore.ErrorLevel:
		level = slog.LevelError
	}
	all := slices.Concat(c.fields, fields)
	attrs := make([]slog.Attr, 0, len(all)+1)
	attrs = append(attrs, slog.String("detail", e.Message))
	for k, v := range attributes(all) {
		attrs = append(attrs, slog.Any(k, v))
	}
	c.log.LogAttrs(context.Background(), level, "etcd", attrs...)
	return nil
}

// harmless tells of messages that are no warning here.
func harmless(msg string) bool {
	switch msg {
	case
		// A store that is seconds old has made no snapshot yet, from which etcd would tell the schema. It tries again.
		"Failed to detect schema version", "failed to update storage version",
		// Said when the server stops before it got to it.
		"failed to update cluster version",
		// The caller gets the error.
		"retrying of unary invoker failed":
		return true
	}
	return false
}

func (c *slogCore) Sync() error { return nil }

func attributes(fields []zapcore.Field) map[string]any {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return enc.Fields
}
