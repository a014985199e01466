package front

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"weir/awsapi"
)

// checkOrigin keeps web pages out: a page that resolves its own name to our address (DNS rebinding) sends that name as Host, and a page of
// another site sends its Origin. Programs send neither.
func (f *Front) checkOrigin(r *http.Request) *awsapi.Fault {
	if !f.allowedHost(r.Host) {
		return awsapi.NewFault(http.StatusForbidden, "AccessDeniedException",
			"The host name of this request is not one that this endpoint is served under; add it to the configured host names if it should be.")
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		u, err := url.Parse(origins[0])
		if err != nil || len(origins) > 1 || !strings.EqualFold(u.Host, r.Host) {
			return awsapi.NewFault(http.StatusForbidden, "AccessDeniedException", "Requests from pages of other origins are not served.")
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	}
	return awsapi.NewFault(http.StatusForbidden, "AccessDeniedException", "Requests from pages of other origins are not served.")
}

func (f *Front) allowedHost(hostport string) bool {
	h := normalHost(hostport)
	if h == "localhost" || strings.HasSuffix(h, ".localhost") { // RFC 6761: never anything but the loopback
		return true
	}
	if ip, err := netip.ParseAddr(h); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	return f.hosts[h]
}

// normalHost is a Host header without port, brackets and the root's dot, in lower case.
func normalHost(hostport string) string {
	h := hostport
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		h = host
	}
	h = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
	return strings.ToLower(strings.TrimSuffix(h, "."))
}
