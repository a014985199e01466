// Package upstream keeps the modules in go.mod whose tests package weir/test/upstream runs.
package upstream

import (
	_ "github.com/IBM/sarama"
	_ "github.com/twmb/franz-go/pkg/kgo"
)
