package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"weir/awsapi/front"
	"weir/control/resource"
	"weir/storage/tier"
)

// Config is everything that can be set. Its values come from, strongest first: flags, WEIR_* environment variables, the nearest weir.yaml in
// the working directory or above it, defaults. Settings lists the names.
type Config struct {
	Data     string // data directory
	API      string // host:port of the AWS APIs
	APIRate  int    // calls a second that an account may make of one service over time
	Quotas   string // how much of what MSK counts there may be, name=number,name=number; "" is what MSK allows
	Region   string // the region that is served
	Demo     bool   // have a cluster named demo
	Brokers  int    // of the demo cluster
	Log      string // where the log goes: "file" (log/weir.log in the data directory) or "stderr"
	LogLevel string // debug, info, warn or error
	Storage  string // settings of the brokers' storage, name=value,name=value; "" are the defaults

	S3Endpoint    string // of the object store that channels deliver to; "" is none
	S3Region      string // of the object store
	S3Credentials string // file with the object store's access key
}

// Default is the one list of defaults.
func Default() Config {
	return Config{
		Data:     ".weir",
		API:      "127.0.0.1:4566",
		APIRate:  front.CallRate,
		Region:   "us-east-1",
		Demo:     true,
		Brokers:  3,
		Log:      "file",
		LogLevel: "info",
		S3Region: "us-east-1",
	}
}

// Setting is one field of Config under its name: --name as a flag, WEIR_NAME in the environment, name: in weir.yaml.
type Setting struct {
	Name  string
	Usage string
	Value func(*Config) any // pointer to the field: *string, *bool or *int
}

// Settings are all settings there are.
func Settings() []Setting {
	return []Setting{
		{"data", "directory that keeps all state", func(c *Config) any { return &c.Data }},
		{"api", "address of the AWS APIs", func(c *Config) any { return &c.API }},
		{"api-rate", "calls a second that an account may make of one AWS service over time; four times as many at once", func(c *Config) any { return &c.APIRate }},
		{"quotas", "how much there may be of what MSK has quotas for, as name=number,name=number (docs/guide/limits.md)", func(c *Config) any { return &c.Quotas }},
		{"region", "AWS region to serve", func(c *Config) any { return &c.Region }},
		{"demo", "create a cluster named demo at the first start", func(c *Config) any { return &c.Demo }},
		{"brokers", "number of brokers of the demo cluster", func(c *Config) any { return &c.Brokers }},
		{"log", "where the log goes: file (log/weir.log in the data directory) or stderr", func(c *Config) any { return &c.Log }},
		{"log-level", "least level that is logged: debug, info, warn, error", func(c *Config) any { return &c.LogLevel }},
		{"storage", "when brokers move and drop data, as name=value,name=value (docs/guide/storage.md)", func(c *Config) any { return &c.Storage }},
		{"s3-endpoint", "URL of the S3-compatible store that channels deliver to (docs/guide/channels.md)", func(c *Config) any { return &c.S3Endpoint }},
		{"s3-region", "region of that store", func(c *Config) any { return &c.S3Region }},
		{"s3-credentials", "file with that store's access key, in the form of the AWS CLI's", func(c *Config) any { return &c.S3Credentials }},
	}
}

// Env is the setting's environment variable.
func (s Setting) Env() string { return "WEIR_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) }

// set parses text into the setting's field.
func (s Setting) set(c *Config, text string) error {
	var err error
	switch v := s.Value(c).(type) {
	case *string:
		*v = text
	case *bool:
		*v, err = strconv.ParseBool(text)
	case *int:
		*v, err = strconv.Atoi(text)
	default:
		panic(fmt.Sprintf("daemon: setting %s has a value of type %T", s.Name, v))
	}
	if err != nil {
		return fmt.Errorf("%q is not a value for it", text)
	}
	return nil
}

// Load layers what is below the flags: defaults, weir.yaml (the nearest in dir or above it), environment. lookup is os.LookupEnv.
func Load(dir string, lookup func(string) (string, bool)) (Config, error) {
	c := Default()
	if err := c.loadFile(dir); err != nil {
		return c, err
	}
	for _, s := range Settings() {
		if text, ok := lookup(s.Env()); ok {
			if err := s.set(&c, text); err != nil {
				return c, &Problem{
					What: "environment variable " + s.Env() + " is not usable", Why: err.Error(),
					Fix: "set it to what --" + s.Name + " takes: " + s.Usage, Code: ExitUsage,
				}
			}
		}
	}
	return c, nil
}

const fileName = "weir.yaml"

func (c *Config) loadFile(dir string) error {
	path, content, err := nearestFile(dir)
	if err != nil || path == "" {
		return err
	}
	var values map[string]any
	if err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return &Problem{What: path + " is not usable", Why: err.Error(), Fix: "repair the file or move it away", Code: ExitUsage, Err: err}
	}
	known := make(map[string]Setting)
	var names []string
	for _, s := range Settings() {
		known[s.Name] = s
		names = append(names, s.Name)
	}
	for name, value := range values {
		s, ok := known[name]
		if !ok {
			return &Problem{
				What: fmt.Sprintf("%s has the unknown key %q", path, name), Why: "known keys are " + strings.Join(names, ", "),
				Fix: fmt.Sprintf("did you mean %q?", Nearest(name, names)), Code: ExitUsage,
			}
		}
		if err := s.set(c, fmt.Sprint(value)); err != nil {
			return &Problem{What: fmt.Sprintf("%s: key %q is not usable", path, name), Why: err.Error(), Fix: s.Usage, Code: ExitUsage}
		}
		// A relative data directory in a file is meant from the file's place.
		if name == "data" && !filepath.IsAbs(c.Data) {
			c.Data = filepath.Join(filepath.Dir(path), c.Data)
		}
	}
	return nil
}

