// Command record serves the front with the echo services and writes down every request that a client sends, byte for byte, as the replay tests
// of package front want them:
//
//	go run ./awsapi/front/internal/record -client go-v2 -out awsapi/front/testdata/requests -listen 127.0.0.1:4599
//
// then point a client there (clients/README.md). The credentials are fixed and stand in the recordings; the clock of a replay is the date of
// the request.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"weir/authn"
	"weir/awsapi/front"
	"weir/awsapi/front/internal/echo"
)

func main() {
	client := flag.String("client", "", "name of the client, the folder to write to")
	out := flag.String("out", "awsapi/front/testdata/requests", "folder of the recordings")
	listen := flag.String("listen", "127.0.0.1:4599", "address to serve on")
	flag.Parse()
	if err := run(*client, *out, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(client, out, listen string) error {
	if client == "" {
		return fmt.Errorf("-client is required")
	}
	dir := filepath.Join(out, client)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	keys := authn.NewKeys(echo.Root())
	names := &apiNames{}
	f, err := front.New(front.Config{Region: echo.Region}, front.Deps{
		Log: slog.New(names), Services: echo.Services(new(echo.Recorder)), AccessKey: keys.AccessKey, Now: time.Now,
	})
	if err != nil {
		return err
	}
	h := &recorder{dir: dir, front: f, names: names}
	s := front.NewServer(h)
	s.Addr = listen
	return s.ListenAndServe()
}

// recorder handles one request at a time, so that the name in the access log is the request's.
type recorder struct {
	mu    sync.Mutex
	dir   string
	front http.Handler
	names *apiNames
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec.front.ServeHTTP(w, r)
	name := strings.ReplaceAll(rec.names.last, ":", "_")
	if r.URL.Query().Has("X-Amz-Signature") {
		name += "_presigned"
	}
	fmt.Fprintln(os.Stdout, name, rec.names.err)
	if rec.names.err != "" && !strings.HasPrefix(rec.names.err, "UnsupportedProtocol") {
		return // a client asking for a refusal, to see whether it can read it
	}
	if strings.HasPrefix(rec.names.err, "UnsupportedProtocol") {
		name += "_cbor_" + filepath.Base(r.URL.Path)
	}
	if err := os.WriteFile(filepath.Join(rec.dir, name+".txt"), dump(r, body), 0o666); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// dump writes the request line, the headers sorted by name, an empty line and the body; bodies that are not text in hexadecimal.
func dump(r *http.Request, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	var names []string
	for name := range r.Header {
		if name != "User-Agent" || strings.Contains(r.Header.Get("Authorization"), ";user-agent") { // it describes the machine of the recording
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	if len(body) > 0 && (!utf8.Valid(body) || bytes.ContainsFunc(body, func(r rune) bool { return r < ' ' && r != '\n' })) {
		fmt.Fprintf(&b, "Recorded-Body: hex\n\n%x\n", body)
		return b.Bytes()
	}
	b.WriteByte('\n')
	b.Write(body)
	return b.Bytes()
}

// apiNames is a slog.Handler that keeps what the access log says of the last call.
type apiNames struct{ last, err string }

func (*apiNames) Enabled(context.Context, slog.Level) bool { return true }
func (n *apiNames) WithAttrs([]slog.Attr) slog.Handler     { return n }
func (n *apiNames) WithGroup(string) slog.Handler          { return n }
func (n *apiNames) Handle(_ context.Context, r slog.Record) error {
	n.err = ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "api":
			n.last = a.Value.String()
		case "err":
			n.err = a.Value.String()
		}
		return true
	})
	return nil
}
