package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pair is a decoded query parameter.
type pair struct{ key, value string }

// parseQuery splits a raw query string. Plus means a blank, as in what is executed; a bad escape is an error, not a guess.
func parseQuery(raw string) ([]pair, error) {
	var out []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, fail(Malformed, "The query string holds a malformed escape.")
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, fail(Malformed, "The query string holds a malformed escape.")
		}
		out = append(out, pair{key, value})
	}
	return out, nil
}

// canonicalRequest is the text whose hash is signed.
func (c *Claim) canonicalRequest(r *Request) (string, error) {
	query, err := c.canonicalQuery(r.Query)
	if err != nil {
		return "", err
	}
	headers, err := c.canonicalHeaders(r)
	if err != nil {
		return "", err
	}
	hash := c.payloadHash
	if hash == "" {
		h := sha256.Sum256(r.Body)
		hash = hex.EncodeToString(h[:])
	}
	return strings.Join([]string{r.Method, c.canonicalPath(r.Path), query, headers, strings.Join(c.signedHeaders, ";"), hash}, "\n"), nil
}

// canonicalPath escapes the escaped path once more, as all services but S3 want it: %3A becomes %253A.
func (c *Claim) canonicalPath(path string) string {
	if path == "" {
		return "/"
	}
	if c.Service == "s3" {
		return path
	}
	var b strings.Builder
	escape(&b, path, true)
	return b.String()
}

// canonicalQuery is the parameters but the signature itself, escaped, then sorted.
func (c *Claim) canonicalQuery(raw string) (string, error) {
	query, err := parseQuery(raw)
	if err != nil {
		return "", err
	}
	query = slices.DeleteFunc(query, func(p pair) bool { return c.Presigned && p.key == "X-Amz-Signature" })
	for i, p := range query {
		var k, v strings.Builder
		escape(&k, p.key, false)
		escape(&v, p.value, false)
		query[i] = pair{k.String(), v.String()}
	}
	slices.SortFunc(query, func(a, b pair) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value)) })
	var b strings.Builder
	for i, p := range query {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String(), nil
}

// canonicalHeaders is exactly the headers that the claim lists; one that is not there cannot have been signed.
func (c *Claim) canonicalHeaders(r *Request) (string, error) {
	var b strings.Builder
	for _, name := range c.signedHeaders {
		values := r.Header.Values(name)
		switch {
		case name == "host":
			values = []string{r.Host}
		case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		if len(values) != 1 {
			return "", fail(Mismatch, "The signed header '%s' is given %d times.", name, len(values))
		}
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(strings.Join(strings.Fields(values[0]), " "))
		b.WriteByte('\n')
	}
	return b.String(), nil
}

const upperHex = "0123456789ABCDEF"

// escape writes s with all but RFC 3986's unreserved characters escaped, and slashes kept if asked.
func escape(b *strings.Builder, s string, keepSlash bool) {
	for i := range len(s) {
		ch := s[i]
		switch {
		case 'A' <= ch && ch <= 'Z', 'a' <= ch && ch <= 'z', '0' <= ch && ch <= '9', ch == '-', ch == '.', ch == '_', ch == '~', ch == '/' && keepSlash:
			b.WriteByte(ch)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[ch>>4])
			b.WriteByte(upperHex[ch&15])
		}
	}
}
