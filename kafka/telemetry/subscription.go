package telemetry

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/kafka/configdef"
)

// The configs of a subscription.
const (
	intervalConfig = "interval.ms"
	matchConfig    = "match"
	metricsConfig  = "metrics"
)

// AllMetrics in a subscription asks for all metrics.
const AllMetrics = "*"

const (
	intervalDefault        = 5 * time.Minute
	intervalMin            = 100
	intervalMax            = 3_600_000
	expressionBytesMax int = 1_000
)

// Subscription says what some clients are asked for.
type Subscription struct {
	Interval time.Duration
	Metrics  []string // prefixes of names, or AllMetrics
	match    map[string]*regexp.Regexp
}

// Refusal is what is wrong with a subscription, as Kafka says it.
type Refusal struct {
	Message string
	Request bool // INVALID_REQUEST rather than INVALID_CONFIG
}

func (r *Refusal) Error() string { return r.Message }

// attributes are what clients can be matched by.
func attributes() []string {
	return []string{"client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address", "client_source_port"}
}

// Parse reads the configs of a subscription; its error is a *Refusal.
func Parse(configs map[string]string) (*Subscription, error) {
	s := &Subscription{Interval: intervalDefault}
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		if _, ok := configdef.ClientMetrics(name); !ok {
			return nil, &Refusal{"Unknown client metrics configuration: " + name, true}
		}
	}
	if v, ok := configs[intervalConfig]; ok {
		c, _ := configdef.ClientMetrics(intervalConfig)
		if err := c.Validate(v); err != nil {
			return nil, &Refusal{Message: err.Error()}
		}
		n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 32)
		if n < intervalMin || n > intervalMax {
			return nil, &Refusal{fmt.Sprintf("Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 hour)", n), true}
		}
		s.Interval = time.Duration(n) * time.Millisecond
	}
	s.Metrics = configdef.SplitList(strings.TrimSpace(configs[metricsConfig]))
	for _, pattern := range configdef.SplitList(strings.TrimSpace(configs[matchConfig])) {
		name, expression, ok := strings.Cut(pattern, "=")
		name, expression = strings.TrimSpace(name), strings.TrimSpace(expression)
		if !ok || expression == "" || strings.Contains(expression, "=") || len(expression) > expressionBytesMax || !slices.Contains(attributes(), name) {
			return nil, &Refusal{Message: "Illegal client matching pattern: " + pattern}
		}
		re, err := regexp.Compile("^(?:" + expression + ")$")
		if err != nil {
			return nil, &Refusal{Message: "Illegal client matching pattern: " + pattern}
		}
		if s.match == nil {
			s.match = make(map[string]*regexp.Regexp)
		}
		s.match[name] = re
	}
	return s, nil
}

// matches tells whether the subscription is for the client.
func (s *Subscription) matches(c *Client) bool {
	for name, re := range s.match {
		if !re.MatchString(c.attribute(name)) {
			return false
		}
	}
	return true
}
