package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"weir/control/resource"
	"weir/kafka/configdef"
	"weir/metadata"
)

// PropertiesBytesMax is the longest server.properties that the API takes, and so the most that is read of a file.
const PropertiesBytesMax = 64 << 10

// ConfigurationTarget is what a configuration has to fit. The zero value is some cluster of some version.
type ConfigurationTarget struct {
	Cluster      string // name or ARN; needs a running weir up
	KafkaVersion string
}

// ConfigurationFinding is something that is wrong with a line of a configuration, or, in ConfigurationCheck.Notes, worth to know.
type ConfigurationFinding struct {
	Line     int    `json:"line,omitempty"` // from 1; 0 if there is none to name
	Property string `json:"name,omitempty"`
	Message  string `json:"message"`
}

// ConfigurationCheck is what was found. Findings are what the API would refuse; Notes are properties that are taken and do nothing.
type ConfigurationCheck struct {
	Properties int                    `json:"properties"`
	Findings   []ConfigurationFinding `json:"findings"`
	Notes      []ConfigurationFinding `json:"notes"`
}

// CheckConfiguration checks the text of a configuration by the rules of CreateConfiguration, and for a cluster by those of
// UpdateClusterConfiguration as well. Nothing is changed. Without a cluster it needs no weir up.
func CheckConfiguration(ctx context.Context, data, text string, target ConfigurationTarget) (*ConfigurationCheck, error) {
	var versions []string
	var kind metadata.ClusterKind
	if v := target.KafkaVersion; v != "" {
		if _, ok := resource.LookupKafkaVersion(v); !ok {
			return nil, unknownVersion(v)
		}
		versions = []string{v}
	}
	if target.Cluster != "" {
		c, err := dialAPI(ctx, data)
		if err != nil {
			return nil, err
		}
		of, err := c.configured(ctx, target.Cluster)
		if err != nil {
			return nil, err
		}
		if kind = of.Kind(); kind == metadata.Serverless {
			return nil, noConfiguration(target.Cluster)
		}
		if versions == nil { // else it is asked what an update of the version would meet
			versions = []string{of.KafkaVersion}
		}
	}
	check := &ConfigurationCheck{Findings: []ConfigurationFinding{}, Notes: []ConfigurationFinding{}}
	wrong := make(map[int]bool)
	for _, f := range resource.CheckProperties(text, versions, kind) {
		wrong[f.Line] = true
		check.Findings = append(check.Findings, ConfigurationFinding(f))
	}
	properties, _ := configdef.ParseProperties(text)
	check.Properties = len(properties)
	for _, p := range properties {
		if d, ok := configdef.Broker(p.Name); ok && !d.HasEffect() && !wrong[p.Line] {
			check.Notes = append(check.Notes, ConfigurationFinding{Line: p.Line, Property: p.Name, Message: string(d.Effect)})
		}
	}
	return check, nil
}

func unknownVersion(name string) *Problem {
	var names []string
	for _, v := range resource.KafkaVersions() {
		names = append(names, v.Name)
	}
	p := &Problem{What: fmt.Sprintf("there is no Kafka version %q", name), Fix: "use one of " + strings.Join(names, ", "), Code: ExitUsage}
	if near := Nearest(name, names); near != "" {
		p.Fix = "did you mean " + near + "? " + p.Fix
	}
	return p
}

func noConfiguration(cluster string) *Problem {
	return &Problem{What: cluster + " is a serverless cluster: it has no configuration", Fix: "see docs/guide/serverless.md", Code: ExitConflict}
}

// How a change of a property comes into effect.
const (
	AppliesLive     = "at once"         // running brokers follow
	AppliesRestart  = "rolling restart" // brokers restart, one after the other
	AppliesSameness = "same value"      // written in another way
)

// unset is shown where a property is not set and has no default.
const unset = "-"

// PropertyChange is a property that has another value in one configuration than in another. A value that is nowhere set is Kafka's default.
type PropertyChange struct {
	Name        string `json:"name"`
	From        string `json:"from"`
	FromDefault bool   `json:"fromDefault,omitempty"`
	To          string `json:"to"`
	ToDefault   bool   `json:"toDefault,omitempty"`
	Applies     string `json:"applies"`
	NoEffect    bool   `json:"noEffect,omitempty"` // nothing depends on the property
}

