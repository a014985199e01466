package resource

import (
	"weir/kafka/configdef"
)

// CheckConfiguration finds what keeps a cluster from using a revision of a configuration: what its Kafka version or its kind does not have or allow.
// None means that it can be used.
func CheckConfiguration(_ *Cluster, r *ConfigurationRevision) []Finding {
	lines, findings := configdef.ParseProperties(r.Text)
	for _, l := range lines {
		if err := configdef.ValidateBroker(l.Name, l.Value); err != nil {
			findings = append(findings, Finding{Line: l.Line, Property: l.Name, Message: err.Error()})
		}
	}
	return findings
}
