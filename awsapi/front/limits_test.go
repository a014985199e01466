package front_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/awsapi/front"
	"weir/awsapi/front/internal/echo"
)

// cloudWatch is a CloudWatch call through one of its doors.
func cloudWatch(body string, header map[string]string) message {
	m := dialects()[2].message
	m.body, m.header = body, header
	return m
}

func packed(t *testing.T, size int) string {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for ; size > 0; size -= len(chunk) {
		if _, err := z.Write(chunk[:min(size, len(chunk))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCloudWatchHasTwoDoors: today's awsJson1.0, packed or not, and the query protocol of older clients.
func TestCloudWatchHasTwoDoors(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte(`{"Namespace":"n"}`))
	_ = w.Close()
	target := "GraniteServiceVersion20100801.ListMetrics"
	for name, tt := range map[string]struct {
		m       message
		content string
	}{
		"json":        {cloudWatch(`{"Namespace":"n"}`, map[string]string{"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}), "application/x-amz-json-1.0"},
		"packed json": {cloudWatch(z.String(), map[string]string{"X-Amz-Target": target, "Content-Encoding": "gzip"}), "application/x-amz-json-1.0"},
		"query": {cloudWatch("Action=ListMetrics&Version=2010-08-01&Namespace=n",
			map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}), "text/xml;charset=UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := new(echo.Recorder)
			w := httptest.NewRecorder()
			newFront(t, rec, signedAt).ServeHTTP(w, tt.m.request(t))
			c := rec.Take()
			if c == nil || c.Operation != "ListMetrics" || w.Header().Get("Content-Type") != tt.content {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// TestCVE_DecompressionBomb: a packed body of some 100 KiB that unpacks to 64 MiB costs little more than the limit.
func TestCVE_DecompressionBomb(t *testing.T) {
	body := packed(t, 64<<20)
	m := cloudWatch(body, map[string]string{"X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData", "Content-Encoding": "gzip"})
	r := m.request(t)
	f := newFront(t, new(echo.Recorder), signedAt)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("allocated %d bytes", grown)
	}
}

// TestServerLimits: what net/http enforces is set.
func TestServerLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := front.NewServer(newFront(t, new(echo.Recorder), signedAt))
		client, server := net.Pipe()
		l := &oneListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conns <- server
		go func() { _ = s.Serve(l) }()
		defer func() { _ = s.Close() }()

		// A client that sends half a header is cut off after ReadTimeout.
		start := time.Now()
		if _, err := fmt.Fprint(client, "GET /health HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("answered half a request")
		}
		if d := time.Since(start); d != front.ReadTimeout {
			t.Errorf("cut off after %v", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := front.NewServer(newFront(t, new(echo.Recorder), signedAt))
		client, server := net.Pipe()
		l := &oneListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conns <- server
		go func() { _ = s.Serve(l) }()
		defer func() { _ = s.Close() }()
		go func() {
			_, _ = fmt.Fprintf(client, "GET /health HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 2*front.HeaderBytesMax))
		}()
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%v, %v", resp, err)
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		_ = client.Close()
		<-time.After(time.Second) // the server lingers after refusing
	})
}

// oneListener serves one connection.
type oneListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneListener) Close() error {
	close(l.closed)
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }
