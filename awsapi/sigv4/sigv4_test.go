package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var (
	signTime    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	credentials = aws.Credentials{AccessKeyID: "AKIAWEIRRECORDED0001", SecretAccessKey: "weirRecordedSecretKey0000000000000000001"}
)

// wire turns what the SDK's signer left into what a server sees.
func wire(t testing.TB, r *http.Request) *Request {
	t.Helper()
	out := &Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, Header: r.Header.Clone(), ContentLength: r.ContentLength}
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		out.Body = b
	}
	return out
}

// signed makes a request and has the SDK sign it.
func signed(t testing.TB, method, target, body string, header http.Header, service string, presign bool) *Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:4566"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	h := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(h[:])
	if !presign {
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hash, service, "us-east-1", signTime); err != nil {
			t.Fatal(err)
		}
		return wire(t, r)
	}
	u, h2, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hash, service, "us-east-1", signTime)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h2
	if r.URL, err = url.Parse(u); err != nil {
		t.Fatal(err)
	}
	r.Header.Del("Host")
	return wire(t, r)
}

func check(r *Request, now time.Time) error {
	c, err := Parse(r)
	if err != nil {
		return err
	}
	return c.Verify(r, credentials.SecretAccessKey, now)
}

func reason(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return 0
}

// TestSDKSignaturesVerify signs random requests with aws-sdk-go-v2's signer, in the header and presigned.
func TestSDKSignaturesVerify(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		const letters = "aZ09-._~ +&=%/:;,!@#é€\"'<>?"
		runes := []rune(letters)
		b := make([]rune, random.IntN(12))
		for i := range b {
			b[i] = runes[random.IntN(len(runes))]
		}
		return string(b)
	}
	for i := range 500 {
		target := "/v1"
		var targetSb102 strings.Builder
		for range random.IntN(4) {
			targetSb102.WriteString("/" + url.PathEscape(text()))
		}
		target += targetSb102.String()
		q := url.Values{}
		for range random.IntN(4) {
			k := "k" + text()
			for range 1 + random.IntN(2) {
				q.Add(k, text())
			}
		}
		if len(q) > 0 {
			target += "?" + q.Encode()
		}
		header := http.Header{"X-Amz-Meta": {"  a   b " + strings.Trim(url.QueryEscape(text()), " ")}, "Content-Type": {"application/json"}}
		method, body := "POST", text()
		if i%2 == 0 {
			method, body = "GET", ""
		}
		presign := i%3 == 0
		if presign {
			header = nil
		}
		r := signed(t, method, target, body, header, []string{"kafka", "sts"}[i%2], presign)
		if err := check(r, signTime.Add(time.Minute)); err != nil {
			t.Fatalf("%s %s (presigned %v): %v", method, target, presign, err)
		}
	}
}