// ConfigurationDiff is what changes from one configuration to another: the properties that differ, by name.
type ConfigurationDiff struct {
	From    string           `json:"from"`
	To      string           `json:"to"`
	Changes []PropertyChange `json:"changes"`
	Restart bool             `json:"restart"` // whether brokers have to restart
	// Findings are what keeps the cluster from using the second one.
	Findings []ConfigurationFinding `json:"findings"`
}

// DiffConfigurations compares configurations, each named as NAME, NAME:REVISION, ARN, ARN:REVISION (without a revision: the newest) or
// file://PATH. With a cluster, from is empty and to is compared with what holds for the cluster now, defaults included. Nothing is changed.
func DiffConfigurations(ctx context.Context, data, cluster, from, to string) (*ConfigurationDiff, error) {
	var c *apiClient
	for _, ref := range []string{from, to} {
		if _, file := strings.CutPrefix(ref, fileScheme); (!file && ref != "") || cluster != "" {
			var err error
			if c, err = dialAPI(ctx, data); err != nil {
				return nil, err
			}
			break
		}
	}
	d := &ConfigurationDiff{From: from, To: to, Changes: []PropertyChange{}, Findings: []ConfigurationFinding{}}
	text, err := c.properties(ctx, to)
	if err != nil {
		return nil, err
	}
	after := values(text)
	var before map[string]string
	if cluster == "" {
		old, err := c.properties(ctx, from)
		if err != nil {
			return nil, err
		}
		before = values(old)
	} else {
		of, err := c.configured(ctx, cluster)
		if err != nil {
			return nil, err
		}
		if of.Kind() == metadata.Serverless {
			return nil, noConfiguration(cluster)
		}
		var custom map[string]string
		d.From = "cluster " + cluster
		if ref := of.Configuration; ref.ARN != "" {
			old, err := c.revision(ctx, ref.ARN, ref.Revision)
			if err != nil {
				return nil, err
			}
			custom = values(old)
		}
		before = resource.Properties(of, custom)
		for _, f := range resource.CheckProperties(text, []string{of.KafkaVersion}, of.Kind()) {
			d.Findings = append(d.Findings, ConfigurationFinding(f))
		}
		after = resource.Properties(of, after)
	}
	d.compare(before, after)
	return d, nil
}

func (d *ConfigurationDiff) compare(before, after map[string]string) {
	restart := configdef.NeedsRestart(before, after)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, n := range slices.Sorted(maps.Keys(names)) {
		def, known := configdef.Broker(n)
		value := func(in map[string]string) (string, bool) {
			v, ok := in[n]
			switch {
			case ok && known && def.Sensitive():
				return "[hidden]", false
			case !ok && known && !def.Null:
				return def.Default, true
			case !ok:
				return unset, true
			}
			return v, !ok
		}
		p := PropertyChange{Name: n, Applies: AppliesLive, NoEffect: known && !def.HasEffect()}
		p.From, p.FromDefault = value(before)
		p.To, p.ToDefault = value(after)
		if before[n] == after[n] && p.FromDefault == p.ToDefault {
			continue
		}
		switch {
		case slices.Contains(restart, n):
			p.Applies, d.Restart = AppliesRestart, true
		case known && (p.From == p.To && !def.Sensitive() || !def.Live()):
			p.Applies = AppliesSameness
		}
		d.Changes = append(d.Changes, p)
	}
}

// values is what a text sets. Lines that are in error set nothing; CheckProperties names them.
func values(text string) map[string]string {
	properties, _ := configdef.ParseProperties(text)
	out := make(map[string]string, len(properties))
	for _, p := range properties {
		out[p.Name] = p.Value
	}
	return out
}

// configured is what of a cluster decides about its configuration.
func (c *apiClient) configured(ctx context.Context, name string) (*resource.Cluster, error) {
	s, err := c.cluster(name)
	if err != nil {
		return nil, err
	}
	var out struct {
		ClusterInfo struct {
			ClusterType string
			Provisioned struct {
				BrokerNodeGroupInfo struct {
					ClientSubnets []string
					InstanceType  string
				}
				CurrentBrokerSoftwareInfo struct {
					ConfigurationArn      string
					ConfigurationRevision int64
					KafkaVersion          string
				}
				StorageMode string
			}
		}
	}
	if err := c.call(ctx, "kafka", http.MethodGet, "/api/v2/clusters/"+segment(&s.ARN), nil, nil, &out); err != nil {
		return nil, err
	}
	p := &out.ClusterInfo.Provisioned
	if out.ClusterInfo.ClusterType == "SERVERLESS" {
		return &resource.Cluster{Name: s.Name, Type: metadata.Serverless}, nil
	}
	software := &p.CurrentBrokerSoftwareInfo
	return &resource.Cluster{
		Name: s.Name, KafkaVersion: software.KafkaVersion, InstanceType: p.BrokerNodeGroupInfo.InstanceType, StorageMode: p.StorageMode,
		Subnets:       make([]resource.ClientSubnet, len(p.BrokerNodeGroupInfo.ClientSubnets)),
		Configuration: resource.ConfigurationRef{ARN: software.ConfigurationArn, Revision: software.ConfigurationRevision},
	}, nil
}

