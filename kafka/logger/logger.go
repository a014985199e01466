// Package logger lets the level of a broker's log be changed while it runs, by logger, with Kafka's names (KIP-412): what BROKER_LOGGER resources are.
//
// A logger is some packages of Weir under the name of the class that does their work in Kafka. What is in none of them is under root, and so is a logger
// whose level was not set.
//
// Non-obvious: whose record it is shows in its program counter. It is looked up only as long as the loggers' levels differ.
package logger

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Root is the name of the logger that stands for all that have no level of their own.
const Root = "root"

// packages says which logger a package of Weir logs to. A package's subpackages log to the same one.
func packages() map[string]string {
	return map[string]string{
		"weir/kafka/broker":      "kafka.server.KafkaApis",
		"weir/kafka/partition":   "kafka.server.ReplicaManager",
		"weir/kafka/ownership":   "org.apache.kafka.server.BrokerLifecycleManager",
		"weir/kafka/image":       "org.apache.kafka.image.loader.MetadataLoader",
		"weir/metadata":          "org.apache.kafka.image.loader.MetadataLoader",
		"weir/kafka/topic":       "org.apache.kafka.controller.ReplicationControlManager",
		"weir/kafka/coordinator": "org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime",
		"weir/kafka/group":       "org.apache.kafka.coordinator.group.GroupCoordinatorService",
		"weir/kafka/txn":         "kafka.coordinator.transaction.TransactionCoordinator",
		"weir/kafka/share":       "kafka.server.share.SharePartitionManager",
		"weir/kafka/sharestate":  "org.apache.kafka.coordinator.share.ShareCoordinatorService",
		"weir/kafka/quota":       "org.apache.kafka.server.quota.ClientQuotaManager",
		"weir/kafka/telemetry":   "org.apache.kafka.server.ClientMetricsManager",
		"weir/storage/tier":      "org.apache.kafka.storage.internals.log.LogCleaner",
		"weir/storage/stream":    "org.apache.kafka.storage.internals.log.LogManager",
		"weir/storage/wal":       "org.apache.kafka.storage.internals.log.LogManager",
	}
}

// The levels of Kafka that slog has no names for. Trace is the lowest.
const (
	Trace = slog.LevelDebug - 4
	Fatal = slog.LevelError + 4
)

func levels() map[string]slog.Level {
	return map[string]slog.Level{
		"TRACE": Trace, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError, "FATAL": Fatal,
	}
}

// ParseLevel reads a level as Kafka writes it: in capitals.
func ParseLevel(s string) (slog.Level, error) {
	l, ok := levels()[s]
	if !ok {
		return 0, fmt.Errorf("%q is none of %s", s, ValidLevels())
	}
	return l, nil
}

// ValidLevels are the names of the levels, in order of the alphabet.
func ValidLevels() string { return strings.Join(slices.Sorted(maps.Keys(levels())), ", ") }

// Levels are the levels of all loggers of a process. It is safe for concurrent use.
type Levels struct {
	packages map[string]string

	mu  sync.Mutex // for changes
	now atomic.Pointer[state]
}

type state struct {
	root   slog.Level
	own    map[string]slog.Level // by logger
	lowest slog.Level
}

// New returns levels whose root is as given.
func New(root slog.Level) *Levels {
	l := &Levels{packages: packages()}
	l.now.Store(&state{root: root, lowest: root})
	return l
}

// All are the levels that hold, by the names of the loggers.
func (l *Levels) All() map[string]string {
	s := l.now.Load()
	all := map[string]string{Root: name(s.root)}
	for _, logger := range l.packages {
		all[logger] = name(s.level(logger))
	}
	return all
}

// Exists tells whether there is a logger of that name.
func (l *Levels) Exists(logger string) bool {
	_, ok := l.All()[logger]
	return ok
}

// Set gives loggers levels of their own; a nil takes it away again, which changes nothing of Root. All must exist.
func (l *Levels) Set(change map[string]*slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.now.Load()
	s := &state{root: old.root, own: maps.Clone(old.own)}
	if s.own == nil {
		s.own = make(map[string]slog.Level)
	}
	for logger, level := range change {
		switch {
		case level == nil:
			delete(s.own, logger)
		case logger == Root:
			s.root = *level
		default:
			s.own[logger] = *level
		}
	}
	s.lowest = s.root
	for _, level := range s.own {
		s.lowest = min(s.lowest, level)
	}
	l.now.Store(s)
}

func (s *state) level(logger string) slog.Level {
	if level, ok := s.own[logger]; ok {
		return level
	}
	return s.root
}

// name is the nearest level that is not above l.
func name(l slog.Level) string {
	all, best := levels(), "TRACE"
	for n, at := range all {
		if at <= l && at > all[best] {
			best = n
		}
	}
	return best
}

// Handler passes on to h what the levels let through. h must let everything through itself.
func (l *Levels) Handler(h slog.Handler) slog.Handler { return &handler{h, l} }

type handler struct {
	slog.Handler

	levels *Levels
}

// Enabled implements slog.Handler: whether any logger would take it.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.now.Load().lowest
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if s := h.levels.now.Load(); len(s.own) > 0 && r.Level < s.level(h.levels.loggerOf(r.PC)) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.levels}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.levels}
}

// loggerOf is the logger of the package that the program counter is in.
func (l *Levels) loggerOf(pc uintptr) string {
	if pc == 0 {
		return Root
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	pkg := frame.Function // path/to/package.Type.Method
	slash := strings.LastIndexByte(pkg, '/')
	if dot := strings.IndexByte(pkg[slash+1:], '.'); dot >= 0 {
		pkg = pkg[:slash+1+dot]
	}
	for pkg != "" {
		if logger, ok := l.packages[pkg]; ok {
			return logger
		}
		pkg = pkg[:max(strings.LastIndexByte(pkg, '/'), 0)]
	}
	return Root
}
