package kafka

import (
	"cmp"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// From where clients may connect: recorded, checked and shown now, enforced later (docs/adr/0006).

// The types of public access.
const (
	publicAccessOff = "DISABLED"
	publicAccessOn  = "SERVICE_PROVIDED_EIPS"
)

// withConnectivity returns k with what a request says about connectivity. What the request does not mention stays.
func withConnectivity(k resource.Connectivity, in *gen.ConnectivityInfo) (resource.Connectivity, error) {
	if in == nil {
		return k, nil
	}
	if p := in.PublicAccess; p != nil && p.Type != nil {
		if *p.Type != publicAccessOff && *p.Type != publicAccessOn {
			return k, badRequest("publicAccess.type", "Unknown type of public access [%s]. Valid values: [%s, %s]", *p.Type, publicAccessOff, publicAccessOn)
		}
		k.PublicAccess = *p.Type
	}
	if v := in.VpcConnectivity; v != nil && v.ClientAuthentication != nil {
		a := resource.ClientAuthentication{}
		if k.VPC != nil {
			a = *k.VPC
		}
		if s := v.ClientAuthentication.Sasl; s != nil {
			if s.Scram != nil && s.Scram.Enabled != nil {
				a.SCRAM = s.Scram.Enabled
			}
			if s.Iam != nil && s.Iam.Enabled != nil {
				a.IAM = s.Iam.Enabled
			}
		}
		if t := v.ClientAuthentication.Tls; t != nil && t.Enabled != nil {
			a.TLS = t.Enabled
		}
		k.VPC = &a
	}
	if in.NetworkType != "" {
		k.NetworkType = string(in.NetworkType)
	}
	return k, nil
}

// vpcWays are the ways of authentication for which connections from other VPCs are allowed.
func vpcWays(k *resource.Connectivity) ways {
	if k.VPC == nil {
		return ways{}
	}
	return ways{scram: deref(k.VPC.SCRAM), iam: deref(k.VPC.IAM), tls: deref(k.VPC.TLS)}
}

func publicAccess(k *resource.Connectivity) string { return cmp.Or(k.PublicAccess, publicAccessOff) }

func networkType(k *resource.Connectivity) gen.NetworkType {
	return cmp.Or(gen.NetworkType(k.NetworkType), gen.NetworkTypeIpv4)
}

// connectivity shows every switch, also those that nobody touched: Terraform computes the block from what is described.
func connectivity(k *resource.Connectivity) *gen.ConnectivityInfo {
	w := vpcWays(k)
	return &gen.ConnectivityInfo{
		PublicAccess: &gen.PublicAccess{Type: new(publicAccess(k))},
		VpcConnectivity: &gen.VpcConnectivity{ClientAuthentication: &gen.VpcConnectivityClientAuthentication{
			Sasl: &gen.VpcConnectivitySasl{
				Scram: &gen.VpcConnectivityScram{Enabled: new(w.scram)}, Iam: &gen.VpcConnectivityIam{Enabled: new(w.iam)},
			},
			Tls: &gen.VpcConnectivityTls{Enabled: new(w.tls)},
		}},
		NetworkType: networkType(k),
	}
}