// TestTamperingIsFound changes one thing at a time.
func TestTamperingIsFound(t *testing.T) {
	hash := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	fresh := func() *Request {
		return signed(t, "POST", "/v1/clusters/arn%3Aaws?a=1&b=2", `{"a":1}`, http.Header{
			"Content-Type":         {"application/json"},
			"X-Amz-Content-Sha256": {hash(`{"a":1}`)}, "X-Amz-Security-Token": {"token"},
		}, "kafka", false)
	}
	if err := check(fresh(), signTime); err != nil {
		t.Fatal(err)
	}
	auth := func(old, new string) func(r *Request) {
		return func(r *Request) {
			a := r.Header.Get("Authorization")
			if !strings.Contains(a, old) {
				panic(old + " is not in " + a)
			}
			r.Header.Set("Authorization", strings.Replace(a, old, new, 1))
		}
	}
	tests := []struct {
		name   string
		change func(r *Request)
		want   Reason
	}{
		{"method", func(r *Request) { r.Method = "PUT" }, Mismatch},
		{"path", func(r *Request) { r.Path += "/" }, Mismatch},
		{"path unescaped", func(r *Request) { r.Path = "/v1/clusters/arn:aws" }, Mismatch},
		{"path with dots", func(r *Request) { r.Path = "/v1/./clusters/arn%3Aaws" }, Mismatch},
		{"query value", func(r *Request) { r.Query = "a=1&b=3" }, Mismatch},
		{"query parameter", func(r *Request) { r.Query += "&c" }, Mismatch},
		{"query order is free", func(r *Request) { r.Query = "b=2&a=1" }, 0},
		{"query escape", func(r *Request) { r.Query = "a=%zz" }, Malformed},
		{"host", func(r *Request) { r.Host = "localhost" }, Mismatch},
		{"body", func(r *Request) { r.Body = []byte(`{"a":2}`) }, Mismatch},
		{"body and its hash", func(r *Request) {
			r.Body = []byte(`{"a":2}`)
			r.Header.Set("X-Amz-Content-Sha256", hash(`{"a":2}`))
		}, Mismatch},
		{"no body hash", func(r *Request) { r.Header.Del("X-Amz-Content-Sha256") }, Mismatch},
		{"unsigned payload", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, Malformed},
		{"streaming payload", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") }, Malformed},
		{"hash of another form", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "abc") }, Malformed},
		{"session token", func(r *Request) { r.Header.Set("X-Amz-Security-Token", "other") }, Mismatch},
		{"content type", func(r *Request) { r.Header.Set("Content-Type", "text/plain") }, Mismatch},
		{"signed header gone", func(r *Request) { r.Header.Del("Content-Type") }, Mismatch},
		{"signed header twice", func(r *Request) { r.Header.Add("Content-Type", "application/json") }, Malformed},
		{"unsigned x-amz header", func(r *Request) { r.Header.Set("X-Amz-Target", "x") }, Mismatch},
		{"unsigned other header", func(r *Request) { r.Header.Set("User-Agent", "x") }, 0},
		{"second authorization", func(r *Request) { r.Header.Add("Authorization", "x") }, Ambiguous},
		{"query signature as well", func(r *Request) { r.Query += "&X-Amz-Signature=x" }, Ambiguous},
		{"date", func(r *Request) { r.Header.Set("X-Amz-Date", "20260102T030406Z") }, Mismatch},
		{"date twice", func(r *Request) { r.Header.Add("X-Amz-Date", "20260102T030405Z") }, Malformed},
		{"date of another form", func(r *Request) { r.Header.Set("X-Amz-Date", "2026-01-02T03:04:05Z") }, Malformed},
		{"date does not exist", func(r *Request) { r.Header.Set("X-Amz-Date", "20260231T030405Z") }, Malformed},
		{"no date", func(r *Request) { r.Header.Del("X-Amz-Date") }, Malformed},
		{"day of the scope", auth("/20260102/", "/20260103/"), BadScope},
		{"region", auth("/us-east-1/", "/us-east-2/"), Mismatch},
		{"service", auth("/kafka/", "/sts/"), Mismatch},
		{"terminator", auth("aws4_request", "aws3_request"), BadScope},
		{"scope of four parts", auth("/kafka/", "/"), Malformed},
		{"scope of six parts", auth("/kafka/", "/kafka/x/"), Malformed},
		{"empty key", auth("AKIAWEIRRECORDED0001/", "/"), Malformed},
		{"long key", auth("AKIA", strings.Repeat("A", 200)), Malformed},
		{"algorithm", auth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), Malformed},
		{"no algorithm", auth("AWS4-HMAC-SHA256 ", ""), Malformed},
		{"host not signed", auth(";host", ""), Malformed},
		{"date not signed", auth(";x-amz-date", ""), Malformed},
		{"header order", auth("content-length;content-type", "content-type;content-length"), Malformed},
		{"upper-case header", auth("content-type", "Content-Type"), Malformed},
		{"signature of another length", auth("Signature=", "Signature=00"), Malformed},
		{"signature twice", auth("Signature=", "Signature=00, Signature="), Malformed},
		{"part not known", auth("Signature=", "X=y, Signature="), Malformed},
		{"no signature", auth("Signature=", "S="), Malformed},
		{"too many headers", auth("content-length", strings.Repeat("a;", 70)+"content-length"), Malformed},
		{"no authorization", func(r *Request) { r.Header.Del("Authorization") }, Missing},
		{"basic authorization", func(r *Request) { r.Header.Set("Authorization", "Basic eDp5") }, Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := fresh()
			tt.change(r)
			if err := check(r, signTime); reason(err) != tt.want {
				t.Errorf("reason %d, want %d: %v", reason(err), tt.want, err)
			}
		})
	}
	t.Run("every bit of the signature", func(t *testing.T) {
		a := fresh().Header.Get("Authorization")
		start := strings.Index(a, "Signature=") + len("Signature=")
		for i := start; i < len(a); i++ {
			r := fresh()
			b := []byte(a)
			if b[i]++; b[i] == '9'+1 || b[i] == 'g' {
				b[i] = '0'
			}
			r.Header.Set("Authorization", string(b))
			if err := check(r, signTime); reason(err) != Mismatch {
				t.Errorf("digit %d: %v", i-start, err)
			}
		}
	})
	t.Run("wrong secret", func(t *testing.T) {
		r := fresh()
		c, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"", credentials.SecretAccessKey + "x"} {
			if err := c.Verify(r, secret, signTime); reason(err) != Mismatch {
				t.Error(err)
			}
		}
	})
}

