package configdef

// clientMetricsConfigs are those of a subscription to the metrics of clients (KIP-714), sorted by name.
var clientMetricsConfigs = []Config{
	{Name: "interval.ms", Type: Int, Default: "300000", Doc: "How often clients push their metrics: 100 to 3600000."},
	{Name: "match", Type: List, Default: "", Doc: "Which clients: regular expressions (RE2) for client_instance_id, client_id, client_software_name, client_software_version, client_source_address and client_source_port, as name=expression. All of them must match; empty is every client."},
	{Name: "metrics", Type: List, Default: "", Doc: "Prefixes of the names of metrics; * is all, empty none."},
}

// ClientMetrics returns the config of subscriptions to clients' metrics of that name.
func ClientMetrics(name string) (*Config, bool) { return find(clientMetricsConfigs, name) }

// ClientMetricsAll returns all configs of subscriptions to clients' metrics, sorted by name.
func ClientMetricsAll() []Config { return clientMetricsConfigs }

// DescribeClientMetrics returns the configs of a subscription with their values.
func DescribeClientMetrics(values map[string]string) []Entry {
	es := make([]Entry, len(clientMetricsConfigs))
	for i := range clientMetricsConfigs {
		c := &clientMetricsConfigs[i]
		es[i] = Entry{Config: c, Value: c.Default, Source: DefaultConfig}
		if v, ok := values[c.Name]; ok {
			es[i].Value, es[i].Source = v, ClientMetricsConfig
			es[i].Candidates = []Candidate{{Name: c.Name, Value: v, Source: ClientMetricsConfig, factor: 1}}
		}
	}
	return es
}
