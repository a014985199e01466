package configdef

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
)

func find(table []Config, name string) (*Config, bool) {
	i := sort.Search(len(table), func(i int) bool { return table[i].Name >= name })
	if i == len(table) || table[i].Name != name {
		return nil, false
	}
	return &table[i], true
}

// Validate checks one value. The messages are Kafka's where it has one.
func (c *Config) Validate(value string) error {
	shown := value
	if c.Sensitive() {
		shown = "[hidden]"
	}
	return c.validate(value, func(format string, args ...any) error {
		return fmt.Errorf("Invalid value %s for configuration %s: %s", shown, c.Name, fmt.Sprintf(format, args...)) //nolint:staticcheck // sent to clients as Kafka writes it
	})
}

// Reason is what is wrong with a value, without the value and the config's name; empty if nothing is.
func (c *Config) Reason(value string) string {
	err := c.validate(value, fmt.Errorf)
	if err == nil {
		return ""
	}
	return err.Error()
}

func (c *Config) validate(value string, invalid func(format string, args ...any) error) error {
	v := strings.TrimSpace(value)
	switch c.Type {
	case Boolean:
		if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
			return invalid("Expected value to be either true or false")
		}
	case Int, Short, Long:
		bits := map[Type]int{Int: 32, Short: 16, Long: 64}[c.Type]
		n, err := strconv.ParseInt(v, 10, bits)
		if err != nil {
			return invalid("Not a number of type %s", c.Type)
		}
		if msg := c.Bounds.check(float64(n)); msg != "" {
			return invalid("%s", msg)
		}
	case Double:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(f) {
			return invalid("Not a number of type %s", c.Type)
		}
		if msg := c.Bounds.check(f); msg != "" {
			return invalid("%s", msg)
		}
	case List:
		for _, e := range SplitList(v) {
			if c.OneOf != nil && e == "" {
				return fmt.Errorf("Configuration '%s' values must not be empty.", c.Name) //nolint:staticcheck // as above
			}
			if c.OneOf != nil && !slices.Contains(c.OneOf, e) {
				return fmt.Errorf("Invalid value %s for configuration %s: String must be one of: %s", e, c.Name, strings.Join(c.OneOf, ", ")) //nolint:staticcheck // as above
			}
			if strings.HasSuffix(c.Name, ".throttled.replicas") && !isReplica(e) && v != "*" {
				return invalid("%s must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...", c.Name)
			}
		}
	case String, Class, Password:
		if c.OneOf != nil && !slices.Contains(c.OneOf, v) {
			return invalid("String must be one of: %s", strings.Join(c.OneOf, ", "))
		}
	}
	if c.Check != nil {
		if err := c.Check(c, v); err != nil {
			return invalid("%s", err)
		}
	}
	switch {
	case !c.Null && c.same(v, c.Default):
	case c.Only != nil && len(c.Only) == 0:
		return invalid("it cannot be set: %s", c.Why)
	case c.Only != nil && !slices.ContainsFunc(c.Only, func(o string) bool { return c.same(v, o) }):
		return invalid("only %s is supported: %s", c.only(), c.Why)
	case c.Within.set():
		n, _ := strconv.ParseFloat(v, 64) // it is a number
		if msg := c.Within.check(n); msg != "" {
			return invalid("%s in Weir: %s", msg, c.Why)
		}
	}
	return nil
}

// same tells whether two valid values mean the same.
func (c *Config) same(v, w string) bool {
	switch c.Type {
	case Boolean:
		return strings.EqualFold(v, w)
	case Int, Short, Long:
		n, err1 := strconv.ParseInt(v, 10, 64)
		m, err2 := strconv.ParseInt(w, 10, 64)
		return err1 == nil && err2 == nil && n == m
	case Double:
		n, err1 := strconv.ParseFloat(v, 64)
		m, err2 := strconv.ParseFloat(w, 64)
		return err1 == nil && err2 == nil && n == m
	case List:
		return slices.Equal(SplitList(v), SplitList(w))
	case String, Class, Password:
	}
	return v == w
}

// only is the supported values in words.
func (c *Config) only() string {
	if s := strings.Join(c.Only, ", "); s != "" {
		return s
	}
	return "an empty value"
}

// canonical is a valid value as DescribeConfigs shows it: what the value says, as Kafka's types write it.
func (c *Config) canonical(value string) string {
	v := strings.TrimSpace(value)
	switch c.Type {
	case Boolean:
		return strings.ToLower(v)
	case Int, Short, Long:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case Double:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return javaDouble(f)
		}
	case List:
		var list []string
		for _, e := range SplitList(v) {
			if !slices.Contains(list, e) {
				list = append(list, e)
			}
		}
		return strings.Join(list, ",")
	case String, Class, Password:
	}
	return v
}

