package front_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"weir/authn"
	"weir/awsapi"
	"weir/awsapi/front/internal/echo"
	"weir/awsapi/gen/cloudwatch"
	"weir/awsapi/gen/ec2"
	"weir/awsapi/gen/kafka"
	"weir/awsapi/gen/secretsmanager"
	"weir/awsapi/gen/sts"
)

var signedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// message is a request to be made and signed.
type message struct {
	method, target, body string
	header               map[string]string
	service, region      string
	key, secret          string
	at                   time.Time
}

// dialect is a good request of a protocol.
type dialect struct {
	name string
	message
	bad, unknown func(m *message) // a body that cannot be read; an operation that does not exist
}

func dialects() []dialect {
	root := echo.Root()
	m := func(service, method, target, body string, header map[string]string) message {
		return message{
			method: method, target: target, body: body, header: header, service: service, region: echo.Region,
			key: root.AccessKeyID, secret: root.SecretAccessKey.Reveal(), at: signedAt,
		}
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	badJSON := func(m *message) { m.body = `{"a":` }
	badTarget := func(m *message) { m.header["X-Amz-Target"] += "Nope" }
	badForm := func(m *message) { m.body += "&a=%zz" }
	badAction := func(m *message) { m.body = strings.Replace(m.body, "Action=", "Action=Nope", 1) }
	return []dialect{
		{"restJson1", m("kafka", "POST", "/v1/configurations", `{"name":"c","serverProperties":"YQ=="}`,
			map[string]string{"Content-Type": "application/json"}), badJSON, func(m *message) { m.target = "/v1/nope" }},
		{"awsJson1.1", m("secretsmanager", "POST", "/", `{"SecretId":"s"}`, map[string]string{
			"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue",
		}), badJSON, badTarget},
		{"awsJson1.0", m("monitoring", "POST", "/", `{}`, map[string]string{
			"Content-Type": "application/x-amz-json-1.0",
			"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics", "X-Amzn-Query-Mode": "true",
		}), badJSON, badTarget},
		{"query", m("sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", form), badForm, badAction},
		{"ec2", m("ec2", "POST", "/", "Action=DescribeVpcs&Version=2016-11-15", form), badForm, badAction},
	}
}

func (m message) request(t testing.TB) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), m.method, m.target, strings.NewReader(m.body))
	r.Host = "127.0.0.1:4566"
	for name, value := range m.header {
		r.Header.Set(name, value)
	}
	if m.key == "" {
		return r
	}
	hash := sha256.Sum256([]byte(m.body))
	err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: m.key, SecretAccessKey: m.secret}, r, hex.EncodeToString(hash[:]),
		m.service, m.region, m.at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// faultOf reads code and message as a client of the protocol does.
func faultOf(t *testing.T, protocol string, w *httptest.ResponseRecorder) (code, text string) {
	t.Helper()
	id := w.Header().Get("X-Amzn-Requestid")
	if len(id) != 36 {
		t.Errorf("request id %q", id)
	}
	switch protocol {
	case "query":
		var x struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Type      string   `xml:"Error>Type"`
			Code      string   `xml:"Error>Code"`
			Message   string   `xml:"Error>Message"`
			RequestID string   `xml:"RequestId"`
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &x); err != nil || x.RequestID != id || (w.Code < 500) != (x.Type == "Sender") {
			t.Errorf("%v, %+v in %s", err, x, w.Body)
		}
		return x.Code, x.Message
	case "ec2":
		var x struct {
			XMLName   xml.Name `xml:"Response"`
			Code      string   `xml:"Errors>Error>Code"`
			Message   string   `xml:"Errors>Error>Message"`
			RequestID string   `xml:"RequestID"`
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &x); err != nil || x.RequestID != id {
			t.Errorf("%v, %+v in %s", err, x, w.Body)
		}
		return x.Code, x.Message
	}
	var j struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil {
		t.Errorf("%v in %s", err, w.Body)
	}
	if protocol == "restJson1" {
		return w.Header().Get("X-Amzn-Errortype"), j.Message
	}
	return j.Type, j.Message
}

