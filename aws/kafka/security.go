package kafka

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// Who may connect, and how: recorded, checked and shown now, enforced later (docs/adr/0006).

// clientBrokerDefault is the encryption between clients and brokers of a cluster for which nobody chose one.
const clientBrokerDefault = gen.ClientBrokerTls

func clientBroker(s *resource.Security) gen.ClientBroker {
	return cmp.Or(gen.ClientBroker(s.ClientBroker), clientBrokerDefault)
}

// ways are the ways of client authentication that are on.
type ways struct{ scram, iam, tls, open bool }

// waysOf says which ways are on. Unless it was said, anybody may connect only where there is no other way.
func waysOf(a *resource.ClientAuthentication) ways {
	if a == nil {
		return ways{open: true}
	}
	w := ways{scram: deref(a.SCRAM), iam: deref(a.IAM), tls: deref(a.TLS)}
	if w.open = !w.secured(); a.Unauthenticated != nil {
		w.open = *a.Unauthenticated
	}
	return w
}

func (w ways) secured() bool { return w.scram || w.iam || w.tls }

// names are the names of the ways that need a secured connection.
func (w ways) names() string {
	var on []string
	for _, way := range []struct {
		on   bool
		name string
	}{{w.scram, "SASL/SCRAM"}, {w.iam, "SASL/IAM"}, {w.tls, "mutual TLS"}} {
		if way.on {
			on = append(on, way.name)
		}
	}
	return strings.Join(on, ", ")
}

// certificateAuthority is the form of the ARN of a private certificate authority.
var certificateAuthority = regexp.MustCompile(`^arn:aws:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/[0-9A-Za-z-]+$`)

// withAuthentication returns s with what a request says about client authentication. What the request does not mention stays.
func withAuthentication(s resource.Security, in *gen.ClientAuthentication) (resource.Security, error) {
	if in == nil {
		return s, nil
	}
	a := resource.ClientAuthentication{}
	if s.ClientAuthentication != nil {
		a = *s.ClientAuthentication
	}
	if in.Unauthenticated != nil && in.Unauthenticated.Enabled != nil {
		a.Unauthenticated = in.Unauthenticated.Enabled
	}
	if in.Sasl != nil {
		if in.Sasl.Scram != nil && in.Sasl.Scram.Enabled != nil {
			a.SCRAM = in.Sasl.Scram.Enabled
		}
		if in.Sasl.Iam != nil && in.Sasl.Iam.Enabled != nil {
			a.IAM = in.Sasl.Iam.Enabled
		}
	}
	if t := in.Tls; t != nil {
		for i, arn := range t.CertificateAuthorityArnList {
			switch {
			case !certificateAuthority.MatchString(arn):
				return s, badRequest("certificateAuthorityArnList", "%q is not the ARN of a private certificate authority.", arn)
			case slices.Contains(t.CertificateAuthorityArnList[:i], arn):
				return s, badRequest("certificateAuthorityArnList", "The certificate authority %s is given twice.", arn)
			}
		}
		if t.CertificateAuthorityArnList != nil {
			s.CertificateAuthority = slices.Clone(t.CertificateAuthorityArnList)
		}
		switch {
		case t.Enabled != nil:
			a.TLS = t.Enabled
		case len(t.CertificateAuthorityArnList) > 0: // the older form of the request switches it on by naming authorities
			a.TLS = new(true)
		}
		if !deref(a.TLS) {
			s.CertificateAuthority = nil
		}
	}
	s.ClientAuthentication = &a
	return s, nil
}

// checkSecurity checks that the ways of authentication and the encryption go together, as the service's own table has it.
func checkSecurity(s *resource.Security, inCluster bool) error {
	w, broker := waysOf(s.ClientAuthentication), clientBroker(s)
	const parameter = "encryptionInfo.encryptionInTransit.clientBroker"
	switch {
	case !w.open && !w.secured():
		return badRequest("clientAuthentication", "Enable at least one way of client authentication: unauthenticated, sasl.scram, sasl.iam or tls.")
	case w.tls && len(s.CertificateAuthority) == 0:
		return badRequest("certificateAuthorityArnList", "TLS client authentication needs the ARN of at least one private certificate authority.")
	case w.secured() && broker == gen.ClientBrokerPlaintext:
		return badRequest(parameter, "The client authentication [%s] can't be combined with clientBroker [%s]. Valid values: [%s]",
			w.names(), broker, clientBrokersFor(w))
	case w.secured() && !w.open && !w.tls && broker == gen.ClientBrokerTlsPlaintext:
		return badRequest(parameter, "The client authentication [%s] can't be combined with clientBroker [%s] unless unauthenticated access is enabled. "+
			"Valid values: [%s]", w.names(), broker, clientBrokersFor(w))
	case w.secured() && !inCluster:
		return badRequest("encryptionInfo.encryptionInTransit.inCluster",
			"The client authentication [%s] needs encryption between brokers, which the cluster doesn't have.", w.names())
	}
	return nil
}

func clientBrokersFor(w ways) string {
	if w.tls || w.open {
		return string(gen.ClientBrokerTls) + ", " + string(gen.ClientBrokerTlsPlaintext)
	}
	return string(gen.ClientBrokerTls)
}

func clientAuthentication(s *resource.Security) *gen.ClientAuthentication {
	w := s.ClientAuthentication
	if w == nil {
		return nil
	}
	out := &gen.ClientAuthentication{}
	if w.Unauthenticated != nil {
		out.Unauthenticated = &gen.Unauthenticated{Enabled: w.Unauthenticated}
	}
	if w.SCRAM != nil || w.IAM != nil {
		out.Sasl = &gen.Sasl{}
		if w.SCRAM != nil {
			out.Sasl.Scram = &gen.Scram{Enabled: w.SCRAM}
		}
		if w.IAM != nil {
			out.Sasl.Iam = &gen.Iam{Enabled: w.IAM}
		}
	}
	if w.TLS != nil {
		out.Tls = &gen.Tls{Enabled: w.TLS, CertificateAuthorityArnList: s.CertificateAuthority}
	}
	return out
}

// encryption shows the keys and switches that the cluster was given. Without any they are the service's defaults.
func encryption(c *resource.Cluster) *gen.EncryptionInfo {
	out := &gen.EncryptionInfo{EncryptionInTransit: &gen.EncryptionInTransit{
		ClientBroker: clientBroker(&c.Security), InCluster: new(c.InCluster),
	}}
	if c.KMSKey != "" {
		out.EncryptionAtRest = &gen.EncryptionAtRest{DataVolumeKMSKeyId: new(c.KMSKey)}
	}
	return out
}
