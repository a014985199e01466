// Package front is the door of the AWS APIs: an http.Handler that verifies the signature, finds the operation, decodes and validates its input,
// calls it, and encodes what it returns, for every service that it is given. See docs/adr/0005-generated-aws-front.md.
//
// A request passes these checks in this order, and each refuses in the form of the service that the request is for: host and origin, signature
// form, service of the credential scope, body size, signature, region of the scope, the account's rate of calls, protocol and operation, input, the
// model's constraints.
// What is routed is the raw path that was signed; nothing cleans or rewrites it, and no header changes the method.
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"

	"weir/authn"
	"weir/awsapi"
	"weir/awsapi/protocol"
	"weir/awsapi/sigv4"
)

// Config is what an operator may set.
type Config struct {
	Region string // the one region served
	// Hosts are the names and addresses, without ports, that clients may call us by beside the loopback's.
	Hosts []string
	// BodyBytesMax bounds a request's body, packed and unpacked; 0 means 1 MiB.
	BodyBytesMax int64
	// CallRate is how many calls a second an account may make of one service over time, and four times as many at once; 0 means CallRate.
	CallRate int
}

// Deps is what the front needs of others. All but Healthy are required.
type Deps struct {
	Log      *slog.Logger
	Services []awsapi.Service
	// AccessKey returns authn.ErrUnknownKey for a key that does not exist; other errors mean that it cannot be known now.
	AccessKey func(ctx context.Context, id string) (authn.AccessKey, error)
	Now       func() time.Time
	// Healthy answers GET /health; nil means always.
	Healthy func() bool
}

// Front is the handler.
type Front struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	codec    protocol.Codec
	hosts    map[string]bool
	services map[string]*service // by signing name
	names    []string            // the services', sorted
	dummy    string              // stands in for the secret of unknown keys
	throttle *throttle
}

// New checks cfg and the services; it starts nothing.
func New(cfg Config, deps Deps) (*Front, error) {
	switch {
	case cfg.Region == "":
		return nil, errors.New("front: no region")
	case deps.Log == nil || deps.AccessKey == nil || deps.Now == nil:
		return nil, errors.New("front: a logger, access keys and a clock are required")
	case cfg.BodyBytesMax < 0:
		return nil, fmt.Errorf("front: body limit %d", cfg.BodyBytesMax)
	case cfg.CallRate < 0:
		return nil, fmt.Errorf("front: call rate %d", cfg.CallRate)
	case cfg.BodyBytesMax == 0:
		cfg.BodyBytesMax = BodyBytesMax
	}
	f := &Front{cfg: cfg, deps: deps, log: deps.Log, hosts: map[string]bool{}, services: map[string]*service{}, dummy: uuid.NewString(), throttle: newThrottle(cfg.CallRate)}
	for _, h := range cfg.Hosts {
		f.hosts[normalHost(h)] = true
	}
	for _, s := range deps.Services {
		bound, err := bind(s)
		if err != nil {
			return nil, fmt.Errorf("front: %w", err)
		}
		if old := f.services[bound.model.SigningName]; old != nil {
			return nil, fmt.Errorf("front: services %s and %s share the signing name %s", old.model.Name, bound.model.Name, bound.model.SigningName)
		}
		f.services[bound.model.SigningName] = bound
		f.names = append(f.names, bound.model.SigningName)
	}
	slices.Sort(f.names)
	return f, nil
}

// call is one request on its way through.
type call struct {
	id        string
	start     time.Time
	w         http.ResponseWriter
	r         *http.Request
	body      []byte // as it was signed
	service   *service
	proto     awsapi.Protocol // whose form answers take
	queryMode bool
	op        *operation
	principal awsapi.Principal
}

// ServeHTTP answers a request. It never panics but to abort a connection.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{
		id: uuid.NewString(), start: f.deps.Now(), w: w, r: r, proto: guessProtocol(r),
		queryMode: r.Header.Get("X-Amzn-Query-Mode") == "true",
	}
	h := w.Header()
	h.Set("X-Amzn-Requestid", c.id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if fault := f.checkOrigin(r); fault != nil {
		f.answerFault(r.Context(), c, fault)
		return
	}
	if r.URL.EscapedPath() == "/health" && r.Method == http.MethodGet && r.Header.Get("Authorization") == "" && r.URL.RawQuery == "" {
		f.health(w)
		return
	}
	reply, err := f.handle(r.Context(), c)
	if err != nil {
		f.answerFault(r.Context(), c, err)
		return
	}
	f.send(c, reply)
	f.logCall(r.Context(), c, reply.Status, nil)
}