// TestWindow: five minutes either way, to the second; presigned requests from five minutes before until they expire.
func TestWindow(t *testing.T) {
	tests := []struct {
		presigned string
		offset    time.Duration // of now
		want      Reason
	}{
		{"", Skew, 0},
		{"", -Skew, 0},
		{"", Skew + time.Second, Expired},
		{"", -Skew - time.Second, Expired},
		{"60", time.Minute, 0},
		{"60", time.Minute + time.Second, Expired},
		{"60", -Skew, 0},
		{"60", -Skew - time.Second, Expired},
		{"604800", 7 * 24 * time.Hour, 0},
		{"604801", 0, Malformed},
		{"0", 0, Malformed},
		{"-1", 0, Malformed},
		{"1.5", 0, Malformed},
		{"99999999999999999999", 0, Malformed},
		{"none", 15 * time.Minute, 0},
		{"none", 15*time.Minute + time.Second, Expired},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.presigned, " ", tt.offset), func(t *testing.T) {
			target := "/?Action=GetCallerIdentity&Version=2011-06-15"
			if tt.presigned != "" && tt.presigned != "none" {
				target += "&X-Amz-Expires=" + tt.presigned
			}
			r := signed(t, "GET", target, "", nil, "sts", tt.presigned != "")
			if err := check(r, signTime.Add(tt.offset)); reason(err) != tt.want {
				t.Errorf("reason %d, want %d: %v", reason(err), tt.want, err)
			}
		})
	}
}

func TestPresignedRequestsAreStrict(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *Request)
		want   Reason
	}{
		{"as signed", func(*Request) {}, 0},
		{"parameter added", func(r *Request) { r.Query += "&DurationSeconds=1" }, Mismatch},
		{"signature twice", func(r *Request) { r.Query += "&X-Amz-Signature=00" }, Ambiguous},
		{"credential twice", func(r *Request) { r.Query += "&X-Amz-Credential=x" }, Ambiguous},
		{"header as well", func(r *Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }, Ambiguous},
		{"body", func(r *Request) { r.Body = []byte("Action=DeleteRole") }, Mismatch},
		{"content type not signed", func(r *Request) { r.Header.Set("Content-Type", "text/plain") }, Mismatch},
		{"algorithm", func(r *Request) { r.Query = strings.Replace(r.Query, "HMAC", "NONE", 1) }, Malformed},
		{"no signature", func(r *Request) { r.Query = strings.Replace(r.Query, "X-Amz-Signature", "Signature", 1) }, Malformed},
		{"unsigned payload claimed later", func(r *Request) { r.Query += "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD" }, Mismatch},
		{"unsigned payload on POST", func(r *Request) { r.Method = "POST"; r.Query += "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD" }, Malformed},
		{"two payload hashes", func(r *Request) {
			r.Query += "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
			r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
		}, Ambiguous},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, "GET", "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", "", nil, "sts", true)
			tt.change(r)
			if err := check(r, signTime); reason(err) != tt.want {
				t.Errorf("reason %d, want %d: %v", reason(err), tt.want, err)
			}
		})
	}
}

// TestDateHeaderStandsIn: some hand-written clients sign Date instead of X-Amz-Date.
func TestDateHeaderStandsIn(t *testing.T) {
	r := &Request{Method: "GET", Path: "/", Host: "localhost", Header: http.Header{"Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}}}
	c := &Claim{
		AccessKey: "k", Date: "20260102", Region: "us-east-1", Service: "kafka", signedHeaders: []string{"date", "host"},
		stamp: "20260102T030405Z",
	}
	canonical, err := c.canonicalRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(canonical))
	sig := sum(signingKey("s", "20260102", "us-east-1", "kafka"), "AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/us-east-1/kafka/aws4_request\n"+
		hex.EncodeToString(hash[:]))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260102/us-east-1/kafka/aws4_request,SignedHeaders=date;host,Signature="+hex.EncodeToString(sig))
	got, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Verify(r, "s", signTime); err != nil {
		t.Error(err)
	}
}

// FuzzParse: whatever comes, Parse and Verify end, do not panic, and do not accept what was not signed.
func FuzzParse(f *testing.F) {
	r := signed(f, "POST", "/v1/x?a=b", "body", http.Header{"Content-Type": {"text/plain"}}, "kafka", false)
	f.Add(r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), r.Path, r.Query, r.Body)
	p := signed(f, "POST", "/?a=b&X-Amz-Expires=60", "body", nil, "sts", true)
	f.Add("", "", p.Path, p.Query, p.Body)
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host;;, Signature=00", "20260102T030405Z", "//%2e%2e/", "&&=&%", []byte{0})
	f.Fuzz(func(t *testing.T, authorization, date, path, query string, body []byte) {
		in := &Request{Method: "POST", Path: path, Query: query, Host: "127.0.0.1:4566", Body: body, Header: http.Header{}, ContentLength: int64(len(body))}
		if authorization != "" {
			in.Header.Set("Authorization", authorization)
			in.Header.Set("Content-Type", "text/plain")
		}
		if date != "" {
			in.Header.Set("X-Amz-Date", date)
		}
		c, err := Parse(in)
		if err != nil {
			if reason(err) == 0 {
				t.Fatalf("error without a reason: %v", err)
			}
			return
		}
		if err := c.Verify(in, "another secret", signTime); err == nil {
			t.Fatal("verified with a secret that signed nothing")
		}
		if err := c.Verify(in, credentials.SecretAccessKey, signTime); err == nil && !bytes.Equal(body, []byte("body")) {
			t.Fatalf("verified %q %q %q", path, query, body)
		}
	})
}