// fileBytesMax bounds a configuration file.
const fileBytesMax = 1 << 20

func nearestFile(dir string) (path string, content []byte, err error) {
	for {
		path := filepath.Join(dir, fileName)
		f, err := os.Open(path)
		if err == nil {
			defer f.Close()
			content, err := io.ReadAll(io.LimitReader(f, fileBytesMax))
			if err != nil {
				return "", nil, problem("cannot read "+path, err, "")
			}
			return path, content, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", nil, problem("cannot read "+path, err, "")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", nil, nil
		}
		dir = parent
	}
}

// Nearest returns the name with the fewest differences to name.
func Nearest(name string, names []string) string {
	best, least := "", 1<<30
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(before+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// apiRateMax is more than the control plane can answer.
const apiRateMax = 1_000_000

var regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

// Check finds values that cannot work.
func (c *Config) Check() error {
	usage := func(setting, why, fix string) error {
		return &Problem{What: "--" + setting + " is not usable", Why: why, Fix: fix, Code: ExitUsage}
	}
	if c.Data == "" {
		return usage("data", "it is empty", "name a directory")
	}
	host, port, err := net.SplitHostPort(c.API)
	if err != nil {
		return usage("api", err.Error(), "give it as 127.0.0.1:4566")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return usage("api", fmt.Sprintf("%q is not a port number", port), "give it as 127.0.0.1:4566")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usage("api", fmt.Sprintf("%q is not an address of this machine's loopback; the APIs have no TLS yet and are not served without it "+
			"elsewhere", host), "use 127.0.0.1, or a tunnel to it")
	}
	if c.APIRate < 1 || c.APIRate > apiRateMax {
		return usage("api-rate", fmt.Sprintf("%d is not between 1 and %d", c.APIRate, apiRateMax), "give a number of calls a second")
	}
	if _, err := resource.ParseQuotas(c.Quotas); err != nil {
		return usage("quotas", err.Error(), "give it as brokers=200,configurations=500")
	}
	if !regionForm.MatchString(c.Region) {
		return usage("region", fmt.Sprintf("%q does not look like a region", c.Region), "give it as us-east-1")
	}
	if c.Brokers < 1 || c.Brokers > 15 {
		return usage("brokers", fmt.Sprintf("%d is not between 1 and 15", c.Brokers), "a demo cluster has 1 to 15 brokers")
	}
	if c.Log != "file" && c.Log != "stderr" {
		return usage("log", fmt.Sprintf("%q is neither file nor stderr", c.Log), "use file or stderr")
	}
	if _, err := c.level(); err != nil {
		return usage("log-level", fmt.Sprintf("%q is not a level", c.LogLevel), "use debug, info, warn or error")
	}
	if c.S3Endpoint == "" && c.S3Credentials != "" {
		return usage("s3-credentials", "there is no --s3-endpoint to use them at", "name the object store with --s3-endpoint")
	}
	if _, err := tier.Parse(c.Storage); err != nil {
		return usage("storage", strings.TrimPrefix(err.Error(), "tier: "), "give it as flush-age=5m,flush-bytes=1GiB")
	}
	return nil
}

func (c *Config) level() (l slog.Level, err error) {
	err = l.UnmarshalText([]byte(c.LogLevel))
	return l, err
}