// TestFaultsAreThoseOfARealEndpoint is the table of design/security.md section 3 for every protocol. A cell is "status code".
func TestFaultsAreThoseOfARealEndpoint(t *testing.T) {
	big := strings.Repeat("x", 1<<20+1)
	tests := []struct {
		name   string
		change func(d dialect, m *message)
		after  func(r *http.Request) // signing
		want   [5]string             // by dialect: restJson1, awsJson1.1, awsJson1.0, query, ec2
		text   string
	}{
		{"unknown key", func(_ dialect, m *message) { m.key = "AKIANOBODY0000000000" }, nil, [5]string{
			"403 UnrecognizedClientException",
			"400 UnrecognizedClientException", "400 UnrecognizedClientException", "403 InvalidClientTokenId", "401 AuthFailure",
		}, ""},
		{"wrong secret", func(_ dialect, m *message) { m.secret += "x" }, nil, [5]string{
			"403 InvalidSignatureException",
			"400 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch", "401 AuthFailure",
		}, ""},
		{"changed body", nil, func(r *http.Request) { r.Body = http.NoBody }, [5]string{
			"403 InvalidSignatureException",
			"400 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch", "401 AuthFailure",
		}, ""},
		{
			"stale", func(_ dialect, m *message) { m.at = m.at.Add(-5*time.Minute - time.Second) }, nil,
			[5]string{
				"403 InvalidSignatureException",
				"400 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch", "400 RequestExpired",
			},
			"Signature expired: 20260102T025904Z is now earlier than 20260102T025905Z (20260102T030405Z - 5 min.)",
		},
		{
			"early", func(_ dialect, m *message) { m.at = m.at.Add(5*time.Minute + time.Second) }, nil,
			[5]string{
				"403 InvalidSignatureException",
				"400 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch", "400 RequestExpired",
			},
			"Signature not yet current: 20260102T030906Z is still later than 20260102T030905Z (20260102T030405Z + 5 min.)",
		},
		{"not signed", func(_ dialect, m *message) { m.key = "" }, nil, [5]string{
			"403 MissingAuthenticationTokenException",
			"400 MissingAuthenticationTokenException", "400 MissingAuthenticationTokenException", "403 MissingAuthenticationToken",
			"401 AuthFailure",
		}, ""},
		{"two authorizations", nil, func(r *http.Request) { r.Header.Add("Authorization", "x") }, [5]string{
			"400 InvalidSignatureException",
			"400 InvalidSignatureException", "400 InvalidSignatureException", "400 SignatureDoesNotMatch", "400 AuthFailure",
		}, "2 Authorization headers"},
		{"signed header twice", nil, func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }, [5]string{
			"400 IncompleteSignatureException", "400 IncompleteSignatureException", "400 IncompleteSignatureException", "400 IncompleteSignature",
			"400 AuthFailure",
		}, "The signed header 'content-type' is given 2 times"},
		{
			"other region", func(_ dialect, m *message) { m.region = "eu-west-1" }, nil,
			[5]string{
				"403 InvalidSignatureException",
				"400 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch", "401 AuthFailure",
			},
			"Credential should be scoped to a valid region, not 'eu-west-1'. This endpoint serves 'us-east-1'.",
		},
		{"too large", func(_ dialect, m *message) { m.body = big }, nil, [5]string{
			"413 RequestEntityTooLargeException",
			"413 RequestEntityTooLargeException", "413 RequestEntityTooLargeException", "413 RequestEntityTooLargeException",
			"413 RequestEntityTooLargeException",
		}, "larger than 1048576 bytes"},
		{"too large, length unknown", func(_ dialect, m *message) { m.body = big }, func(r *http.Request) { r.ContentLength = -1 }, [5]string{
			"413 RequestEntityTooLargeException", "413 RequestEntityTooLargeException", "413 RequestEntityTooLargeException",
			"413 RequestEntityTooLargeException", "413 RequestEntityTooLargeException",
		}, ""},
		{"bad body", func(d dialect, m *message) { d.bad(m) }, nil, [5]string{
			"400 BadRequestException", "400 SerializationException",
			"400 SerializationException", "400 MalformedQueryString", "400 MalformedQueryString",
		}, "malformed"},
		{"unknown operation", func(d dialect, m *message) { d.unknown(m) }, nil, [5]string{
			"404 UnknownOperationException",
			"400 UnknownOperationException", "400 UnknownOperationException", "400 InvalidAction", "400 InvalidAction",
		}, ""},
		{"other service", func(_ dialect, m *message) { m.service = "glue" }, nil, [5]string{
			"404 UnknownServiceException",
			"404 UnknownServiceException", "404 UnknownServiceException", "404 UnknownServiceException", "",
		}, "The service 'glue'"},
	}
	for _, tt := range tests {
		for i, d := range dialects() {
			if tt.want[i] == "" {
				continue
			}
			t.Run(tt.name+"/"+d.name, func(t *testing.T) {
				m := d.message
				if tt.change != nil {
					tt.change(d, &m)
				}
				r := m.request(t)
				if tt.after != nil {
					tt.after(r)
				}
				rec := new(echo.Recorder)
				w := httptest.NewRecorder()
				newFront(t, rec, signedAt).ServeHTTP(w, r)
				code, text := faultOf(t, d.name, w)
				if got := http.StatusText(w.Code) + " " + code; got != status(tt.want[i]) {
					t.Errorf("got %d %s (%s), want %s", w.Code, code, text, tt.want[i])
				}
				if !strings.Contains(text, tt.text) && !(d.name == "ec2" && code == "AuthFailure") {
					t.Errorf("text %q, want %q in it", text, tt.text)
				}
				if c := rec.Take(); c != nil {
					t.Errorf("the operation was called: %+v", c)
				}
				if d.name == "awsJson1.0" && tt.name != "other service" && tt.name != "not signed" && tt.name != "two authorizations" &&
					w.Header().Get("X-Amzn-Query-Error") != code+";Sender" {
					t.Errorf("query error %q", w.Header().Get("X-Amzn-Query-Error"))
				}
			})
		}
	}
}