const fileScheme = "file://"

// properties is the text of a configuration by its name on the command line; see DiffConfigurations. c may be nil for files.
func (c *apiClient) properties(ctx context.Context, ref string) (string, error) {
	if path, ok := strings.CutPrefix(ref, fileScheme); ok {
		return ReadProperties(path, nil)
	}
	name, revision := ref, int64(0)
	if i := strings.LastIndexByte(ref, ':'); i >= 0 && !strings.Contains(ref[i:], "/") {
		n, err := strconv.ParseInt(ref[i+1:], 10, 64)
		if err != nil || n < 1 {
			return "", &Problem{
				What: fmt.Sprintf("%q is no revision of a configuration", ref[i+1:]), Fix: "name a configuration as NAME:2 or ARN:2", Code: ExitUsage,
			}
		}
		name, revision = ref[:i], n
	}
	arn, latest, err := c.configuration(ctx, name)
	if err != nil {
		return "", err
	}
	if revision == 0 {
		revision = latest
	}
	return c.revision(ctx, arn, revision)
}

// configuration finds a configuration by name or ARN.
func (c *apiClient) configuration(ctx context.Context, name string) (arn string, latest int64, err error) {
	var names []string
	token := ""
	for {
		var out struct {
			Configurations []struct {
				Arn, Name      string
				LatestRevision struct{ Revision int64 }
			}
			NextToken string
		}
		path := "/v1/configurations"
		if token != "" {
			path += "?nextToken=" + url.QueryEscape(token)
		}
		if err := c.call(ctx, "kafka", http.MethodGet, path, nil, nil, &out); err != nil {
			return "", 0, err
		}
		for _, k := range out.Configurations {
			if k.Name == name || k.Arn == name {
				return k.Arn, k.LatestRevision.Revision, nil
			}
			names = append(names, k.Name)
		}
		if token = out.NextToken; token == "" {
			break
		}
	}
	p := &Problem{What: fmt.Sprintf("there is no configuration %q", name), Fix: "see aws kafka list-configurations", Code: ExitNotFound}
	if near := Nearest(name, names); near != "" {
		p.Fix = "did you mean " + near + "? " + p.Fix
	}
	if _, err := os.Stat(name); err == nil {
		p.Fix = "for the file of that name, say " + fileScheme + name
	}
	return "", 0, p
}

func (c *apiClient) revision(ctx context.Context, arn string, number int64) (string, error) {
	var out struct{ ServerProperties []byte }
	path := "/v1/configurations/" + segment(&arn) + "/revisions/" + strconv.FormatInt(number, 10)
	err := c.call(ctx, "kafka", http.MethodGet, path, nil, nil, &out)
	return string(out.ServerProperties), err
}

// ReadProperties reads a file that may be a configuration; "-" is what stdin gives.
func ReadProperties(path string, stdin io.Reader) (string, error) {
	from := stdin
	if path != "-" || stdin == nil {
		f, err := os.Open(path)
		if err != nil {
			code := ExitFailed
			if errors.Is(err, os.ErrNotExist) {
				code = ExitNotFound
			}
			return "", &Problem{What: "cannot read the configuration", Why: err.Error(), Code: code, Err: err}
		}
		defer f.Close() //nolint:errcheck // it was only read
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, PropertiesBytesMax+1))
	if err != nil {
		return "", problem("cannot read the configuration", err, "")
	}
	if len(b) > PropertiesBytesMax {
		return "", &Problem{
			What: fmt.Sprintf("%s is too long", path), Why: fmt.Sprintf("a configuration can have at most %d bytes", PropertiesBytesMax), Code: ExitFailed,
		}
	}
	return string(b), nil
}