// javaDouble writes a number as Java does: with a digit on either side of the point, and with an exponent below a thousandth and from ten millions on.
func javaDouble(f float64) string {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-3 || a >= 1e7) {
		format = 'e'
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, format, -1, 64), "e")
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	if exponent == "" {
		return digits
	}
	n, _ := strconv.Atoi(exponent) // a number with its sign
	return digits + "E" + strconv.Itoa(n)
}

func (b Bounds) check(n float64) string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	if b.Or != nil {
		if n != *b.Or && (n < *b.Min || n > *b.Max) {
			return fmt.Sprintf("Value must be between %s and %s or equal to %s", number(*b.Min), number(*b.Max), number(*b.Or))
		}
		return ""
	}
	if b.Min != nil && n < *b.Min {
		return "Value must be at least " + number(*b.Min)
	}
	if b.Max != nil && n > *b.Max {
		return "Value must be no more than " + number(*b.Max)
	}
	return ""
}

func isReplica(s string) bool {
	p, b, ok := strings.Cut(s, ":")
	if !ok {
		return false
	}
	_, err1 := strconv.ParseUint(p, 10, 31)
	_, err2 := strconv.ParseUint(b, 10, 31)
	return err1 == nil && err2 == nil
}

// checkRetention allows what Kafka allows: a time, or none.
func checkRetention(c *Config, value string) error {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n != -1 && n < 1 {
		return fmt.Errorf("%s must be unlimited (-1) or, greater than or equal to 1", c.Name)
	}
	return nil
}

// checkMap wants what Kafka wants of one thread.
func checkMap(c *Config, value string) error {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n < 1<<20 {
		return fmt.Errorf("%s must be at least 1MB per cleaner thread.", c.Name) //nolint:staticcheck // as above
	}
	return nil
}

func checkOverrides(_ *Config, value string) error {
	_, err := ParseOverrides(value)
	return err
}

// ParseOverrides reads max.connections.per.ip.overrides: how many connections each address may have.
func ParseOverrides(value string) (map[netip.Addr]int64, error) {
	limits := make(map[netip.Addr]int64)
	for _, e := range SplitList(value) {
		colon := strings.LastIndexByte(e, ':')
		if colon < 0 {
			return nil, fmt.Errorf("%q is not an address and a limit with a colon between them", e)
		}
		addr, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(e[:colon]), "[]"))
		if err != nil {
			return nil, fmt.Errorf("%q does not begin with a numeric address, which Weir wants; names are not looked up", e)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(e[colon+1:]), 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("the limit of %q is not a number of connections", e)
		}
		limits[addr.Unmap()] = n
	}
	return limits, nil
}

// SplitList returns the elements of a list value.
func SplitList(v string) []string {
	if strings.TrimSpace(v) == "" {
		return nil
	}
	parts := strings.Split(v, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// ValidateTopic checks the configs of one topic, each and together.
func ValidateTopic(configs map[string]string) error {
	names := make([]string, 0, len(configs))
	for n := range configs {
		names = append(names, n)
	}
	slices.Sort(names) // the same message for the same mistake
	for _, n := range names {
		c, ok := Topic(n)
		if !ok {
			return fmt.Errorf("Unknown topic config name: %s", n) //nolint:staticcheck // as above
		}
		if err := c.Validate(configs[n]); err != nil {
			return err
		}
	}
	l := Layers{Topic: configs}
	if lo, hi := l.TopicInt("min.compaction.lag.ms"), l.TopicInt("max.compaction.lag.ms"); lo > hi {
		return fmt.Errorf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", lo, hi)
	}
	return nil
}

// ValidateBroker checks one broker config. Unknown names are an error.
func ValidateBroker(name, value string) error {
	c, ok := Broker(name)
	if !ok {
		return fmt.Errorf("Unknown broker config name: %s", name) //nolint:staticcheck // as above
	}
	return c.Validate(value)
}

// pools are the configs of numbers of threads, which Kafka lets grow and shrink by half steps.
var pools = []string{"background.threads", "num.io.threads", "num.network.threads", "num.recovery.threads.per.data.dir", "num.replica.fetchers", "remote.log.reader.threads"}

// ValidateChange checks the configs of a broker, or of all, that are about to change from before to after, for what concerns more than one value.
func ValidateChange(before, after Layers) error {
	if after.BrokerInt("max.connections.per.ip") == 0 && after.BrokerString("max.connections.per.ip.overrides") == "" {
		return errors.New("max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.") //nolint:staticcheck // as above
	}
	for _, name := range pools {
		now, next := before.BrokerInt(name), after.BrokerInt(name)
		switch {
		case next > 2*now:
			return fmt.Errorf("Dynamic thread count update validation failed for %s=%d, value should not be greater than double the current value %d", name, next, now) //nolint:staticcheck // as above
		case next < now/2:
			return fmt.Errorf("Dynamic thread count update validation failed for %s=%d, value should be at least half the current value %d", name, next, now) //nolint:staticcheck // as above
		}
	}
	return nil
}
