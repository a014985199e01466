package sigv4

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds on what a client sends before anything is known of it.
const (
	accessKeyMax     = 128 // as IAM's
	signedHeadersMax = 64
)

// Parse reads a request's claim. Errors are *Error.
func Parse(r *Request) (*Claim, error) {
	query, err := parseQuery(r.Query)
	if err != nil {
		return nil, err
	}
	headers := r.Header.Values("Authorization")
	presigned := slices.ContainsFunc(query, func(p pair) bool { return p.key == "X-Amz-Signature" || p.key == "X-Amz-Algorithm" })
	switch {
	case presigned && len(headers) > 0:
		return nil, fail(Ambiguous, "The request is signed both in the Authorization header and in the query string.")
	case len(headers) > 1:
		return nil, fail(Ambiguous, "The request has %d Authorization headers.", len(headers))
	case presigned:
		return parsePresigned(r, query)
	case len(headers) == 0:
		return nil, fail(Missing, "Missing Authentication Token")
	}
	return parseHeader(r, headers[0])
}

func parseHeader(r *Request, authorization string) (*Claim, error) {
	scheme, rest, _ := strings.Cut(authorization, " ")
	if scheme != algorithm {
		return nil, fail(Malformed, "Authorization header requires the algorithm %s.", algorithm)
	}
	c := &Claim{}
	var seen []string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || slices.Contains(seen, name) {
			return nil, fail(Malformed, "The Authorization header is not of the form %s Credential=..., SignedHeaders=..., Signature=...", algorithm)
		}
		seen = append(seen, name)
		var err error
		switch name {
		case "Credential":
			err = c.setCredential(value)
		case "SignedHeaders":
			err = c.setSignedHeaders(value)
		case "Signature":
			err = c.setSignature(value)
		default:
			err = fail(Malformed, "The Authorization header has a part that is not known.")
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if !slices.Contains(seen, name) {
			return nil, fail(Malformed, "Authorization header requires '%s' parameter.", name)
		}
	}
	if err := c.setHeaderTime(r); err != nil {
		return nil, err
	}
	c.SessionToken = r.Header.Get("X-Amz-Security-Token")
	c.payloadHash = r.Header.Get("X-Amz-Content-Sha256")
	if err := c.checkPayloadForm(r.Method); err != nil {
		return nil, err
	}
	return c, nil
}

// setHeaderTime takes X-Amz-Date, or Date when there is no other; the one taken must be signed.
func (c *Claim) setHeaderTime(r *Request) error {
	if stamp := r.Header.Get("X-Amz-Date"); stamp != "" {
		if !slices.Contains(c.signedHeaders, "x-amz-date") {
			return fail(Malformed, "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.")
		}
		return c.setTime(stamp)
	}
	date := r.Header.Get("Date")
	if date == "" {
		return fail(Malformed, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if !slices.Contains(c.signedHeaders, "date") {
		return fail(Malformed, "'Date' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if t, err := http.ParseTime(date); err == nil {
		date = t.UTC().Format(dateFormat)
	}
	return c.setTime(date)
}

func parsePresigned(r *Request, query []pair) (*Claim, error) {
	c := &Claim{Presigned: true}
	values := map[string]string{}
	for _, p := range query {
		if !strings.HasPrefix(p.key, "X-Amz-") {
			continue
		}
		if _, twice := values[p.key]; twice {
			return nil, fail(Ambiguous, "The query parameter %s is given twice.", p.key)
		}
		values[p.key] = p.value
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "SignedHeaders", "Signature"} {
		if values["X-Amz-"+name] == "" {
			return nil, fail(Malformed, "AWS query-string parameters must include 'X-Amz-%s'.", name)
		}
	}
	if values["X-Amz-Algorithm"] != algorithm {
		return nil, fail(Malformed, "X-Amz-Algorithm must be %s.", algorithm)
	}
	c.Expires = expiresDefault
	if given, ok := values["X-Amz-Expires"]; ok {
		seconds, err := strconv.ParseUint(given, 10, 32)
		if c.Expires = time.Duration(seconds) * time.Second; err != nil || c.Expires < time.Second || c.Expires > expiresMax {
			return nil, fail(Malformed, "X-Amz-Expires must be a number of seconds from 1 to %d.", int(expiresMax.Seconds()))
		}
	}
	for _, err := range []error{
		c.setCredential(values["X-Amz-Credential"]),
		c.setSignedHeaders(values["X-Amz-SignedHeaders"]),
		c.setSignature(values["X-Amz-Signature"]),
		c.setTime(values["X-Amz-Date"]),
	} {
		if err != nil {
			return nil, err
		}
	}
	c.SessionToken = values["X-Amz-Security-Token"]
	c.payloadHash = values["X-Amz-Content-Sha256"]
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" {
		if c.payloadHash != "" && c.payloadHash != h {
			return nil, fail(Ambiguous, "X-Amz-Content-Sha256 differs between header and query string.")
		}
		c.payloadHash = h
	}
	if err := c.checkPayloadForm(r.Method); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Claim) setCredential(s string) error {
	p := strings.Split(s, "/")
	if len(p) != 5 || slices.Contains(p, "") {
		return fail(Malformed, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request.")
	}
	if len(p[0]) > accessKeyMax {
		return fail(Malformed, "The access key id is longer than %d characters.", accessKeyMax)
	}
	for _, part := range p {
		if strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fail(Malformed, "Credential holds characters that are not allowed.")
		}
	}
	if p[4] != terminator {
		return fail(BadScope, "Credential should be scoped with a valid terminator: '%s'.", terminator)
	}
	c.AccessKey, c.Date, c.Region, c.Service = p[0], p[1], p[2], p[3]
	return nil
}

func (c *Claim) setSignedHeaders(s string) error {
	names := strings.Split(s, ";")
	if len(names) > signedHeadersMax {
		return fail(Malformed, "SignedHeaders names more than %d headers.", signedHeadersMax)
	}
	for i, n := range names {
		if n == "" || n != strings.ToLower(n) || strings.ContainsAny(n, " \t\r\n:") || i > 0 && n <= names[i-1] {
			return fail(Malformed, "SignedHeaders must be lower-case header names, sorted, each once, separated by semicolons.")
		}
	}
	c.signedHeaders = names
	return nil
}

func (c *Claim) setSignature(s string) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 || s != strings.ToLower(s) {
		return fail(Malformed, "Signature must be 64 lower-case hexadecimal digits.")
	}
	c.signature = b
	return nil
}

func (c *Claim) setTime(stamp string) error {
	t, err := time.Parse(dateFormat, stamp)
	if err != nil || t.Format(dateFormat) != stamp {
		return fail(Malformed, "Date must be in ISO-8601 'basic format', e.g. 20260102T150405Z.")
	}
	c.Time, c.stamp = t, stamp
	return nil
}

// checkPayloadForm refuses bodies whose hash is not known before they are read: the streaming forms, and unsigned ones but on presigned GETs.
func (c *Claim) checkPayloadForm(method string) error {
	h := c.payloadHash
	switch {
	case h == "":
	case h == unsignedPayload:
		if !c.Presigned || method != http.MethodGet {
			return fail(Malformed, "%s is accepted on presigned GET requests only.", unsignedPayload)
		}
	case strings.HasPrefix(h, "STREAMING-"):
		return fail(Malformed, "Streaming signatures are not accepted by this service.")
	default:
		if b, err := hex.DecodeString(h); err != nil || len(b) != 32 || h != strings.ToLower(h) {
			return fail(Malformed, "x-amz-content-sha256 must be %s or 64 lower-case hexadecimal digits.", unsignedPayload)
		}
	}
	return nil
}
