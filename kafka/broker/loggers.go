package broker

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/logger"
	"weir/kafka/topic"
)

// describeLoggers are the levels of this process's loggers as configs.
func (b *Broker) describeLoggers() []configdef.Entry {
	all := b.loggers.All()
	var es []configdef.Entry
	for _, name := range slices.Sorted(maps.Keys(all)) {
		es = append(es, configdef.Entry{Config: &configdef.Config{Name: name}, Value: all[name], Source: configdef.DynamicLogger})
	}
	return es
}

// alterLoggers changes the levels of this process's loggers, all or none of them.
func (b *Broker) alterLoggers(node string, ops []topic.ConfigOp, validateOnly bool) error {
	if err := b.checkNode(node, "node"); err != nil {
		return err
	}
	change := make(map[string]*slog.Level, len(ops))
	for _, op := range ops {
		if _, twice := change[op.Name]; twice {
			return &topic.Fault{Code: kerr.InvalidRequest, Message: "Error due to duplicate config keys"}
		}
		level, err := b.loggerOp(op)
		if err != nil {
			return err
		}
		change[op.Name] = level
	}
	if !validateOnly {
		b.loggers.Set(change)
		b.log.Info("levels of loggers changed", "loggers", slices.Sorted(maps.Keys(change)))
	}
	return nil
}

// loggerOp is the level that op gives, nil if it takes the logger's own away.
func (b *Broker) loggerOp(op topic.ConfigOp) (*slog.Level, error) {
	refuse := func(code *kerr.Error, message string) (*slog.Level, error) {
		return nil, &topic.Fault{Code: code, Message: message}
	}
	switch op.Verb {
	case topic.Set, topic.Unset:
	case topic.Append:
		return refuse(kerr.InvalidRequest, "APPEND operation is not allowed for the BROKER_LOGGER resource")
	case topic.Subtract:
		return refuse(kerr.InvalidRequest, "SUBTRACT operation is not allowed for the BROKER_LOGGER resource")
	default:
		return refuse(kerr.InvalidRequest, "Unknown operation type for the BROKER_LOGGER resource")
	}
	if !b.loggers.Exists(op.Name) {
		return refuse(kerr.InvalidConfig, "Logger "+op.Name+" does not exist!")
	}
	if op.Verb == topic.Unset {
		if op.Name == logger.Root {
			return refuse(kerr.InvalidRequest, "Removing the log level of the root logger is not allowed")
		}
		return nil, nil
	}
	if op.Value == nil {
		return refuse(kerr.InvalidRequest, "Null value not supported for : "+op.Name)
	}
	level, err := logger.ParseLevel(*op.Value)
	if err != nil {
		return refuse(kerr.InvalidConfig, "Cannot set the log level of "+op.Name+" to "+*op.Value+
			" as it is not a supported log level. Valid log levels are "+logger.ValidLevels())
	}
	return &level, nil
}
