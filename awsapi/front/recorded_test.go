package front_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/authn"
	"weir/awsapi"
	"weir/awsapi/front"
	"weir/awsapi/front/internal/echo"
)

var update = flag.Bool("update", false, "write the expected inputs from the recordings")

// newFront makes a front over echo services with the recordings' credentials and a clock.
func newFront(t *testing.T, r *echo.Recorder, now time.Time) *front.Front {
	t.Helper()
	return newFrontOf(t, now, echo.Services(r)...)
}

func newFrontOf(t testing.TB, now time.Time, services ...awsapi.Service) *front.Front {
	t.Helper()
	f, err := front.New(front.Config{Region: echo.Region}, front.Deps{
		Log: slog.New(slog.DiscardHandler), Services: services,
		AccessKey: authn.NewKeys(echo.Root()).AccessKey, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readRecording parses a file of the recorder.
func readRecording(t *testing.T, path string) *http.Request {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s: no empty line", path)
	}
	lines := strings.Split(string(head), "\n")
	start := strings.Split(lines[0], " ")
	header := http.Header{}
	host := ""
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		if name == "Host" {
			host = value
			continue
		}
		header.Add(name, value)
	}
	if header.Get("Recorded-Body") == "hex" {
		header.Del("Recorded-Body")
		if body, err = hex.DecodeString(strings.TrimSpace(string(body))); err != nil {
			t.Fatal(err)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), start[0], start[1], bytes.NewReader(body))
	r.Header, r.Host = header, host
	return r
}

// recordedAt is the date that the request was signed for.
func recordedAt(t *testing.T, r *http.Request) time.Time {
	t.Helper()
	stamp := r.Header.Get("X-Amz-Date")
	if stamp == "" {
		stamp = r.URL.Query().Get("X-Amz-Date")
	}
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestRecordedRequestsVerifyRouteAndDecode replays what the AWS CLI, boto3 and the Go, JavaScript and Java SDKs sent. All of them made the same
// calls, so there is one expected input for all: testdata/inputs.
func TestRecordedRequestsVerifyRouteAndDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/requests/*/*.txt")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	written := map[string]bool{}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			r := readRecording(t, path)
			rec := new(echo.Recorder)
			w := httptest.NewRecorder()
			newFront(t, rec, recordedAt(t, r)).ServeHTTP(w, r)
			if strings.Contains(path, "_cbor_") {
				if w.Code != http.StatusNotImplemented || w.Header().Get("Smithy-Protocol") != "rpc-v2-cbor" {
					t.Errorf("rpc-v2-cbor answered %d %q", w.Code, w.Body)
				}
				return
			}
			call := rec.Take()
			if w.Code/100 != 2 || call == nil {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			got, err := json.MarshalIndent(call.Input, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			name := call.Service + "_" + call.Operation
			if !strings.HasPrefix(filepath.Base(path), name) {
				t.Errorf("routed to %s", name)
			}
			want := filepath.Join("testdata", "inputs", name+".json")
			if *update && !written[want] {
				written[want] = true
				if err := os.WriteFile(want, append(got, '\n'), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(b), string(got)+"\n"); d != "" {
				t.Errorf("input (-want +got):\n%s", d)
			}
		})
	}
}

// TestRecordedRequestsAreRefusedWhenChanged alters each recording in every way that must not pass.
func TestRecordedRequestsAreRefusedWhenChanged(t *testing.T) {
	files, err := filepath.Glob("testdata/requests/*/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	changes := []struct {
		name   string
		change func(r *http.Request, at *time.Time) bool // false: does not apply
	}{
		{"body", func(r *http.Request, _ *time.Time) bool {
			b := new(bytes.Buffer)
			_, _ = b.ReadFrom(r.Body)
			if b.Len() == 0 {
				return false
			}
			b.Bytes()[b.Len()-1] ^= 1
			r.Body = readCloser{bytes.NewReader(b.Bytes())}
			return true
		}},
		{"method", func(r *http.Request, _ *time.Time) bool { r.Method = "PUT" + r.Method[:1]; return true }},
		{"path", func(r *http.Request, _ *time.Time) bool {
			r.RequestURI = strings.Replace(r.RequestURI, "/", "/x", 1)
			return true
		}},
		{"query", func(r *http.Request, _ *time.Time) bool {
			r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&extra=1", "&")
			return true
		}},
		{"host", func(r *http.Request, _ *time.Time) bool { r.Host = "localhost:4599"; return true }},
		{"late", func(_ *http.Request, at *time.Time) bool { *at = at.Add(time.Hour); return true }},
		{"early", func(_ *http.Request, at *time.Time) bool { *at = at.Add(-6 * time.Minute); return true }},
		{"unsigned x-amz header", func(r *http.Request, _ *time.Time) bool { r.Header.Set("X-Amz-Acl", "public"); return true }},
		{"session token", func(r *http.Request, _ *time.Time) bool { r.Header.Set("X-Amz-Security-Token", "t"); return true }},
		{"second authorization", func(r *http.Request, _ *time.Time) bool {
			r.Header.Add("Authorization", "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y")
			return true
		}},
		{"no authorization", func(r *http.Request, _ *time.Time) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			r.Header.Del("Authorization")
			return true
		}},
		{"content type", func(r *http.Request, _ *time.Time) bool { r.Header.Set("Content-Type", "text/plain"); return true }},
	}
	rec := new(echo.Recorder)
	var now time.Time
	f, err := front.New(front.Config{Region: echo.Region}, front.Deps{
		Log: slog.New(slog.DiscardHandler), Services: echo.Services(rec),
		AccessKey: authn.NewKeys(echo.Root()).AccessKey, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		for _, c := range changes {
			r := readRecording(t, path)
			at := recordedAt(t, r)
			if !c.change(r, &at) {
				continue
			}
			now = at
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			if call := rec.Take(); call != nil || w.Code < 400 || w.Code > 403 {
				t.Errorf("%s with changed %s: status %d, call %+v, %s", path, c.name, w.Code, call, w.Body)
			}
		}
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