func status(cell string) string {
	number, code, _ := strings.Cut(cell, " ")
	for n := 400; n < 600; n++ {
		if http.StatusText(n) != "" && number == itoa(n) {
			return http.StatusText(n) + " " + code
		}
	}
	return cell
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// failing services: their operations fail in every way that is not a modelled fault.
func failing(err error) []awsapi.Service {
	return []awsapi.Service{
		&kafka.Service{CreateConfiguration: func(context.Context, *kafka.CreateConfigurationInput) (*kafka.CreateConfigurationOutput, error) {
			return nil, fail(err)
		}},
		&secretsmanager.Service{GetSecretValue: func(context.Context, *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
			return nil, fail(err)
		}},
		&cloudwatch.Service{ListMetrics: func(context.Context, *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
			return nil, fail(err)
		}},
		&sts.Service{GetCallerIdentity: func(context.Context, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			return nil, fail(err)
		}},
		&ec2.Service{DescribeVpcs: func(context.Context, *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
			return nil, fail(err)
		}},
	}
}

var errPanic = errors.New("panic")

func fail(err error) error {
	if errors.Is(err, errPanic) {
		panic("secret canary")
	}
	return err
}

func TestFailuresOfOperationsSayNothingInternal(t *testing.T) {
	want := map[string]string{
		"restJson1": "InternalServerErrorException", "awsJson1.1": "InternalFailure", "awsJson1.0": "InternalFailure",
		"query": "InternalFailure", "ec2": "InternalError",
	}
	for name, err := range map[string]error{"error": errors.New("secret canary"), "panic": errPanic, "nothing": nil} {
		for _, d := range dialects() {
			t.Run(name+"/"+d.name, func(t *testing.T) {
				w := httptest.NewRecorder()
				newFrontOf(t, signedAt, failing(err)...).ServeHTTP(w, d.request(t))
				code, text := faultOf(t, d.name, w)
				if w.Code != http.StatusInternalServerError || code != want[d.name] || strings.Contains(text, "canary") ||
					!strings.Contains(text, w.Header().Get("X-Amzn-Requestid")) {
					t.Errorf("%d %s: %s", w.Code, code, text)
				}
			})
		}
	}
}

func TestOperationsThatAreNotBuiltNameThemselves(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			f := newFrontOf(t, signedAt, new(kafka.Service), new(secretsmanager.Service), new(cloudwatch.Service), new(sts.Service), new(ec2.Service))
			f.ServeHTTP(w, d.request(t))
			code, text := faultOf(t, d.name, w)
			if w.Code != http.StatusNotImplemented || code != "NotImplemented" || !strings.Contains(text, "is not implemented") {
				t.Errorf("%d %s: %s", w.Code, code, text)
			}
		})
	}
}