func (f *Front) health(w http.ResponseWriter) {
	if f.deps.Healthy != nil && !f.deps.Healthy() {
		http.Error(w, "not ok", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// handle takes a request through all checks and the operation. Errors that are not faults become internal failures; a panic on the way, in an
// operation or because one returned what its model cannot hold, ends the request and not the process.
func (f *Front) handle(ctx context.Context, c *call) (reply protocol.Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				panic(p)
			}
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	signed := &sigv4.Request{
		Method: c.r.Method, Path: rawPath(c.r), Query: c.r.URL.RawQuery, Host: c.r.Host, Header: c.r.Header,
		ContentLength: c.r.ContentLength,
	}
	claim, err := sigv4.Parse(signed)
	if err != nil {
		f.guessService(c)
		return protocol.Reply{}, f.authFault(c, err)
	}
	if err := f.findService(c, claim); err != nil {
		return protocol.Reply{}, err
	}
	if c.body, err = readBody(c.w, c.r, f.cfg.BodyBytesMax); err != nil {
		return protocol.Reply{}, err
	}
	signed.Body = c.body
	if err := f.authenticate(ctx, c, signed, claim); err != nil {
		return protocol.Reply{}, err
	}
	if !f.throttle.allow(c.principal.Account, c.service.model.Name, f.deps.Now()) {
		return protocol.Reply{}, throttled(c)
	}
	in, err := f.input(c)
	if err != nil {
		return protocol.Reply{}, err
	}
	if vs := f.codec.Validate(in.Interface()); len(vs) > 0 {
		return protocol.Reply{}, protocol.ValidationFault(c.service.model, vs)
	}
	queue, err := queueWanted(c.r.Header)
	if err != nil {
		return protocol.Reply{}, err
	}
	ctx = awsapi.WithScope(ctx, awsapi.Scope{
		Account: c.principal.Account, Region: f.cfg.Region, Principal: c.principal, RequestID: c.id, Queue: queue,
	})
	out, err := c.op.call(ctx, in)
	if err != nil {
		return protocol.Reply{}, err
	}
	return f.codec.Output(c.proto, c.service.model, &c.op.model, c.id, out), nil
}

// queueWanted reads awsapi.QueueHeader. A value that is neither true nor false is refused: to take it for false would surprise its sender.
func queueWanted(h http.Header) (bool, error) {
	switch v := h.Get(awsapi.QueueHeader); v {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, awsapi.NewFault(http.StatusBadRequest, "BadRequestException", "The header %s is true or false, not %q.", awsapi.QueueHeader, v)
	}
}

// answerFault sends err in the form that the client expects. Only faults have words for the caller; the text of other errors is logged.
func (f *Front) answerFault(ctx context.Context, c *call, err error) {
	fault := awsapi.AsFault(err)
	if fault == nil {
		fault = internalFailure(c)
		if ctx.Err() == nil {
			f.log.ErrorContext(ctx, "api call failed", "api", c.apiName(), "request_id", c.id, "err", err)
		}
	}
	form := protocol.FaultContext{Protocol: c.proto, RequestID: c.id, QueryMode: c.queryMode && c.service != nil && c.service.model.QueryErrors}
	if c.service != nil {
		form.Namespace = c.service.model.XMLNamespace
	}
	reply := f.codec.Fault(form, fault)
	f.send(c, reply)
	f.logCall(ctx, c, reply.Status, err)
}

func (f *Front) send(c *call, reply protocol.Reply) {
	h := c.w.Header()
	maps.Copy(h, reply.Header)
	c.w.WriteHeader(reply.Status)
	if len(reply.Body) > 0 {
		_, _ = c.w.Write(reply.Body) // a client that went away is not our failure
	}
}

// logCall is the access log.
func (f *Front) logCall(ctx context.Context, c *call, status int, err error) {
	if !f.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []any{
		"api", c.apiName(), "status", status, "request_id", c.id, "principal", c.principal.ARN, "remote", c.r.RemoteAddr,
		"bytes", len(c.body), "dur", f.deps.Now().Sub(c.start),
	}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	f.log.DebugContext(ctx, "api call", attrs...)
}

// apiName names the call for the log: "kafka:CreateCluster", or as much as is known.
func (c *call) apiName() string {
	switch {
	case c.service == nil:
		return ""
	case c.op == nil:
		return c.service.model.Name
	}
	return c.service.model.Name + ":" + c.op.model.Name
}

func internalFailure(c *call) *awsapi.Fault {
	code := "InternalFailure"
	if c.service != nil {
		switch {
		case c.service.model.Validation == awsapi.BadRequestWithParameter || c.service.model.Validation == awsapi.BadRequest:
			code = "InternalServerErrorException"
		case c.proto == awsapi.EC2Query:
			code = "InternalError"
		}
	}
	return awsapi.NewFault(http.StatusInternalServerError, code,
		"The request failed because of an internal failure. Its id is %s: the log has the cause.", c.id)
}
