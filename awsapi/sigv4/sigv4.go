// Package sigv4 verifies AWS Signature Version 4 requests, signed in the Authorization header or presigned in the query string.
//
// Verification is in two steps, so that the caller can look up the key and knows the service in between: Parse reads what the request claims,
// Verify proves it. What is hashed is the path and the query as they came over the wire; a server must route the same strings.
// Nothing here signs, and nothing reads a clock.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	dateFormat = "20060102T150405Z"

	// unsignedPayload in place of the body's hash is allowed on presigned GETs.
	unsignedPayload = "UNSIGNED-PAYLOAD"

	// Skew is how far a request's date may lie from ours, either way.
	Skew = 5 * time.Minute

	// expiresMax is the longest life of a presigned request; expiresDefault that of one which names none, as aws-sdk-go-v2's do.
	expiresMax     = 7 * 24 * time.Hour
	expiresDefault = 15 * time.Minute
)

// Request is a request as it came over the wire.
type Request struct {
	Method string
	Path   string // escaped, as sent
	Query  string // as sent, without the question mark
	Host   string // the Host header
	Header http.Header
	Body   []byte
	// ContentLength is the header's value; net/http keeps it apart in some versions of HTTP. Negative when unknown.
	ContentLength int64
}

// Claim is what a request says of itself; nothing in it is proven before Verify.
type Claim struct {
	AccessKey    string
	Date         string // yyyymmdd of the scope
	Region       string
	Service      string
	Time         time.Time     // X-Amz-Date
	Expires      time.Duration // of a presigned request, else 0
	Presigned    bool
	SessionToken string

	signedHeaders []string
	signature     []byte
	payloadHash   string // as claimed, or empty
	stamp         string // X-Amz-Date as sent
}

// Verify proves that whoever holds secret signed r at a time that now allows. Errors are *Error. Call it with a secret even when the access
// key is unknown (any 40 bytes do), so that both cases take the same work.
func (c *Claim) Verify(r *Request, secret string, now time.Time) error {
	if err := c.checkTime(now); err != nil {
		return err
	}
	if err := c.checkHeaders(r); err != nil {
		return err
	}
	canonical, err := c.canonicalRequest(r)
	if err != nil {
		return err
	}
	scope := strings.Join([]string{c.Date, c.Region, c.Service, terminator}, "/")
	hash := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{algorithm, c.stamp, scope, hex.EncodeToString(hash[:])}, "\n")
	want := sum(signingKey(secret, c.Date, c.Region, c.Service), toSign)
	if subtle.ConstantTimeCompare(want, c.signature) != 1 {
		return fail(Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "+
			"and signing method. Consult the service documentation for details.")
	}
	// After the signature, so that the answer to a tampered body does not depend on whether the header was tampered with as well.
	return c.checkBody(r)
}

func (c *Claim) checkTime(now time.Time) error {
	now = now.UTC()
	if day := c.stamp[:8]; c.Date != day {
		return fail(BadScope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			c.Date, day, c.stamp)
	}
	if c.Time.After(now.Add(Skew)) {
		return fail(Expired, "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			c.stamp, now.Add(Skew).Format(dateFormat), now.Format(dateFormat))
	}
	if c.Presigned {
		if end := c.Time.Add(c.Expires); now.After(end) {
			return fail(Expired, "Signature expired: %s is now earlier than %s", end.Format(dateFormat), now.Format(dateFormat))
		}
		return nil
	}
	if c.Time.Before(now.Add(-Skew)) {
		return fail(Expired, "Signature expired: %s is now earlier than %s (%s - 5 min.)",
			c.stamp, now.Add(-Skew).Format(dateFormat), now.Format(dateFormat))
	}
	return nil
}

// checkHeaders demands that nothing which steers a request travels unsigned: host, content-type and all of x-amz-*.
func (c *Claim) checkHeaders(r *Request) error {
	if !slices.Contains(c.signedHeaders, "host") {
		return fail(Malformed, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	var unsigned []string
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		signed := slices.Contains(c.signedHeaders, lower)
		if signed && len(values) > 1 {
			return fail(Malformed, "The signed header '%s' is given %d times.", lower, len(values))
		}
		if !signed && (strings.HasPrefix(lower, "x-amz-") || lower == "content-type") {
			unsigned = append(unsigned, lower)
		}
	}
	if len(unsigned) > 0 {
		slices.Sort(unsigned)
		return fail(Mismatch, "There were headers present in the request which were not signed: %s", strings.Join(unsigned, ", "))
	}
	return nil
}

func (c *Claim) checkBody(r *Request) error {
	if c.payloadHash == "" || c.payloadHash == unsignedPayload {
		return nil
	}
	if got := sha256.Sum256(r.Body); hex.EncodeToString(got[:]) != c.payloadHash {
		return fail(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return nil
}

func signingKey(secret, date, region, service string) []byte {
	k := sum([]byte("AWS4"+secret), date)
	k = sum(k, region)
	k = sum(k, service)
	return sum(k, terminator)
}

func sum(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