func TestModelledExceptionsKeepTheirMembers(t *testing.T) {
	m := dialects()[0].message
	w := httptest.NewRecorder()
	newFrontOf(t, signedAt, failing(&kafka.ConflictException{Message: "taken <é>", InvalidParameter: "name"})...).ServeHTTP(w, m.request(t))
	if got := w.Body.String(); w.Code != http.StatusConflict || w.Header().Get("X-Amzn-Errortype") != "ConflictException" ||
		!strings.Contains(got, `"invalidParameter":"name"`) || !strings.Contains(got, `"message":"taken`) {
		t.Errorf("%d %s", w.Code, got)
	}
	// cloudwatch: the JSON protocol names the shape, its query header the code.
	m = dialects()[2].message
	w = httptest.NewRecorder()
	newFrontOf(t, signedAt, failing(&cloudwatch.InvalidNextToken{Message: "bad"})...).ServeHTTP(w, m.request(t))
	if w.Header().Get("X-Amzn-Query-Error") != "InvalidNextToken;Sender" || !strings.Contains(w.Body.String(), `"__type":"InvalidNextToken"`) {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

func TestScopeReachesTheOperation(t *testing.T) {
	var got awsapi.Scope
	s := &sts.Service{GetCallerIdentity: func(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
		got = awsapi.ScopeFrom(ctx)
		return &sts.GetCallerIdentityOutput{Account: &got.Account}, nil
	}}
	w := httptest.NewRecorder()
	newFrontOf(t, signedAt, s).ServeHTTP(w, dialects()[3].request(t))
	want := awsapi.Scope{Account: authn.AccountID, Region: "us-east-1", RequestID: w.Header().Get("X-Amzn-Requestid"), Principal: awsapi.Principal{
		ARN: "arn:aws:iam::000000000000:root", Account: authn.AccountID, UserID: authn.AccountID, AccessKey: echo.Root().AccessKeyID,
	}}
	if got != want {
		t.Errorf("scope %+v, want %+v", got, want)
	}
	const body = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>000000000000</Account>` +
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>`
	if !strings.HasPrefix(w.Body.String(), body) {
		t.Errorf("answer %s", w.Body)
	}
}

func TestQueueHeaderReachesTheOperation(t *testing.T) {
	tests := []struct {
		value string
		want  bool
		code  int
	}{{"", false, 200}, {"false", false, 200}, {"true", true, 200}, {"yes", false, 400}, {"TRUE", false, 400}}
	for _, tt := range tests {
		got := false
		s := &sts.Service{GetCallerIdentity: func(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			got = awsapi.ScopeFrom(ctx).Queue
			return &sts.GetCallerIdentityOutput{}, nil
		}}
		m := dialects()[3].message
		m.header[awsapi.QueueHeader] = tt.value
		w := httptest.NewRecorder()
		newFrontOf(t, signedAt, s).ServeHTTP(w, m.request(t))
		if got != tt.want || w.Code != tt.code {
			t.Errorf("%q: queue %v, status %d: %s", tt.value, got, w.Code, w.Body)
		}
	}
}

func TestWebPagesAreKeptOut(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *http.Request)
		want   int
	}{
		{"loopback address", func(r *http.Request) { r.Host = "127.0.0.9:80" }, 200},
		{"IPv6 loopback", func(r *http.Request) { r.Host = "[::1]:80" }, 200},
		{"localhost", func(r *http.Request) { r.Host = "LocalHost" }, 200},
		{"subdomain of localhost", func(r *http.Request) { r.Host = "api.localhost:1" }, 200},
		{"own origin", func(r *http.Request) { r.Host = "localhost:80"; r.Header.Set("Origin", "http://localhost:80") }, 200},
		{"rebound name", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"name ending like the loopback", func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, 403},
		{"no host", func(r *http.Request) { r.Host = "" }, 403},
		{"other address", func(r *http.Request) { r.Host = "192.0.2.1" }, 403},
		{"other origin", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"opaque origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"other port", func(r *http.Request) { r.Host = "localhost:80"; r.Header.Set("Origin", "http://localhost:81") }, 403},
		{"cross-site fetch", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil)
			tt.change(r)
			w := httptest.NewRecorder()
			newFrontOf(t, signedAt).ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
}
